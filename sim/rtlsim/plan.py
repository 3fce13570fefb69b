"""What a verification replays on each simulator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.rtlsim.acceptance import Expect
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.profiles import PROFILES, concurrent
from consilico.sim.rtlsim.script import Script, in_order
from consilico.sim.units.accepted import Expected
from consilico.sim.units.stimulus import Stimulus, prefix
from consilico.sim.units.unit import Unit

__all__ = ["COCOTB_ITEMS", "FULL_SPEED", "Planned", "planned"]

FULL_SPEED = "full speed"
COCOTB_ITEMS = 1200  # a Python step per cycle: the bulk testbench replays the rest
_ICARUS_ITEMS = 8000  # where Verilator, which is a hundred times as fast, replays the rest
_ROUNDS = 3  # of every profile on Verilator; Icarus does the first


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One replay on the bulk testbench."""

    name: str
    script: Callable[[], Script]  # made when it is its turn
    expect: Expect
    full_speed: bool = False  # nothing stalls, so that latency and rate can be measured


def planned(
    unit: Unit, config: Config, stimulus: Stimulus, seed: int, simulator: str, *, alone: bool
) -> tuple[list[Planned], list[Exemption]]:
    """Return what is replayed on a simulator, and what is left out.

    Args:
        unit: The unit.
        config: Its configuration.
        stimulus: Its verification stimulus.
        seed: Of stalls, gaps, resets and choices.
        simulator: The simulator's name.
        alone: Whether no other simulator replays the rest.
    """
    short = simulator == "icarus" and not alone
    left_out: list[Exemption] = []
    whole = stimulus
    if short and len(stimulus.kind) > _ICARUS_ITEMS:
        whole = prefix(stimulus, _ICARUS_ITEMS)
        left_out.append(
            Exemption(
                point=f"{simulator}/stimulus",
                why=f"{_ICARUS_ITEMS:,} of {len(stimulus.kind):,} items: Verilator replays all",
            )
        )
    known = partial(_known, whole)
    plans = [
        Planned(name=FULL_SPEED, script=lambda: in_order(whole), expect=known, full_speed=True)
    ]
    golden = partial(unit.expect, config)
    for number in range(1 if simulator == "icarus" else _ROUNDS):
        for profile in PROFILES:
            script = partial(concurrent, stimulus, profile, seed + number, golden)
            name = profile.name if not number else f"{profile.name}, {number + 1}"
            plans.append(Planned(name=name, script=script, expect=golden))
    return plans, left_out


def _known(stimulus: Stimulus, kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
    """Return what a stimulus expects for the items of it that were accepted, in its own order."""
    completes = stimulus.completes[: len(kind)]
    return Expected(
        completes=completes, expected=stimulus.expected[: int(completes.sum())], coverage={}
    )
