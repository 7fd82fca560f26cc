"""The language of all other rooms: errors, records, settings, and small tools."""
