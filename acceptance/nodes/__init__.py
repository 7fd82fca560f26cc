"""One node: the way onto it over ssh, its engine through that, and what is typed on it."""
