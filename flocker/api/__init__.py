"""HTTP: what the engine, operators and other nodes ask, and what this node asks of others."""
