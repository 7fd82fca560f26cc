"""moby-counter as scripts and visitors see it, and how long it is away.

The app itself is in the repository's folder app/.
"""
