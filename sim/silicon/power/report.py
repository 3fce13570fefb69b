"""What a power analysis finds: by instance, by class, by module, over time."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from consilico.sim.silicon.power.clocktree import ClockTree
from consilico.sim.silicon.power.profile import PowerProfile

__all__ = ["CLASSES", "InstancePower", "Power", "PowerReport"]

CLASSES = ("sequential", "combinational", "clock", "macro", "pad")
_COLUMNS = (
    "instance", "module", "cell", "class", "internal_w", "switching_w", "leakage_w", "total_w",
)  # fmt: skip


@dataclass(frozen=True)
class Power:
    """Power in watts, by cause."""

    internal_w: float = 0.0
    switching_w: float = 0.0
    leakage_w: float = 0.0

    @property
    def total_w(self) -> float:
        """Sum of the three."""
        return self.internal_w + self.switching_w + self.leakage_w

    def __add__(self, other: "Power") -> "Power":
        return Power(
            self.internal_w + other.internal_w,
            self.switching_w + other.switching_w,
            self.leakage_w + other.leakage_w,
        )

    def to_json(self) -> dict[str, float]:
        """The three and their sum."""
        return {
            "internal_w": self.internal_w,
            "switching_w": self.switching_w,
            "leakage_w": self.leakage_w,
            "total_w": self.total_w,
        }


@dataclass(frozen=True, kw_only=True)
class InstancePower:
    """Power of one cell instance."""

    name: str
    module: str  # path of the module around it, empty for the top
    cell: str
    kind: str  # one of ``CLASSES``
    power: Power

    def to_json(self) -> dict[str, Any]:
        """One row of a table."""
        names = {"instance": self.name, "module": self.module, "cell": self.cell}
        return names | {"class": self.kind} | self.power.to_json()


@dataclass(frozen=True, kw_only=True)
class PowerReport:
    """Power of a netlist.

    Pins are those of the cells and the bits of the top module's ports. A pin is annotated if the
    activity holds its net, or it is constant, or it is in the clock. The others take part with
    density 0 and duty 0.5: their dynamic power is left out, not guessed.
    """

    total: Power
    by_class: dict[str, Power]
    by_module: dict[str, Power]  # by path, what is inside included; the top by its name
    instances: list[InstancePower]
    annotated_pins: int
    unannotated_pins: int
    source: str  # "vcd", "fst" or "saif"
    duration_s: float
    toggles: float  # of all nets of the netlist, over the duration
    period_s: float
    recorded_period_s: float | None  # of the clock in the activity; None: it does not toggle there
    profile: PowerProfile | None = None
    clock_tree: ClockTree | None = None

    @classmethod
    def of(cls, top: str, instances: Iterable[InstancePower], **rest: Any) -> "PowerReport":
        """Report with the sums of its instances."""
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
        """The instances with the greatest power, greatest first."""
        return sorted(self.instances, key=lambda item: -item.power.total_w)[:count]

    def to_json(self) -> dict[str, Any]:
        """Everything but the single instances."""
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
            "wires": "ideal",
            "basis": "measured",
        }
        if self.profile is not None:
            result["profile"] = self.profile.to_json()
        if self.clock_tree is not None:
            result["clock_tree"] = asdict(self.clock_tree)
        return result

    def instances_csv(self) -> str:
        """Table of the instances, in the order of the netlist, powers in W."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(item.to_json() for item in self.instances)
        return text.getvalue()
