"""Speed of the harness: ``python -m consilico.sim.rtlsim.bench [--json PATH]``.

A plain cocotb loop on Icarus against the bulk bench on Verilator with 64 lanes a beat, in one run
on one machine. Compilation is left out of both. The bulk bench's time contains the hand-over of
the stimulus, the start of the program and the comparison; the plain loop's only its loop. The bulk
bench is measured on one processor and, each with its own stimulus, on all of them.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import processors
from consilico.sim.rtlsim.bulk import Run, build_bulk, run_bulk
from consilico.sim.rtlsim.cocotb_run import build_cocotb, run_cocotb
from consilico.sim.rtlsim.excerpts import prefix, repeat
from consilico.sim.rtlsim.outcome import Outcome
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.units.catalogue import configure, find_unit, verilog
from consilico.sim.units.stimulus import Kind, Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["compare", "main"]

_SEED = 1
_RUNS = 3  # the fastest counts: other work on the machine only ever slows a run
_BULK_RESULTS = 8_000_000
_PLAIN_ITEMS = {1: 3000, 64: 100}  # by lanes; Icarus is slow with wide vectors


def compare(unit: Unit) -> dict[str, Any]:
    """Measure both harnesses on a unit with a ``lanes`` field.

    Returns:
        ``plain`` (one lane), ``plain_64_lanes``, ``bulk`` and ``bulk_all_processors`` (64 lanes):
        each with simulator, lanes, processors, results checked, seconds and results a second;
        ``ratio`` of bulk to plain, ``ratio_same_lanes`` of bulk to plain with 64 lanes.

    Raises:
        UserError: If a simulator is missing.
        CheckFailed: If a result was wrong, which makes its time worthless.
    """
    icarus, verilator = find_simulator("icarus"), find_simulator("verilator")
    plain = _plain(unit, icarus, 1)
    wide = _plain(unit, icarus, 64)
    bulk = _bulk(unit, verilator, 64, 1)
    return {
        "unit": unit.name,
        "runs": _RUNS,
        "plain": plain,
        "plain_64_lanes": wide,
        "bulk": bulk,
        "bulk_all_processors": _bulk(unit, verilator, 64, processors()),
        "ratio": bulk["checked_per_second"] / plain["checked_per_second"],
        "ratio_same_lanes": bulk["checked_per_second"] / wide["checked_per_second"],
    }


def _plain(unit: Unit, simulator: Simulator, lanes: int) -> dict[str, Any]:
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
                Run(bench="plain cocotb loop"),
                module="consilico.sim.rtlsim.plain_bench",
            )
        ]
        for _ in range(_RUNS)
    ]
    return _fastest(simulator, lanes, outcomes)


def _bulk(unit: Unit, simulator: Simulator, lanes: int, processors: int) -> dict[str, Any]:
    config = configure(unit, [f"lanes={lanes}"])
    ports = unit.ports(config)
    parts = [unit.vectors(config, _SEED + part) for part in range(processors)]
    stimuli = [repeat(part, -(-_BULK_RESULTS // part.results)) for part in parts]
    build = build_bulk(simulator, [_text(unit, lanes)], unit.module_name, ports)
    run = Run(bench="bulk, full speed")

    def once() -> list[Outcome]:
        with ThreadPoolExecutor(processors) as pool:
            return list(
                pool.map(lambda part: run_bulk(simulator, build, ports, part, run), stimuli)
            )

    return _fastest(simulator, lanes, [once() for _ in range(_RUNS)])


@cache
def _text(unit: Unit, lanes: int) -> str:
    return verilog(unit, configure(unit, [f"lanes={lanes}"]))


def _fastest(
    simulator: Simulator, lanes: int, repetitions: Sequence[Sequence[Outcome]]
) -> dict[str, Any]:
    """The fastest repetition; one may consist of outcomes that ran at the same time."""
    rows = []
    for outcomes in repetitions:
        for outcome in outcomes:
            if not outcome.passed:
                raise CheckFailed(f"{outcome.bench} on {simulator.name}: {outcome.problems}")
        checked = sum(outcome.checked for outcome in outcomes)
        seconds = max(outcome.seconds for outcome in outcomes)  # all started together
        rows.append(
            {
                "bench": outcomes[0].bench,
                "simulator": simulator.name,
                "version": simulator.version,
                "lanes": lanes,
                "processors": len(outcomes),
                "checked": checked,
                "seconds": seconds,
                "checked_per_second": checked / seconds,
            }
        )
    return max(rows, key=lambda row: row["checked_per_second"])


def _without_resets(stimulus: Stimulus) -> Stimulus:
    """A plain loop does not know which results a reset drops."""
    kept = stimulus.kind != Kind.RESET
    return dataclasses.replace(
        stimulus,
        kind=stimulus.kind[kept],
        bits=stimulus.bits[kept],
        completes=stimulus.completes[kept],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; exit status 1 if a result is wrong, 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.rtlsim.bench", description=__doc__
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    try:
        result = compare(find_unit("consmax/log2"))
        if options.json:
            write_atomic(options.json, json.dumps(result, indent=2) + "\n")
    except (CheckFailed, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    for name in ("plain", "plain_64_lanes", "bulk", "bulk_all_processors"):
        row = result[name]
        print(
            f"{row['bench']:<20} {row['simulator']:<10} {row['lanes']:>3} lanes "
            f"x {row['processors']:<3} "
            f"{row['checked']:>10,} results {row['seconds']:>8.3f} s "
            f"{row['checked_per_second']:>12,.0f} results/s"
        )
    print(f"bulk / plain cocotb loop: {result['ratio']:,.0f} times", end="")
    print(f" ({result['ratio_same_lanes']:,.0f} times with as many lanes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
