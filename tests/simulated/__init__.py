"""The driver's own code on three simulated nodes: a seed drives time, chance and scheduling."""
