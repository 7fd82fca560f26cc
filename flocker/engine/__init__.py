"""The node's engine and kernel: whether anything uses a volume. The door is volume_use.py."""
