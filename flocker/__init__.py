"""flocker: a Docker volume driver whose volumes move between nodes with their containers."""

VERSION = "0.1.0"
