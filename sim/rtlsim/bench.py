"""Speed of the harness: ``python -m sim.rtlsim.bench [--json PATH]``.

A plain cocotb loop on Icarus against the bulk bench on Verilator with 64 lanes a beat, in one run
on one machine. Compilation is left out of both. The bulk bench's time contains the hand-over of
the stimulus, the start of the program and the comparison; the plain loop's only its loop.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.catalog import Unit, configure, find_unit, verilog
from sim.errors import UserError
from sim.results import write_atomic
from sim.rtlsim.bulk import Run, build_bulk, run_bulk
from sim.rtlsim.cocotb_run import build_cocotb, run_cocotb
from sim.rtlsim.outcome import Outcome
from sim.rtlsim.simulators import Simulator, find_simulator
from sim.rtlsim.stretch import prefix, repeat
from sim.stimulus import Kind, Stimulus

__all__ = ["compare", "main"]

_SEED = 1
_RUNS = 3  # the fastest counts: other work on the machine only ever slows a run
_BULK_RESULTS = 8_000_000
_PLAIN_ITEMS = {1: 3000, 64: 100}  # by lanes; Icarus is slow with wide vectors


def compare(unit: Unit) -> dict[str, Any]:
    """Measure both harnesses on a unit with a ``lanes`` field.

    Returns:
        ``plain`` (one lane), ``plain_64_lanes``, ``bulk`` (64 lanes): each with simulator, lanes,
        results checked, seconds and results a second; ``ratio`` of bulk to plain,
        ``ratio_same_lanes`` of bulk to plain with 64 lanes.

    Raises:
        UserError: If a simulator is missing.
        RuntimeError: If a result was wrong, which makes its time worthless.
    """
    icarus, verilator = find_simulator("icarus"), find_simulator("verilator")
    plain = _plain(unit, icarus, 1)
    wide = _plain(unit, icarus, 64)
    bulk = _bulk(unit, verilator, 64)
    return {
        "unit": unit.name,
        "processors": os.cpu_count(),
        "runs": _RUNS,
        "plain": plain,
        "plain_64_lanes": wide,
        "bulk": bulk,
        "ratio": bulk["checked_per_second"] / plain["checked_per_second"],
        "ratio_same_lanes": bulk["checked_per_second"] / wide["checked_per_second"],
    }


def _plain(unit: Unit, simulator: Simulator, lanes: int) -> dict[str, Any]:
    config = configure(unit, [f"lanes={lanes}"])
    stimulus = prefix(_without_resets(unit.vectors(config, _SEED)), _PLAIN_ITEMS[lanes])
    build = build_cocotb(simulator, [verilog(unit, config)], unit.module_name)
    outcomes = [
        run_cocotb(
            simulator,
            build,
            unit.module_name,
            unit.ports(config),
            stimulus,
            Run(bench="plain cocotb loop"),
            module="sim.rtlsim.plain_bench",
        )
        for _ in range(_RUNS)
    ]
    return _fastest(simulator, lanes, outcomes)


def _bulk(unit: Unit, simulator: Simulator, lanes: int) -> dict[str, Any]:
    config = configure(unit, [f"lanes={lanes}"])
    ports = unit.ports(config)
    stimulus = unit.vectors(config, _SEED)
    stimulus = repeat(stimulus, -(-_BULK_RESULTS // stimulus.results))
    build = build_bulk(simulator, [verilog(unit, config)], unit.module_name, ports)
    outcomes = [
        run_bulk(simulator, build, ports, stimulus, Run(bench="bulk, full speed"))
        for _ in range(_RUNS)
    ]
    return _fastest(simulator, lanes, outcomes)


def _fastest(simulator: Simulator, lanes: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    for outcome in outcomes:
        if not outcome.passed:
            raise RuntimeError(f"{outcome.bench} on {simulator.name}: {outcome.problems}")
    best = min(outcomes, key=lambda outcome: outcome.seconds / outcome.checked)
    return {
        "bench": best.bench,
        "simulator": simulator.name,
        "version": simulator.version,
        "lanes": lanes,
        "checked": best.checked,
        "cycles": best.cycles,
        "seconds": best.seconds,
        "checked_per_second": best.checked / best.seconds,
    }


def _without_resets(stimulus: Stimulus) -> Stimulus:
    """A plain loop does not know which results a reset drops."""
    kept = stimulus.kind != Kind.RESET
    return dataclasses.replace(stimulus, kind=stimulus.kind[kept], bits=stimulus.bits[kept])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; the exit status is 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m sim.rtlsim.bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    try:
        result = compare(find_unit("consmax/log2"))
        if options.json:
            write_atomic(options.json, json.dumps(result, indent=2) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name in ("plain", "plain_64_lanes", "bulk"):
        row = result[name]
        print(
            f"{row['bench']:<20} {row['simulator']:<10} {row['lanes']:>3} lanes "
            f"{row['checked']:>10,} results {row['seconds']:>8.3f} s "
            f"{row['checked_per_second']:>12,.0f} results/s"
        )
    print(f"bulk / plain cocotb loop: {result['ratio']:,.0f} times", end="")
    print(f" ({result['ratio_same_lanes']:,.0f} times with as many lanes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
