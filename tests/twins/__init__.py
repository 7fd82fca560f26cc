"""Twins in memory of pool and etcd; one contract suite runs on them and on the real ones."""
