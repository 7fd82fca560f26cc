"""How long a move takes and what it costs, against what people do today: `make bench`."""
