"""The fence, a separate process, and the daemon's side of it.

`fence` is the process, with `memory_lock`. `guard` and `lapse` are parts of the daemon: the one
tells the fence what to stop, the other stops what the fence could not. `lease_file` is between
the two sides.
"""
