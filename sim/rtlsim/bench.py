"""Speed of the harness: ``python -m consilico.sim.rtlsim.bench [--json PATH]``.

A plain cocotb loop on Icarus is compared with the bulk testbench on Verilator with 64 lanes per
beat, in one run on one machine. Compilation is left out of both. The time of the bulk testbench
contains the hand-over of the stimulus, the start of the program and the comparison; that of the
plain loop only its loop. The bulk testbench is measured on one processor and, each with its own
stimulus, on all of them.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import processors
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.cocotb_replay import build_cocotb, run_cocotb
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.units.catalogue import configure, find_unit, verilog
from consilico.sim.units.stimulus import Kind, Stimulus, prefix, repeat
from consilico.sim.units.unit import Unit

__all__ = ["HarnessSpeed", "Speed", "compare", "main"]

_SEED = 1
_RUNS = 3  # the fastest counts: other work on the machine only slows a run
_BULK_RESULTS = 8_000_000
_PLAIN_ITEMS = {1: 3000, 64: 100}  # by lanes; Icarus is slow with wide vectors


@dataclass(frozen=True, kw_only=True)
class Speed(Facts):
    """The fastest of some runs of one testbench."""

    derived: ClassVar[tuple[str, ...]] = ("checked_per_second",)

    bench: str
    simulator: str
    version: str
    lanes: int  # of the unit
    processors: int
    checked: int  # results compared, all lanes counted
    seconds: float  # wall clock

    @property
    def checked_per_second(self) -> float:
        """Return the results compared per second."""
        return self.checked / self.seconds


@dataclass(frozen=True, kw_only=True)
class HarnessSpeed(Facts):
    """Both testbenches on one unit."""

    derived: ClassVar[tuple[str, ...]] = ("ratio", "ratio_same_lanes")

    unit: str
    runs: int  # of each, of which the fastest counts
    plain: Speed  # one lane
    plain_64_lanes: Speed
    bulk: Speed  # 64 lanes
    bulk_all_processors: Speed  # 64 lanes

    @property
    def ratio(self) -> float:
        """Return how many times as fast the bulk testbench is, 64 lanes against one."""
        return self.bulk.checked_per_second / self.plain.checked_per_second

    @property
    def ratio_same_lanes(self) -> float:
        """Return how many times as fast the bulk testbench is with 64 lanes in both."""
        return self.bulk.checked_per_second / self.plain_64_lanes.checked_per_second


def compare(unit: Unit) -> HarnessSpeed:
    """Measure both testbenches on a unit with a ``lanes`` field.

    Raises:
        UserError: If a simulator is missing.
        CheckFailed: If a result was wrong, which makes its time worthless.
    """
    icarus, verilator = find_simulator("icarus"), find_simulator("verilator")
    return HarnessSpeed(
        unit=unit.name,
        runs=_RUNS,
        plain=_plain(unit, icarus, 1),
        plain_64_lanes=_plain(unit, icarus, 64),
        bulk=_bulk(unit, verilator, 64, 1),
        bulk_all_processors=_bulk(unit, verilator, 64, processors()),
    )


def _plain(unit: Unit, simulator: Simulator, lanes: int) -> Speed:
    config = configure(unit, [f"lanes={lanes}"])
    stimulus = prefix(_without_resets(unit.vectors(config, _SEED)), _PLAIN_ITEMS[lanes])
    build = build_cocotb(simulator, [_text(unit, lanes)], unit.module_name)
    outcomes = [
        [
            run_cocotb(
                simulator,
                build,
                unit.module_name,
                unit.ports(config),
                stimulus,
                Replay(bench="plain cocotb loop"),
                module="consilico.sim.rtlsim.plain_testbench",
            )
        ]
        for _ in range(_RUNS)
    ]
    return _fastest(simulator, lanes, outcomes)


def _bulk(unit: Unit, simulator: Simulator, lanes: int, processors: int) -> Speed:
    config = configure(unit, [f"lanes={lanes}"])
    ports = unit.ports(config)
    parts = [unit.vectors(config, _SEED + part) for part in range(processors)]
    stimuli = [repeat(part, -(-_BULK_RESULTS // part.results)) for part in parts]
    build = build_bulk(simulator, [_text(unit, lanes)], unit.module_name, ports)
    replay = Replay(bench="bulk, full speed")

    def once() -> list[ReplayOutcome]:
        with ThreadPoolExecutor(processors) as pool:
            return list(
                pool.map(lambda part: run_bulk(simulator, build, ports, part, replay), stimuli)
            )

    return _fastest(simulator, lanes, [once() for _ in range(_RUNS)])


def _text(unit: Unit, lanes: int) -> str:
    return verilog(unit, configure(unit, [f"lanes={lanes}"]))


def _fastest(
    simulator: Simulator,
    lanes: int,
    repetitions: Sequence[Sequence[ReplayOutcome]],
) -> Speed:
    """Return the fastest repetition; one may consist of outcomes that ran at the same time."""
    rows = []
    for outcomes in repetitions:
        for outcome in outcomes:
            if not outcome.passed:
                raise CheckFailed(f"{outcome.bench} on {simulator.name}: {outcome.problems}")
        rows.append(
            Speed(
                bench=outcomes[0].bench,
                simulator=simulator.name,
                version=simulator.version,
                lanes=lanes,
                processors=len(outcomes),
                checked=sum(outcome.checked for outcome in outcomes),
                seconds=max(outcome.seconds for outcome in outcomes),  # all started together
            )
        )
    return max(rows, key=lambda row: row.checked_per_second)


def _without_resets(stimulus: Stimulus) -> Stimulus:
    """Return the stimulus without resets: a plain loop does not know what a reset drops."""
    kept = stimulus.kind != Kind.RESET
    return dataclasses.replace(
        stimulus,
        kind=stimulus.kind[kept],
        bits=stimulus.bits[kept],
        completes=stimulus.completes[kept],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; return 1 if a result is wrong, 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.rtlsim.bench", description=__doc__
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    try:
        result = compare(find_unit("consmax/log2"))
        if options.json:
            write_atomic(options.json, json.dumps(result.to_json(), indent=2) + "\n")
    except (CheckFailed, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    for row in (result.plain, result.plain_64_lanes, result.bulk, result.bulk_all_processors):
        print(
            f"{row.bench:<20} {row.simulator:<10} {row.lanes:>3} lanes x {row.processors:<3} "
            f"{row.checked:>10,} results {row.seconds:>8.3f} s "
            f"{row.checked_per_second:>12,.0f} results/s"
        )
    print(
        f"bulk / plain cocotb loop: {result.ratio:,.0f} times "
        f"({result.ratio_same_lanes:,.0f} times with as many lanes)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
