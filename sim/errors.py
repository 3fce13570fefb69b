"""The one exception that means: the user can mend this (exit status 2)."""

__all__ = ["UserError"]


class UserError(Exception):
    """Bad input, a missing tool, no space: one line that names it and what would be accepted."""
