"""Targets of area, path and energy of the ConSmax units, and how the netlists compare with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consilico.reports.consmax.facts import find, lanes_of
from consilico.reports.consmax.limits import ENERGY_CLOCK_NS, PAPER, TARGETS, Target
from consilico.reports.page.numbers import NOT_MEASURED
from consilico.sim.silicon.implementation import Implementation

__all__ = [
    "JudgedTarget",
    "MissedTarget",
    "OtherNetlist",
    "beyond_together",
    "judge_targets",
    "representative",
]


@dataclass(frozen=True, kw_only=True)
class OtherNetlist:
    """Figure of a netlist that a target is not judged on, of the same quantity."""

    clock_ns: float  # mapped for
    value: float
    met: bool


@dataclass(frozen=True, kw_only=True)
class JudgedTarget:
    """A target with what was measured; None where it was not."""

    target: Target
    measured: float | None  # per lane, or per result
    clock_ns: float | None  # that its netlist was mapped for
    met: bool | None
    paper: float | None  # the paper's unit in the same flow, mapped for the same clock
    real: float | None  # the energy on the language model's scores
    others: tuple[OtherNetlist, ...]  # the 250 MHz netlist, or the one that area is judged on

    @property
    def real_met(self) -> bool | None:
        """Return whether the energy on the model's scores keeps its limit; None: not measured."""
        limit = self.target.real_limit
        return None if self.real is None or limit is None else self.real <= limit

    @property
    def ratio(self) -> float | None:
        """Return what was measured divided by the limit."""
        return None if self.measured is None else self.measured / self.target.limit

    @property
    def against_paper(self) -> float | None:
        """Return what was measured divided by what the paper's unit has."""
        return self.measured / self.paper if self.measured and self.paper else None

    @property
    def words(self) -> str:
        """Return what was measured with its unit."""
        if self.measured is None:
            return NOT_MEASURED
        return f"{self.measured:,.{self.target.digits}f} {self.target.unit}"


@dataclass(frozen=True, kw_only=True)
class MissedTarget:
    """A target that a netlist misses."""

    target: Target
    clock_ns: float  # that the netlist was mapped for
    value: float


def representative(netlists: Iterable[Implementation], architecture: str) -> Implementation | None:
    """Return the one netlist, at one lane, that area and longest path are both judged on.

    Of the netlists mapped for different clocks: one that keeps both limits, if any does, or else
    the one whose worse ratio to its limit is smallest; the slowest clock wins a tie.
    """
    limits = {
        target.key: target.limit
        for target in TARGETS
        if target.architecture == architecture and target.lanes == 1
    }

    def miss(it: Implementation) -> tuple[float, float]:
        worst = max(it.area_um2 / limits["area_um2"], it.path_ns / limits["path_ns"])
        return max(1.0, worst), -it.clock_ns

    found = find(netlists, unit=architecture, lanes=1, source="normal")
    return min(found, key=miss, default=None)


def judge_targets(netlists: Sequence[Implementation]) -> list[JudgedTarget]:
    """Compare every target with what was measured, on the netlists that are there."""
    normal = find(netlists, source="normal")
    rows = []
    for target in TARGETS:
        best = representative(netlists, target.architecture)
        clocks = [ENERGY_CLOCK_NS, *([best.clock_ns] if best else [])]
        if target.lanes == 1 and target.key != "energy_pj":
            clocks.reverse()
        points = [
            point
            for clock_ns in dict.fromkeys(clocks)
            for point in find(
                normal, unit=target.architecture, lanes=target.lanes, clock_ns=clock_ns
            )
        ]
        judged = next((point for point in points if point.clock_ns == clocks[0]), None)
        measured = None if judged is None else _value(target, judged)
        paper = [_value(target, point) for point in find(normal, unit=PAPER, clock_ns=clocks[0])]
        real = find(
            netlists, unit=target.architecture, lanes=target.lanes, source="model",
            clock_ns=ENERGY_CLOCK_NS,
        )  # fmt: skip
        rows.append(
            JudgedTarget(
                target=target,
                measured=measured,
                clock_ns=None if judged is None else judged.clock_ns,
                met=None if measured is None else measured <= target.limit,
                paper=paper[0] if paper else None,
                real=_value(target, real[0]) if real and target.key == "energy_pj" else None,
                others=tuple(
                    OtherNetlist(
                        clock_ns=point.clock_ns,
                        value=_value(target, point),
                        met=_value(target, point) <= target.limit,
                    )
                    for point in points
                    if point is not judged
                ),
            )
        )
    return rows


def beyond_together(rows: Iterable[JudgedTarget]) -> dict[str, tuple[MissedTarget, ...]]:
    """Return what an architecture misses if all its targets are judged on netlists of one clock.

    Args:
        rows: From :func:`judge_targets`.

    Returns:
        By architecture, for the clock at which least is missed: each target missed.
    """
    missed: dict[str, tuple[MissedTarget, ...]] = {}
    by_architecture: dict[str, list[JudgedTarget]] = {}
    for row in rows:
        by_architecture.setdefault(row.target.architecture, []).append(row)
    for architecture, own in by_architecture.items():
        values = {
            (clock_ns, row.target.quantity): value
            for row in own
            for clock_ns, value in [
                (row.clock_ns, row.measured),
                *((other.clock_ns, other.value) for other in row.others),
            ]
            if clock_ns is not None and value is not None
        }
        tries = [
            tuple(
                MissedTarget(
                    target=row.target, clock_ns=clock_ns,
                    value=values[clock_ns, row.target.quantity],
                )
                for row in own
                if values[clock_ns, row.target.quantity] > row.target.limit
            )
            for clock_ns in dict.fromkeys(clock_ns for clock_ns, _ in values)
            if all((clock_ns, row.target.quantity) in values for row in own)
        ]  # fmt: skip
        if tries:
            missed[architecture] = min(tries, key=len)
    return missed


def _value(target: Target, it: Implementation) -> float:
    """Return the area per lane, the longest path, or the energy per result at 250 MHz."""
    value = float(getattr(it, target.key))
    if target.key == "area_um2":
        return value / lanes_of(it)
    if target.key == "energy_pj" and it.clock_ns != ENERGY_CLOCK_NS:
        # energy per cycle does not depend on the clock, but for leakage, which is a power
        cycles = it.activity.cycles / it.activity.results
        slower_ns = ENERGY_CLOCK_NS - it.clock_ns
        return value + 1e3 * it.power.leakage_w * slower_ns * cycles
    return value
