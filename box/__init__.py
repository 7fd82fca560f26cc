"""Builds what the nodes run from: the node's image and the images the story names."""
