"""How the steps reach the cluster: nodes, engines, the app and what a visitor sees."""
