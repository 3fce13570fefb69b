"""Verdict on a unit: its Verilog equals its golden model, on every simulator asked for."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from typing import Any

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import cached, digest
from consilico.sim.rtlsim.builds import BuildError, compiler_version
from consilico.sim.rtlsim.bulk import Run, build_bulk, run_bulk
from consilico.sim.rtlsim.cocotb_run import build_cocotb, run_cocotb
from consilico.sim.rtlsim.excerpts import prefix
from consilico.sim.rtlsim.outcome import Outcome
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.stimulus import Kind, Ports, Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["check", "verify"]

_COCOTB_ITEMS = 1200  # a Python step a cycle: the bulk bench replays the rest
_FULL_SPEED = "bulk, full speed"


def verify(
    unit: Unit,
    config: Config,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Verify the generated Verilog of a unit; a verdict that passed is cached.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        simulators: Names, at least one of ``icarus`` and ``verilator``.
        seed: Of the stimuli and the stalls.
        progress: Told after each bench.

    Returns:
        ``unit``, ``config``, ``seed``, ``verilog_sha256``, ``runs`` (one a simulator: name,
        version, results checked, mismatches, seconds without compilation, the benches one by one,
        coverage), ``coverage`` (hits a point), ``uncovered``, ``latency_cycles`` (declared and
        measured), ``problems`` (one line each) and ``passed``.

    Raises:
        UserError: If a simulator is unknown, missing or too old.
    """
    return check(unit, config, verilog(unit, config), simulators, seed, progress)


