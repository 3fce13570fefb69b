"""The verdict on a unit: its Verilog equals its golden model, on every simulator asked for."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import cached_facts
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import digest
from consilico.sim.rtlsim.builds import BuildError, compiler_version
from consilico.sim.rtlsim.cocotb_replay import build_cocotb, run_cocotb
from consilico.sim.rtlsim.failures import Failure
from consilico.sim.rtlsim.judge import Found, Judge
from consilico.sim.rtlsim.plan import (
    COCOTB,
    COCOTB_ITEMS,
    Planned,
    asked_points,
    has_cocotb,
    left_out,
    planned,
)
from consilico.sim.rtlsim.points import Exemption, stream_points
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.rtlsim.stimulus_file import read_script
from consilico.sim.rtlsim.verdict import (
    SimulatorRun,
    Verification,
    covered,
    differences_in_cycles,
    latencies,
    run_of,
)
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.stimulus import Stimulus, beginning
from consilico.sim.units.unit import Unit

__all__ = ["SimulatorRun", "Verification", "check", "replay_file", "verify"]


def verify(
    unit: Unit,
    config: Config,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
    failures: Path | None = None,
) -> Verification:
    """Verify the generated Verilog of a unit; a verdict that passed is cached.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        simulators: Names, at least one of ``icarus`` and ``verilator``.
        seed: Seed of the stimuli and the stalls.
        progress: Called after each testbench with a label, steps done and steps in all.
        failures: Folder for the stimuli and waveforms of what fails; the cache if not given.

    Raises:
        UserError: If a simulator is unknown, missing or too old.
    """
    return check(unit, config, verilog(unit, config), simulators, seed, progress, failures)


def check(
    unit: Unit,
    config: Config,
    text: str | Mapping[str, str],
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
    failures: Path | None = None,
    *,
    fresh: bool = False,
    trusted: bool = False,
    powered: bool = False,
) -> Verification:
    """Verify Verilog that was edited by hand, broken on purpose or checked in.

    Args:
        unit: The unit that the Verilog claims to be.
        config: Its configuration.
        text: The Verilog; by simulator, if they run different ones.
        simulators: As for :func:`verify`.
        seed: As for :func:`verify`.
        progress: As for :func:`verify`.
        failures: As for :func:`verify`.
        fresh: Whether the verdict is neither taken from the cache nor kept there, because the
            golden model depends on more than its code.
        trusted: Whether the Verilog may reach all files when it is simulated.
        powered: Whether registers hold their initial values when power comes, as in an FPGA; else,
            on Verilator, anything.

    Raises:
        UserError: If a simulator is unknown, missing or too old.
    """
    found = _found(simulators, trusted)
    texts = _texts(text, simulators)
    stimulus = unit.vectors(config, seed)
    if fresh:
        return _judged(
            unit, config, texts, found, seed, stimulus, progress, failures, powered=powered
        )
    key = digest(
        [unit.name, config.to_json(), seed, unit.latency(config), powered],
        asked_points(unit, config, simulators),
        [[simulator.name, simulator.version, compiler_version(simulator)] for simulator in found],
        asdict(unit.layouts(config)),
        metadata.version("cocotb"),
        code_digest(__name__),
        code_digest(unit.golden.__module__),  # of the module that defines the unit, or its model
        code_digest(unit.vectors.__module__),
        texts,
        stimulus.kind.tobytes(),
        stimulus.bits.tobytes(),
        stimulus.completes.tobytes(),
        stimulus.expected.tobytes(),
        [stimulus.results, stimulus.coverage],
    )
    return cached_facts(
        Verification,
        "verify",
        key,
        lambda: _judged(
            unit, config, texts, found, seed, stimulus, progress, failures, powered=powered
        ),
        keep=lambda judged: judged.passed,
    )


def replay_file(
    unit: Unit,
    config: Config,
    text: str | Mapping[str, str],
    simulators: Sequence[str],
    path: Path,
    failures: Path | None = None,
    *,
    trusted: bool = False,
) -> Verification:
    """Replay a stimulus file on a unit's Verilog, and nothing else.

    Args:
        unit: The unit.
        config: Its configuration.
        text: Its Verilog; by simulator, if they run different ones.
        simulators: As for :func:`verify`.
        path: The stimulus file.
        failures: As for :func:`verify`.
        trusted: As for :func:`check`.

    Raises:
        UserError: If a simulator is unknown, missing or too old, or the file cannot be replayed on
            this unit.
    """
    found = _found(simulators, trusted)
    texts = _texts(text, simulators)
    script = read_script(path, unit.layouts(config), unit.name, config)
    plan = Planned(
        name=f"replay of {path.name}",
        script=lambda: script,
        expect=partial(unit.expect, config),
        results_per_beat=1,
    )
    runs: list[SimulatorRun] = []
    problems: list[str] = []
    explained: list[Failure] = []
    for simulator in found:
        own = texts[simulator.name]
        part = _replayed(unit, config, own, simulator, 1, [plan], None, failures, explained)
        runs.append(part.run)
        problems += part.problems
    return Verification(
        unit=unit.name,
        config=config.to_json(),
        seed=1,
        verilog_sha256=_sha256(texts),
        runs=tuple(runs),
        coverage={},
        uncovered=(),
        latency_cycles={"declared": unit.latency(config)},
        problems=tuple(problems),
        failures=tuple(explained),
        exempt=(Exemption(point="verification", why=f"only {path} was replayed"),),
    )


def _found(simulators: Sequence[str], trusted: bool) -> list[Simulator]:
    if not simulators:
        raise UserError("name at least one simulator")
    return [replace(find_simulator(name), trusted=trusted) for name in simulators]


def _texts(text: str | Mapping[str, str], simulators: Sequence[str]) -> Mapping[str, str]:
    """Return the Verilog that each simulator runs."""
    return dict.fromkeys(simulators, text) if isinstance(text, str) else text


def _sha256(texts: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(dict.fromkeys(texts.values())).encode()).hexdigest()


def _judged(
    unit: Unit,
    config: Config,
    texts: Mapping[str, str],
    simulators: list[Simulator],
    seed: int,
    stimulus: Stimulus,
    progress: Progress | None,
    failures: Path | None,
    *,
    powered: bool,
) -> Verification:
    runs: list[SimulatorRun] = []
    problems: list[str] = []
    explained: list[Failure] = []
    names = [simulator.name for simulator in simulators]
    plans = planned(unit, config, stimulus, seed, names)
    done, total = 0, sum(len(plan) + has_cocotb(name, names) for name, plan in plans.items())

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(f"verify {unit.name}", done, total)

    own: Counter[str] = Counter()
    for simulator in simulators:
        plan = plans[simulator.name]
        part = _replayed(
            unit, config, texts[simulator.name], simulator, seed, plan,
            stimulus if has_cocotb(simulator.name, names) else None, failures, explained, step,
            powered=powered,
        )  # fmt: skip
        own |= sum((Counter(each.coverage) for each in plan), Counter())
        runs.append(part.run)
        problems += part.problems
    latency, wrong = latencies(unit.latency(config), runs)
    problems += wrong
    problems += differences_in_cycles(runs)
    required = stream_points(
        configurable=unit.ports(config).cfg_width > 0,
        latency_cycles=unit.latency(config),
    )
    asked = asked_points(unit, config, names)
    coverage, uncovered = covered(asked, required.points, own, runs)
    problems += [f"coverage point {point} was never hit" for point in uncovered]
    return Verification(
        unit=unit.name,
        config=config.to_json(),
        seed=seed,
        verilog_sha256=_sha256(texts),
        runs=tuple(runs),
        coverage=coverage,
        uncovered=tuple(uncovered),
        latency_cycles=latency,
        problems=tuple(problems),
        failures=tuple(explained),
        exempt=(*left_out(unit, config, stimulus, names), *required.exempt),
    )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Findings of one simulator, which a verdict is put together from."""

    run: SimulatorRun
    problems: list[str]


