"""A node looks after what it has: it catches up, tidies, verifies and purges."""
