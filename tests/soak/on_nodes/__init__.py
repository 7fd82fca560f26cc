"""Random work and random faults on real nodes."""
