"""Bringing volumes to a node: moves, replicas, and going on without a lost owner."""
