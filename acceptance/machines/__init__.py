"""The machines beneath the nodes: those that Vagrant made, or the servers of an inventory."""
