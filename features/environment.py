"""behave looks for its hooks only here; they are in the top folder."""

from environment import *  # noqa: F403
