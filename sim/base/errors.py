"""The exceptions that end a command with one line: what failed, or what the user can mend."""

__all__ = ["CheckFailed", "ToolError", "UserError"]


class UserError(Exception):
    """Bad input, a missing tool, no space: one line that names it and what would be accepted.

    Exit status 2.
    """


class ToolError(UserError):
    """A tool that was found failed: its name and what it said."""


class CheckFailed(Exception):
    """What was checked is wrong, or a limit is not met. Exit status 1."""
