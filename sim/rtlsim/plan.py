"""Plan of a verification: the replays on each simulator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.rtlsim.acceptance import Expect
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.profiles import PROFILES, concurrent
from consilico.sim.rtlsim.script import Script, in_order
from consilico.sim.rtlsim.simulators import SIMULATORS
from consilico.sim.units.accepted import Expected
from consilico.sim.units.stimulus import Stimulus, beginning
from consilico.sim.units.unit import Unit

__all__ = [
    "COCOTB",
    "COCOTB_ITEMS",
    "FULL_SPEED",
    "Planned",
    "asked_points",
    "at_full_speed",
    "has_cocotb",
    "left_out",
    "planned",
]

FULL_SPEED = "full speed"
EXHAUSTIVE = "exhaustive, full speed"
COCOTB = "cocotb, random stalls"
COCOTB_ITEMS = 1200  # a Python step per cycle: the bulk testbench replays the rest
# Where Verilator, which is a hundred times as fast, replays the rest:
_ICARUS_ITEMS = 1200
_ICARUS_PROFILES = 2  # the first of them hit all points of the streams
_ROUNDS = 3  # of every profile on Verilator; Icarus does the first


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One replay on the bulk testbench."""

    name: str
    script: Callable[[], Script]  # made when it is its turn
    expect: Expect
    results_per_beat: float  # results, all lanes counted, in a beat on ``o``
    full_speed: bool = False  # nothing stalls, so that the rate can be measured
    coverage: Mapping[str, int] = field(default_factory=dict)  # of the unit's own points


def planned(
    unit: Unit, config: Config, stimulus: Stimulus, seed: int, simulators: Sequence[str]
) -> dict[str, list[Planned]]:
    """Return what is replayed on each simulator.

    Verilator replays all: the stimulus and the exhaustive one at full speed, and free streams.
    Icarus, a hundredth as fast, leaves what is long to Verilator where both are asked for.

    Args:
        unit: The unit.
        config: Its configuration.
        stimulus: Its verification stimulus.
        seed: Of stalls, gaps, resets and choices.
        simulators: Names of the simulators.
    """
    alone = len(simulators) == 1
    return {
        simulator: [
            *_in_order(unit, config, stimulus, seed, simulator, alone=alone),
            *_free(unit, config, stimulus, seed, simulator, alone=alone),
        ]
        for simulator in simulators
    }


def _in_order(
    unit: Unit, config: Config, stimulus: Stimulus, seed: int, simulator: str, *, alone: bool
) -> Iterator[Planned]:
    """Yield what is replayed in the order of its stimulus, at full speed."""
    cut = simulator == "icarus" and not alone and len(stimulus.kind) > _ICARUS_ITEMS
    yield at_full_speed(FULL_SPEED, beginning(stimulus, _ICARUS_ITEMS) if cut else stimulus)
    if simulator == "verilator" and unit.exhaustive is not None:
        yield at_full_speed(EXHAUSTIVE, unit.exhaustive(config, seed))


def at_full_speed(name: str, stimulus: Stimulus) -> Planned:
    """Return the replay of a stimulus in its own order, in which nothing stalls."""
    return Planned(
        name=name,
        script=lambda: in_order(stimulus),
        expect=partial(_known, stimulus),
        results_per_beat=_results_per_beat(stimulus),
        full_speed=True,
        coverage=stimulus.coverage,
    )


def _free(
    unit: Unit, config: Config, stimulus: Stimulus, seed: int, simulator: str, *, alone: bool
) -> Iterator[Planned]:
    """Yield streams that run free of each other, with each producer and consumer."""
    golden = partial(unit.expect, config)
    icarus = simulator == "icarus"
    for number in range(1 if icarus else _ROUNDS):
        for profile in PROFILES if alone or not icarus else PROFILES[:_ICARUS_PROFILES]:
            yield Planned(
                name=profile.name if not number else f"{profile.name}, {number + 1}",
                script=partial(concurrent, stimulus, profile, seed + number, golden),
                expect=golden,
                results_per_beat=_results_per_beat(stimulus),
            )


def has_cocotb(simulator: str, simulators: Sequence[str]) -> bool:
    """Tell whether a simulator runs the cocotb testbench, too: Icarus where it was asked for.

    The testbench takes a Python step per cycle on any simulator, and compiling the unit for it
    takes Verilator as long as compiling it for the bulk testbench.
    """
    return simulator == "icarus" or "icarus" not in simulators


def left_out(
    unit: Unit, config: Config, stimulus: Stimulus, simulators: Sequence[str]
) -> list[Exemption]:
    """Return what a verification on these simulators does not replay, and why."""
    found = [
        Exemption(point=point, why=why)
        for point, why in unit.exempt(config).items()
        if point in (*unit.coverage, *unit.exhaustive_coverage)
    ]
    if "verilator" not in simulators:
        why = "only Verilator replays the exhaustive stimulus, and it was not asked for"
        found += [Exemption(point=point, why=why) for point in unit.exhaustive_coverage]
    elif "icarus" in simulators:
        found += _left_to_the_other(unit, stimulus)
    items = len(stimulus.kind)
    if (first := len(beginning(stimulus, COCOTB_ITEMS).kind)) < items:
        why = f"of {items:,} items the first {first:,}; full speed replays all"
        found.append(Exemption(point=COCOTB, why=why))
    if "icarus" not in simulators:
        why = "ticks are counted on Icarus, which was not asked for"
        found.append(Exemption(point="clock gates", why=why))
    found += [
        Exemption(point=name, why="the simulator was not asked for")
        for name in SIMULATORS
        if name not in simulators
    ]
    return found


def _left_to_the_other(unit: Unit, stimulus: Stimulus) -> Iterator[Exemption]:
    """Yield what one of both simulators does not replay because the other does at less cost."""
    yield Exemption(point=f"verilator, {COCOTB}", why="Icarus, which compiles at once, runs it")
    items = len(stimulus.kind)
    if (first := len(beginning(stimulus, _ICARUS_ITEMS).kind)) < items:
        why = f"of {items:,} items the first {first:,}; Verilator replays all"
        yield Exemption(point=f"icarus, {FULL_SPEED}", why=why)
    names = [EXHAUSTIVE] if unit.exhaustive is not None else []
    names += [profile.name for profile in PROFILES[_ICARUS_PROFILES:]]
    for name in names:
        yield Exemption(point=f"icarus, {name}", why="only Verilator, which is quicker, replays it")
    why = f"Verilator replays each of them {_ROUNDS} times, Icarus once"
    for profile in PROFILES[:_ICARUS_PROFILES]:
        yield Exemption(point=f"icarus, {profile.name}", why=why)


def asked_points(unit: Unit, config: Config, simulators: Sequence[str]) -> list[str]:
    """Return the coverage points of a unit that this configuration has to hit."""
    points = [*unit.coverage, *(unit.exhaustive_coverage if "verilator" in simulators else ())]
    exempt = unit.exempt(config)
    return [point for point in points if point not in exempt]


def _results_per_beat(stimulus: Stimulus) -> float:
    return stimulus.results / max(1, len(stimulus.expected))


def _known(stimulus: Stimulus, kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
    """Return what a stimulus expects for the items of it that were accepted, in its own order."""
    completes = stimulus.completes[: len(kind)]
    return Expected(
        completes=completes, expected=stimulus.expected[: int(completes.sum())], coverage={}
    )
