"""The daemon's own threads on three twin nodes, under random work and random faults."""
