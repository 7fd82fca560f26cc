"""What everything in the suite speaks: limits, waiting, commands, and what goes into the report."""
