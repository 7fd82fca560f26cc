"""Random work and random faults on three real nodes."""
