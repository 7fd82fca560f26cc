"""The parts of a node that most of its other parts work on. The door is context.py."""
