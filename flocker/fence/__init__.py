"""The fence, a process of its own, and the daemon's side of it."""
