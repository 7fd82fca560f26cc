"""An engine, mounts and ports of our own on this machine, apart from everybody else's."""
