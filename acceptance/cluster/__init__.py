"""All nodes together: what scenarios do to them, read from them and leave on them."""
