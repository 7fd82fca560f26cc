"""moby-counter as scripts and visitors see it, and how long it is away."""
