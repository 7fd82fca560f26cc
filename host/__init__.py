"""What this machine must have before nodes can run: packages, an engine, room, a free subnet.

Standard library only: this runs before anything is installed.
"""
