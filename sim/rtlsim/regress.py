"""Verify units in many configurations, on several simulators, with several seeds, in parallel.

Each run is a verification of one configuration on one simulator with one seed. Its ending tells
whether the unit passed or failed, or what kept the run from its end, such as a tool that was
killed, a full disk or a limit of time; that is an error and never a verdict on the unit.
Verifications that passed are kept in the result cache, so
a regression that was interrupted goes on where it stopped.
"""

import contextlib
import gc
import shlex
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import as_done
from consilico.sim.base.processes import work_folder
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import computed_anew
from consilico.sim.rtlsim.edges import edges, settings
from consilico.sim.rtlsim.endings import Stop, stop_of_error
from consilico.sim.rtlsim.hdl_coverage import hits_of, measured_hits, read_hits, write_hits
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.rtlsim.testing.junit import JunitCase, Suite
from consilico.sim.rtlsim.verify import check
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.unit import Unit

__all__ = ["HdlCoverage", "LeftOutEdge", "Regression", "RegressionRun", "UnitCoverage", "regress"]

Configurations = Literal["default", "edges"]
# Characters of Verilog that a simulator can do in minutes. Icarus takes time for each lane in each
# cycle; what is beyond Verilator's limit takes g++ hours.
_LARGEST = {"icarus": 300_000, "verilator": 600_000}


@dataclass(frozen=True, kw_only=True)
class RegressionRun(Facts):
    """One configuration of a unit, on one simulator, with one seed."""

    derived: ClassVar[tuple[str, ...]] = ("verdict",)

    unit: str
    config: dict[str, Any]
    simulator: str
    seed: int
    ending: Literal["passed", "failed"] | Stop
    problems: tuple[str, ...]  # one line each; empty if it passed
    seconds: float  # wall clock, compilation included
    checked: int  # results compared with the golden model, all lanes counted
    coverage: dict[str, int]  # hits of each coverage point
    exempt: tuple[Exemption, ...]  # points that it did not cover, and what it did not run
    replay: str  # command that does it again

    @property
    def verdict(self) -> Literal["passed", "failed", "error"]:
        """Return whether the unit passed or failed; an error if the run did not come to its end."""
        return self.ending if self.ending in ("passed", "failed") else "error"


@dataclass(frozen=True, kw_only=True)
class LeftOutEdge(Facts):
    """An edge of a field that no configuration has, or that is too large for a simulator."""

    unit: str
    setting: str  # field=value; with "on" and the simulator if it is too large for that one alone
    why: str


@dataclass(frozen=True, kw_only=True)
class UnitCoverage(Facts):
    """Coverage of a unit over all of its runs that came to an end."""

    unit: str
    runs: int
    hits: dict[str, int]  # of each point: the sum over the runs
    never: tuple[str, ...]  # points of the unit that no run hit
    exempt: dict[str, int]  # "point: why" of what runs did not cover: in how many


@dataclass(frozen=True, kw_only=True)
class HdlCoverage(Facts):
    """Coverage that Verilator counted in one configuration of a unit, over all seeds."""

    unit: str
    config: dict[str, Any]
    lines: int  # statements and branches of the Verilog
    lines_hit: int
    toggles: int  # of each bit up and down
    toggles_hit: int
    file: str  # the counts, as ``verilator_coverage`` reads them; the Verilog lies next to it


@dataclass(frozen=True, kw_only=True)
class Regression(Facts):
    """All runs of a regression, and what they cover together."""

    derived: ClassVar[tuple[str, ...]] = ("passed", "failed", "errors", "endings")

    runs: tuple[RegressionRun, ...]
    coverage: tuple[UnitCoverage, ...]
    left_out: tuple[LeftOutEdge, ...]
    hdl_coverage: tuple[HdlCoverage, ...]  # empty unless asked for
    seconds: float  # wall clock

    def _count(self, verdict: str) -> int:
        return sum(run.verdict == verdict for run in self.runs)

    @property
    def passed(self) -> int:
        """Return the number of runs that passed."""
        return self._count("passed")

    @property
    def failed(self) -> int:
        """Return the number of runs in which the unit was wrong."""
        return self._count("failed")

    @property
    def errors(self) -> int:
        """Return the number of runs that did not come to an end."""
        return self._count("error")

    @property
    def endings(self) -> dict[str, int]:
        """Return the number of runs with each ending that there is."""
        return dict(Counter(run.ending for run in self.runs))

    @property
    def suites(self) -> list[Suite]:
        """Return the runs as JUnit XML has them, a suite for each unit."""
        return [
            Suite(
                name=name,
                cases=[_case(run) for run in self.runs if run.unit == name],
                seconds=sum(run.seconds for run in self.runs if run.unit == name),
            )
            for name in dict.fromkeys(run.unit for run in self.runs)
        ]


