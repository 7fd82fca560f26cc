"""The node's certificates: whom it trusts, and how its own are renewed in time."""
