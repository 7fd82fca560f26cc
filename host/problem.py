"""A reason to stop that is the machine's, not the project's."""


class Problem(Exception):
    """This machine, as it is set up now, does not allow to go on.

    The message is one line: what was found, and what to type next.
    """
