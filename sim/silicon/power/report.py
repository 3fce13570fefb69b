"""The facts that a power analysis finds: power by instance, by class, by module and over time."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from consilico.sim.base.facts import Facts
from consilico.sim.silicon.activity.recording import Activity
from consilico.sim.silicon.power.arrays import Bits, Nets, Reals
from consilico.sim.silicon.power.clock_tree import ClockTreeEstimate

__all__ = [
    "CLASSES",
    "InstancePower",
    "Power",
    "PowerProfile",
    "PowerReport",
    "power_profile",
]

CLASSES = ("sequential", "combinational", "clock", "macro", "pad")
_LEAST_PARTS = 4  # that a spread is told from
_COLUMNS = (
    "instance", "module", "cell", "class", "internal_w", "switching_w", "leakage_w", "total_w",
)  # fmt: skip


@dataclass(frozen=True)
class Power(Facts):
    """Power of something, by cause."""

    derived: ClassVar[tuple[str, ...]] = ("total_w",)

    internal_w: float = 0.0  # within the cells
    switching_w: float = 0.0  # of the loads
    leakage_w: float = 0.0

    @property
    def total_w(self) -> float:
        """Return the sum of the three."""
        return self.internal_w + self.switching_w + self.leakage_w

    def __add__(self, other: "Power") -> "Power":
        return Power(
            self.internal_w + other.internal_w,
            self.switching_w + other.switching_w,
            self.leakage_w + other.leakage_w,
        )

    def at_speed(self, factor: float) -> "Power":
        """Return the power at so many times the clock: the energy per cycle stays, leakage too."""
        return Power(self.internal_w * factor, self.switching_w * factor, self.leakage_w)


@dataclass(frozen=True, kw_only=True)
class InstancePower:
    """Power of one cell instance."""

    name: str
    module: str  # path of the module around it, empty for the top
    cell: str
    kind: str  # one of CLASSES
    power: Power

    def to_json(self) -> dict[str, Any]:
        """Return the instance as a row of a table."""
        names = {"instance": self.name, "module": self.module, "cell": self.cell}
        return names | {"class": self.kind} | self.power.to_json()


@dataclass(frozen=True, kw_only=True, eq=False)
class PowerProfile:
    """Average power in windows of equal width; time that was not recorded is left out.

    The mean of ``power_w``, weighted by ``recorded_s``, is the total of the report.
    """

    window_s: float
    start_s: Reals  # (windows,), in the time of the waveform
    recorded_s: Reals  # (windows,), time recorded in each: at the end less than the window
    power_w: Reals  # (windows,), internal, switching and leakage; 0 where nothing is recorded

    @property
    def peak(self) -> int:
        """Return the index of the greatest power among the windows recorded longest, so in full."""
        longest = self.recorded_s >= self.recorded_s.max() * (1 - 1e-9)
        return int(np.argmax(np.where(longest, self.power_w, -np.inf)))

    def sampling_error(self, parts: int = 16) -> float | None:
        """Return the standard error of the mean power, as a fraction of it.

        The recording is a sample of what goes on: the error follows from how much the means of
        its parts differ. A part has to be longer than what makes neighboring windows alike.

        Args:
            parts: Equal, contiguous parts to take; fewer if there are fewer windows.

        Returns:
            None where the recording is too short to tell, or has no power.
        """
        full = self.power_w[self.recorded_s >= self.recorded_s.max() * (1 - 1e-9)]
        parts = min(parts, len(full))
        if parts < _LEAST_PARTS or not full.mean():
            return None
        means = full[: len(full) // parts * parts].reshape(parts, -1).mean(axis=1)
        return float(means.std(ddof=1) / np.sqrt(parts) / means.mean())

    def to_json(self) -> dict[str, Any]:
        """Return the series and the peak."""
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
    """Return the power in each window of a recording.

    Args:
        activity: Recording with counts by window.
        row: Row of each net in it, -1 for none, shape ``(nets,)``.
        toggle_energy_j: Energy of a toggle of each net, internal and switching, shape ``(nets,)``.
        free: Nets of the free-running clock, shape ``(nets,)``. They toggle as defined, whatever
            was recorded, and are not counted here.
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


@dataclass(frozen=True, kw_only=True)
class PowerReport:
    """Power of a netlist: in total, by class of cell, by module and by instance.

    Pins are those of the cells and the bits of the top module's ports. A pin is annotated if the
    activity holds its net, or it is constant, or it is in the clock. The others take part with
    density 0 and duty 0.5: their dynamic power is left out, not guessed.
    """

    total: Power
    by_class: dict[str, Power]  # by each of CLASSES
    by_module: dict[str, Power]  # by path, modules inside included; the top by its name
    instances: list[InstancePower]  # in the order of the netlist
    annotated_pins: int
    unannotated_pins: int
    source: str  # format of the recording: "vcd", "fst" or "saif"
    duration_s: float  # of the recording
    toggles: float  # of all nets of the netlist, over the duration
    period_s: float  # clock period that the powers are given at
    recorded_period_s: float | None  # clock period in the recording; None: it does not toggle there
    wires: str = "ideal"  # or "given": their capacitances are known
    profile: PowerProfile | None = None
    clock_tree: ClockTreeEstimate | None = None

    @classmethod
    def of(cls, top: str, instances: Iterable[InstancePower], **rest: Any) -> "PowerReport":
        """Return the report of some instances, with their sums; ``rest`` are the other fields."""
        instances = list(instances)
        total = Power()
        by_class = {name: Power() for name in CLASSES}
        by_module: dict[str, Power] = {top: Power()}
        for item in instances:
            total += item.power
            by_class[item.kind] += item.power
            by_module[top] += item.power
            parts = item.module.split("/") if item.module else []
            for depth in range(len(parts)):
                path = "/".join(parts[: depth + 1])
                by_module[path] = by_module.get(path, Power()) + item.power
        return cls(total=total, by_class=by_class, by_module=by_module, instances=instances, **rest)

    def top_consumers(self, count: int) -> list[InstancePower]:
        """Return the instances with the greatest power, the greatest first."""
        return sorted(self.instances, key=lambda item: -item.power.total_w)[:count]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the single instances."""
        result = self.total.to_json() | {
            "annotated_pins": self.annotated_pins,
            "unannotated_pins": self.unannotated_pins,
            "by_class": {name: power.to_json() for name, power in self.by_class.items()},
            "by_module": {name: power.to_json() for name, power in self.by_module.items()},
            "activity": {
                "source": self.source,
                "duration_s": self.duration_s,
                "cycles": self.duration_s / self.period_s,
                "toggles": self.toggles,
            },
            "clock_period_s": self.period_s,
            "recorded_clock_period_s": self.recorded_period_s,
            "wires": self.wires,
            "basis": "measured",
        }
        if self.profile is not None:
            result["profile"] = self.profile.to_json()
        if self.clock_tree is not None:
            result["clock_tree"] = self.clock_tree.to_json()
        return result

    def instances_csv(self) -> str:
        """Return a CSV table of the instances, in the order of the netlist, powers in W."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(item.to_json() for item in self.instances)
        return text.getvalue()
