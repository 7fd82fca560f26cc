"""Random runs on real nodes, which this machine's containers are: clients, faults, the end."""
