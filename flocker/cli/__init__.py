"""The `flocker` command: asks this node's daemon and prints what it says.

`commands` is what can be typed, `client` asks the daemon, `wording` makes text of its
answers, `progress` shows that something is under way.
"""
