"""Builds the box of the nodes that are virtual machines, for libvirt and for VirtualBox."""
