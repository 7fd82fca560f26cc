"""The file system itself, without a word about volumes."""
