"""Under which conditions a figure of silicon holds, in the same words everywhere."""

from collections.abc import Mapping
from typing import Any

__all__ = ["NO_ACTIVITY", "conditions"]

NO_ACTIVITY = "not needed for area and path"
_NAMES = ("name", "pdk", "kit")
_KEYS = (*_NAMES, "corner", "voltage_v")


def conditions(kit: Any, clock: float | str, activity: str) -> str:
    """Return kit, corner, supply, clock and activity, as captions and figures have them.

    Args:
        kit: A mapping or facts with ``corner``, ``voltage_v`` and, as ``name``, ``pdk`` or
            ``kit``, the kit's name.
        clock: Period that was mapped for and that energies hold at [ns], or words.
        activity: Where the switching comes from.
    """
    if not isinstance(kit, Mapping):
        kit = {key: getattr(kit, key) for key in _KEYS if hasattr(kit, key)}
    name = next(kit[key] for key in _NAMES if key in kit)
    period = clock if isinstance(clock, str) else f"{clock:g} ns"
    return f"{name}, {kit['corner']}, {kit['voltage_v']:g} V; clock: {period}; activity: {activity}"
