"""The steps' way to the cluster: nodes, engines, the app and what a visitor sees."""
