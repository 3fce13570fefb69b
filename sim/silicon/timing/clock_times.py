"""Times that a clock may have: what is shorter or longer is a mistake of its unit."""

from consilico.sim.base.errors import UserError

__all__ = ["check_ns"]

_LEAST_NS, _MOST_NS = 1e-3, 1e9  # 1 ps to 1 s


def check_ns(name: str, value: float) -> None:
    """Check that a time in ns is one that a clock may have, 1 ps to 1 s.

    Args:
        name: What the caller names it, such as ``clock_ns``.
        value: The time in ns; infinity and what is no number are refused, too.

    Raises:
        UserError: If it is not.
    """
    if not _LEAST_NS <= value <= _MOST_NS:
        raise UserError(f"{name} must be {_LEAST_NS:g} to {_MOST_NS:,.0f} ns, not {value:g}")
