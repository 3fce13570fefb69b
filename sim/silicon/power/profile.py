"""Power over time: the energy of the toggles in each window, and where it is greatest."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from consilico.sim.silicon.activity.activity import Activity
from consilico.sim.silicon.power.design import Bits, Nets, Reals

__all__ = ["PowerProfile", "power_profile"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PowerProfile:
    """Average power in windows of equal width; what was not recorded is left out of the average.

    The mean of ``power_w``, weighted by ``recorded_s``, is the total of the report.
    """

    window_s: float
    start_s: Reals  # (windows,), in the time of the waveform
    recorded_s: Reals  # (windows,), time recorded in each: less than the window at the end
    power_w: Reals  # (windows,), internal, switching and leakage; 0 where nothing is recorded

    @property
    def peak(self) -> int:
        """Index of the greatest among the windows that are recorded longest: as a rule, in full."""
        longest = self.recorded_s >= self.recorded_s.max() * (1 - 1e-9)
        return int(np.argmax(np.where(longest, self.power_w, -np.inf)))

    def to_json(self) -> dict[str, Any]:
        """Series and peak."""
        return {
            "window_s": self.window_s,
            "peak": {
                "start_s": float(self.start_s[self.peak]),
                "power_w": float(self.power_w[self.peak]),
            },
            "start_s": self.start_s.tolist(),
            "recorded_s": self.recorded_s.tolist(),
            "power_w": self.power_w.tolist(),
        }


def power_profile(
    activity: Activity, row: Nets, toggle_energy_j: Reals, free: Bits, steady_w: float
) -> PowerProfile:
    """Power in the windows of an activity.

    Args:
        activity: With counts by window.
        row: Row of each net in it, -1: none, shape ``(nets,)``.
        toggle_energy_j: Energy of a toggle of each net, internal and switching, shape ``(nets,)``.
        free: Nets of the free-running clock, which toggle as defined: not counted here.
        steady_w: Power that flows all the time: leakage, and that of the free-running clock.
    """
    windows = activity.windows
    assert windows is not None
    counted = (row >= 0) & ~free
    per_row = np.zeros(len(activity.toggles))
    np.add.at(per_row, row[counted], toggle_energy_j[counted])
    recorded = windows.recorded.astype(np.float64) * activity.tick_s
    energy_j = windows.sums(per_row)
    power = np.divide(energy_j, recorded, out=np.zeros(len(recorded)), where=recorded > 0)
    start = np.arange(len(recorded), dtype=np.float64) * (windows.width * activity.tick_s)
    return PowerProfile(
        window_s=windows.width * activity.tick_s,
        start_s=start + windows.origin * activity.tick_s,
        recorded_s=recorded,
        power_w=power + np.where(recorded > 0, steady_w, 0.0),
    )
