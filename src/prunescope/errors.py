"""The one exception for what a user can mend."""


class PrunescopeError(Exception):
    """Bad input or a broken precondition; the message says what was found, what was wanted and what to do."""
