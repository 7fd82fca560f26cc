"""What nodes run on: machines that Vagrant made, or the servers of an inventory."""