@dataclass(frozen=True, kw_only=True)
class _Job:
    unit: str
    config: dict[str, Any]
    simulator: str
    seed: int


class _TimeIsUp(BaseException):
    """The limit of a run; no handler of errors on the way is meant to see it."""


def regress(
    units: Sequence[str],
    *,
    configurations: Configurations = "edges",
    simulators: Sequence[str] = ("icarus", "verilator"),
    seeds: Sequence[int] = (1,),
    limit_s: float = 600.0,
    resume: bool = False,
    hdl_coverage: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Regression:
    """Verify units in many configurations; what goes wrong in one run does not end the others.

    Args:
        units: Names of units.
        configurations: ``default`` for the default configuration of each unit only, or ``edges``,
            see :func:`~consilico.sim.rtlsim.edges.edges`.
        simulators: Names of simulators; each run is on one of them.
        seeds: Seeds of stimuli and stalls; each run has one of them.
        limit_s: Wall clock that a run may take, compilation included.
        resume: Whether verifications that passed earlier are taken from the result cache.
        hdl_coverage: Folder for Verilator's coverage of lines and toggles, which is counted in the
            runs on Verilator if it is given. The coverage of all seeds is added up.
        jobs: Runs at a time; as many as there are processors if not given.
        progress: Called with a label, runs done and runs in all.

    Raises:
        UserError: If a unit or a simulator is unknown or missing, or there is nothing to run.
        ToolError: If a process of ours was killed, as happens where memory runs out.
    """
    begun = time.monotonic()
    for name in simulators:
        find_simulator(name)
    chosen = [find_unit(name) for name in units]
    left_out: list[LeftOutEdge] = []
    configs: list[tuple[int, Unit, Config]] = []
    for unit in chosen:
        found = edges(unit) if configurations == "edges" else None
        each = (unit.config(),) if found is None else found.configs
        configs += [(place, unit, config) for place, config in enumerate(each)]
        left_out += [
            LeftOutEdge(unit=unit.name, setting=setting, why=why)
            for setting, why in (() if found is None else found.left_out)
        ]
    configs.sort(key=lambda item: item[0])  # the default of every unit first
    planned = [
        _Job(unit=unit.name, config=config.to_json(), simulator=simulator, seed=seed)
        for seed in seeds
        for _, unit, config in configs
        for simulator in simulators
    ]
    if not planned:
        raise UserError("there is nothing to run: name units, simulators and seeds")
    with work_folder("regress") as folder:
        counts = folder if hdl_coverage else None
        work = partial(_run, limit_s=limit_s, resume=resume, counts=counts)
        done = dict(as_done(work, planned, "regress", jobs, progress))
        left_out += dict.fromkeys(each for each in done.values() if isinstance(each, LeftOutEdge))
        counted = [] if hdl_coverage is None else _hdl_coverage(planned, folder, hdl_coverage)
    runs = [each for _, each in sorted(done.items()) if isinstance(each, RegressionRun)]
    return Regression(
        runs=tuple(runs),
        coverage=tuple(_merged(unit, runs) for unit in chosen),
        left_out=tuple(left_out),
        hdl_coverage=tuple(counted),
        seconds=time.monotonic() - begun,
    )


def _run(
    job: _Job, *, limit_s: float, resume: bool, counts: Path | None
) -> RegressionRun | LeftOutEdge:
    """Verify one configuration; whatever keeps the run from its end is its verdict.

    A configuration whose Verilog is too large for the simulator is left out.
    """
    begun = time.monotonic()
    unit, config = _configured(job)
    ending: Literal["passed", "failed"] | Stop
    problems: tuple[str, ...] = ()
    coverage: dict[str, int] = {}
    exempt: tuple[Exemption, ...] = ()
    checked = 0
    try:
        with _limited(limit_s), contextlib.nullcontext() if resume else computed_anew("verify"):
            text = verilog(unit, config)
            if len(text) > _LARGEST[job.simulator] and config != unit.config():
                setting = f"{' '.join(settings(config))} on {job.simulator}"
                why = (
                    f"its Verilog has {len(text):,} characters; accepted: "
                    f"{_LARGEST[job.simulator]:,}"
                )
                return LeftOutEdge(unit=unit.name, setting=setting, why=why)
            found = check(unit, config, text, [job.simulator], job.seed)
            if counts is not None and job.simulator == "verilator":
                hits = measured_hits(unit, config, job.seed)
                write_hits(counts / f"{_name(unit, config)}.{job.seed}", hits)
        stopped = next((run.stopped for run in found.runs if run.stopped), None)
        ending = "passed" if found.passed else stopped or "failed"
        problems, coverage, exempt = found.problems, found.coverage, found.exempt
        checked = sum(run.checked for run in found.runs)
    except _TimeIsUp:
        ending, problems = "timed out", (f"it took more than {limit_s:g} s",)
    except UserError as error:
        ending, problems = stop_of_error(error), (" ".join(str(error).split()),)
    except Exception as error:  # one unit's mistake must not end the runs of the others
        ending = stop_of_error(error)
        problems = (" ".join(f"{type(error).__name__}: {error}".split()),)
    if ending == "timed out":
        _drop_unfinished()
    return RegressionRun(
        unit=job.unit,
        config=job.config,
        simulator=job.simulator,
        seed=job.seed,
        ending=ending,
        problems=problems,
        seconds=time.monotonic() - begun,
        checked=checked,
        coverage=coverage,
        exempt=exempt,
        replay=_replay(job, config),
    )


@contextlib.contextmanager
def _limited(limit_s: float) -> Iterator[None]:
    """Raise :class:`_TimeIsUp` in the body after so many seconds, which ends its tools, too.

    Nothing is limited outside of a process' main thread, where no signal arrives.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: Any) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _drop_unfinished() -> None:
    """Drop the components of a design whose elaboration was cut off.

    Amaranth would warn of them later, in the middle of another run.
    """
    from amaranth.hdl import UnusedElaboratable

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        gc.collect()


def _name(unit: Unit, config: Config) -> str:
    """Return a name for the files of a configuration, such as ``consmax_log2-lanes-4``."""
    return "-".join([unit.module_name, *settings(config)]).replace("=", "-")


def _hdl_coverage(planned: Sequence[_Job], counts: Path, folder: Path) -> list[HdlCoverage]:
    """Add up what Verilator counted with each seed, and write it with the Verilog."""
    found = []
    configs = {_name(unit, config): (unit, config) for unit, config in map(_configured, planned)}
    for name, (unit, config) in configs.items():
        text, hits = verilog(unit, config), Counter[str]()
        for part in counts.glob(f"{name}.*"):
            hits.update(read_hits(part.read_text(), f"{name}.v"))
        if not hits:
            continue
        write_atomic(folder / f"{name}.v", text)
        write_hits(folder / f"{name}.dat", hits)
        (lines_hit, lines), (toggles_hit, toggles) = hits_of(hits, "line"), hits_of(hits, "toggle")
        found.append(
            HdlCoverage(
                unit=unit.name, config=config.to_json(), lines=lines, lines_hit=lines_hit,
                toggles=toggles, toggles_hit=toggles_hit, file=str(folder / f"{name}.dat"),
            )
        )  # fmt: skip
    return found


def _configured(job: _Job) -> tuple[Unit, Config]:
    unit = find_unit(job.unit)
    return unit, unit.config(**job.config)


def _replay(job: _Job, config: Config) -> str:
    words = ["consilico", "verify", job.unit]
    for setting in settings(config):
        words += ["--set", setting]
    return shlex.join([*words, "--sim", job.simulator, "--seed", str(job.seed)])


def _merged(unit: Unit, runs: Sequence[RegressionRun]) -> UnitCoverage:
    own = [run for run in runs if run.unit == unit.name and run.verdict != "error"]
    simulators = {run.simulator for run in runs}  # each run has one, so it lacks the others
    exempt = [each for run in own for each in run.exempt if each.point not in simulators]
    hits = Counter(dict.fromkeys(unit.coverage, 0))
    for run in own:
        hits.update(run.coverage)
    return UnitCoverage(
        unit=unit.name,
        runs=len(own),
        hits=dict(hits),
        never=tuple(point for point, count in hits.items() if not count),
        exempt=dict(Counter(f"{each.point}: {each.why}" for each in exempt)),
    )


def _case(run: RegressionRun) -> JunitCase:
    changed = " ".join(settings(find_unit(run.unit).config(**run.config))) or "default"
    lead = f"{run.ending}: " if run.verdict == "error" else ""
    return JunitCase(
        name=f"{changed}, seed {run.seed}",
        classname=f"{run.unit}.{run.simulator}",
        seconds=run.seconds,
        verdict=run.verdict,
        message=lead + "\n".join((*run.problems, run.replay)),
    )
