"""The language of the whole suite: limits, waiting, commands, and what goes into the report."""
