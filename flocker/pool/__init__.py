"""A node's pool: the data of its volumes, and what was put aside.

The door is protocol.py; btrfs_pool.py implements it.
"""
