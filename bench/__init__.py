"""Time and cost of a move, compared with today's ways: `make bench`."""
