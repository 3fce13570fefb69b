"""The exceptions that end a command with one line: what failed, or what the user can mend."""

__all__ = ["CheckFailed", "ToolError", "UserError"]


class UserError(Exception):
    """Bad input, a missing tool, no space: one line that names it and what would be accepted.

    Exit status 2.
    """


class ToolError(UserError):
    """An external tool that is installed failed; the message names it and quotes what it said."""


class CheckFailed(Exception):
    """A check found something wrong, or a limit is not met. The command exits with status 1."""
