"""Oracles: each knows one rule, sees all events in the order of time, and says what breaks it."""
