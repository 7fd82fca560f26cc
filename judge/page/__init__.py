"""The page of a run: a picture for each volume, and the verdict with its reasons."""
