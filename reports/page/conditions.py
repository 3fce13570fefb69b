"""Under which conditions a figure of silicon holds, in the same words everywhere."""

from collections.abc import Mapping
from typing import Any

__all__ = ["NO_ACTIVITY", "conditions"]

NO_ACTIVITY = "not needed for area and path"


def conditions(kit: Mapping[str, Any], clock: float | str, activity: str) -> str:
    """Kit, corner, supply, clock and activity, as captions and figures have them.

    Args:
        kit: Has ``corner``, ``voltage_v`` and, as ``name``, ``pdk`` or ``kit``, its name.
        clock: Period that was mapped for and that energies hold at [ns], or words.
        activity: Where the switching comes from.
    """
    name = next(kit[key] for key in ("name", "pdk", "kit") if key in kit)
    period = clock if isinstance(clock, str) else f"{clock:g} ns"
    return f"{name}, {kit['corner']}, {kit['voltage_v']:g} V; clock: {period}; activity: {activity}"
