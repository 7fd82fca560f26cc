"""A reason to stop that is the machine's, not the project's."""


class Problem(Exception):
    """The surroundings do not allow to go on.

    The message is one line: what was found, and what to type next.
    """
