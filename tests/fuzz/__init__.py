"""Random streams, as a harmful node might send them, against what reads and applies them."""
