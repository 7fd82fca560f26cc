"""Random runs on real nodes, which are containers on this machine: clients, faults, the end."""
