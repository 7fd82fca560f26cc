"""Clients: random requests of people, engines and apps, the same for every machine."""
