"""Streams of volumes on their way: how they are framed, checked and applied."""