def _replayed(
    unit: Unit,
    config: Config,
    text: str,
    simulator: Simulator,
    seed: int,
    plans: Sequence[Planned],
    stimulus: Stimulus | None,
    folder: Path | None,
    explained: list[Failure],
    step: Callable[[], None] = lambda: None,
    *,
    powered: bool = True,
) -> _Part:
    """Replay the plans on a simulator, and the beginning of a stimulus, if given, on cocotb.

    Failures are added to those that were explained on other simulators, each symptom once.
    """
    known = {failure.what for failure in explained}
    found = Found()
    try:
        judge = Judge(unit, config, text, simulator, seed, known, folder, powered=powered)
        found = judge.found
        for plan in plans:
            ended = judge.replay(plan)
            step()
            if not ended:
                break  # it would not end with cocotb either
        else:
            if stimulus is not None:
                _cocotb(unit, config, text, simulator, seed, stimulus, found)
                step()
    except BuildError as error:
        found.problems.append(str(error))
        found.stopped = "build failed"
    explained += found.failures
    return _Part(run=run_of(simulator, found), problems=found.problems)


def _cocotb(
    unit: Unit,
    config: Config,
    text: str,
    simulator: Simulator,
    seed: int,
    stimulus: Stimulus,
    found: Found,
) -> None:
    """Replay the beginning of a stimulus on the cocotb testbench."""
    top = unit.module_name
    build = build_cocotb(simulator, [text], top)
    replay = Replay(bench=COCOTB, stall_in=64, stall_out=96, seed=seed)
    sample = beginning(stimulus, COCOTB_ITEMS)
    outcome = run_cocotb(simulator, build, top, unit.ports(config), sample, replay)
    found.outcomes.append(outcome)
    where = f"{simulator.name}, {outcome.bench}"
    found.problems += [f"{where}: {problem}" for problem in outcome.problems]
    if not outcome.checked:
        found.problems.append(f"{where}: nothing was checked")
