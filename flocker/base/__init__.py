"""What every other room speaks: errors, records, settings, and small tools."""