def check(
    unit: Unit,
    config: Config,
    text: str,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """As :func:`verify`, for given Verilog: checked-in, edited by hand, or broken on purpose."""
    if not simulators:
        raise UserError("name at least one simulator")
    found = [find_simulator(name) for name in simulators]
    stimulus = unit.vectors(config, seed)
    key = digest(
        [unit.name, config.to_json(), seed, unit.latency(config), _asked(unit, config)],
        [[simulator.name, simulator.version, compiler_version(simulator)] for simulator in found],
        asdict(unit.ports(config)),
        metadata.version("cocotb"),
        code_digest(__name__),
        text,
        stimulus.kind.tobytes(),
        stimulus.bits.tobytes(),
        stimulus.completes.tobytes(),
        stimulus.expected.tobytes(),
        [stimulus.results, stimulus.coverage],
    )
    result: dict[str, Any] = cached(
        "verify",
        key,
        lambda: _judged(unit, config, text, found, seed, stimulus, progress),
        keep=lambda judged: bool(judged["passed"]),
    )
    return result


def _judged(
    unit: Unit,
    config: Config,
    text: str,
    simulators: list[Simulator],
    seed: int,
    stimulus: Stimulus,
    progress: Progress | None,
) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    problems: list[str] = []
    latency = {"declared": unit.latency(config)}
    total = len(simulators) * len(_plan(seed, stimulus))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(f"verify {unit.name}", done, total)

    cycles: dict[str, set[int]] = {}
    for simulator in simulators:
        outcomes, build_problem = _benches(
            simulator, text, unit, unit.ports(config), stimulus, seed, step
        )
        runs.append(_run(simulator, outcomes))
        if build_problem:
            problems.append(build_problem)
        for outcome in outcomes:
            where = f"{simulator.name}, {outcome.bench}"
            problems += [f"{where}: {problem}" for problem in outcome.problems]
            if not outcome.checked:
                problems.append(f"{where}: nothing was checked")
            cycles.setdefault(outcome.bench, set()).add(outcome.cycles)
            if outcome.bench == _FULL_SPEED and outcome.latency_cycles is not None:
                latency[simulator.name] = outcome.latency_cycles
                if outcome.latency_cycles != latency["declared"]:
                    problems.append(
                        f"{where}: latency is {outcome.latency_cycles} cycles, "
                        f"declared {latency['declared']}"
                    )
    problems += [
        f"{bench}: the simulators differ in cycles: {sorted(counts)}"
        for bench, counts in cycles.items()
        if len(counts) > 1
    ]
    asked = _asked(unit, config)
    coverage, uncovered = _coverage(asked, latency["declared"], stimulus, runs)
    problems += [f"coverage point {point} was never hit" for point in uncovered]
    return {
        "unit": unit.name,
        "config": config.to_json(),
        "seed": seed,
        "verilog_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "runs": runs,
        "coverage": coverage,
        "uncovered": uncovered,
        "latency_cycles": latency,
        "problems": problems,
        "passed": not problems,
    }


def _plan(seed: int, stimulus: Stimulus) -> list[tuple[str, Stimulus, Run]]:
    """Benches: kind, stimulus, how it is replayed."""
    stalls = Run(stall_in=64, stall_out=96, seed=seed)
    sample = prefix(stimulus, _COCOTB_ITEMS)
    return [
        ("bulk", stimulus, Run(bench=_FULL_SPEED, seed=seed)),
        ("bulk", stimulus, replace(stalls, bench="bulk, random stalls")),
        ("cocotb", sample, replace(stalls, bench="cocotb, random stalls")),
    ]


def _benches(
    simulator: Simulator,
    text: str,
    unit: Unit,
    ports: Ports,
    stimulus: Stimulus,
    seed: int,
    step: Callable[[], None],
) -> tuple[list[Outcome], str]:
    """Outcome of every bench, and why the rest was not run, empty if all were."""
    outcomes: list[Outcome] = []
    top = unit.module_name
    try:
        for kind, part, run in _plan(seed, stimulus):
            if kind == "bulk":
                build = build_bulk(simulator, [text], top, ports)
                outcomes.append(run_bulk(simulator, build, ports, part, run))
                if not outcomes[-1].cycles:
                    break  # it never came to an end, and cocotb would wait for it for ever
            else:
                build = build_cocotb(simulator, [text], top)
                outcomes.append(run_cocotb(simulator, build, top, ports, part, run))
            step()
    except BuildError as error:
        return outcomes, str(error)
    return outcomes, ""


def _run(simulator: Simulator, outcomes: list[Outcome]) -> dict[str, Any]:
    checked = sum(outcome.checked for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    events: Counter[str] = Counter()
    for outcome in outcomes:
        events.update(outcome.events)
    return {
        "simulator": simulator.name,
        "version": simulator.version,
        "checked": checked,
        "mismatches": sum(outcome.mismatches for outcome in outcomes),
        "seconds": seconds,
        "checked_per_second": checked / seconds if seconds else 0.0,
        "benches": [outcome.to_json() for outcome in outcomes],
        "coverage": {
            f"stream/{event}": hits for event, hits in events.items() if event != "dump_cycles"
        },
    }


def _asked(unit: Unit, config: Config) -> list[str]:
    """Coverage points of a unit that this configuration has to hit."""
    exempt = unit.exempt(config)
    return [point for point in unit.coverage if point not in exempt]


def _coverage(
    asked: list[str], latency: int, stimulus: Stimulus, runs: list[dict[str, Any]]
) -> tuple[dict[str, int], list[str]]:
    """Hits a point, the least of the simulators', and the required points never hit.

    What can be in flight at a reset or a reload needs a unit that holds data for a cycle.
    """
    required = ["stream/gap_cycles", "stream/i_stall_cycles", "stream/o_stall_cycles"]
    for kind, point in ((Kind.RESET, "reset_in_flight"), (Kind.CONFIG, "config_in_flight")):
        later = (stimulus.kind == kind) & (stimulus.kind == Kind.DATA).cumsum().astype(bool)
        if latency and later.any():
            required.append(f"stream/{point}")
    coverage = dict.fromkeys(asked, 0) | stimulus.coverage
    for point in required:
        coverage[point] = min(run["coverage"].get(point, 0) for run in runs)
    return coverage, [point for point in (*asked, *required) if not coverage[point]]
