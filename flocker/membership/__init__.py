"""This machine's place in the cluster: whether it is the node it is named after."""
