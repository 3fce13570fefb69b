"""Run anyone's cocotb tests on a design: build once per content, limits, and a count of tests.

Outside pytest cocotb's runner exits with status 0 on a failed test, an import error and an empty
module, so what ran is read from its results file, and a run without a test is a failure.
"""

import keyword
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from xml.etree import ElementTree

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import check_input, read_input_text
from consilico.sim.base.processes import Ending, Limits, work_folder
from consilico.sim.rtlsim.builds import log_tail
from consilico.sim.rtlsim.cocotb_replay import (
    REWRITTEN,
    TIMESCALE,
    build_cocotb,
    product_name,
    run_cocotb_runner,
)
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.rtlsim.testing.junit import JunitCase, Suite
from consilico.sim.rtlsim.testing.plan import PLAN, write_plan
from consilico.sim.units.axi_stream import axi_verilog
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.unit import Unit

__all__ = ["DesignUnderTest", "TestCase", "TestRun", "check_test", "simulate"]

Waves = Literal["never", "failed", "always"]
_LIMIT_S = 3600.0
_LOG_LINES = 60


@dataclass(frozen=True, kw_only=True)
class DesignUnderTest:
    """Design that is tested: Verilog texts, the top module, and the unit if it is one."""

    sources: tuple[str, ...]
    top: str
    unit: Unit | None = None
    config: Config | None = None

    @classmethod
    def of_unit(cls, unit: Unit, config: Config, ports: str = "stream") -> "DesignUnderTest":
        """Return the design that a unit's generator writes.

        Args:
            unit: The unit.
            config: Its configuration.
            ports: ``stream``, or ``axi`` for the names of AXI-Stream.

        Raises:
            UserError: If ``ports`` is neither.
        """
        if ports not in ("stream", "axi"):
            raise UserError(f"ports must be stream or axi, not {ports!r}")
        text, top = verilog(unit, config), unit.module_name
        if ports == "axi":
            text, top = axi_verilog(unit, config)
        return cls(sources=(text,), top=top, unit=unit, config=config)

    @classmethod
    def of_files(
        cls, files: Sequence[Path], top: str, unit: Unit | None = None, config: Config | None = None
    ) -> "DesignUnderTest":
        """Return a design from Verilog files that include no others.

        Args:
            files: The files.
            top: Name of the top module.
            unit: The unit whose ports and golden model the design has, if it does.
            config: That unit's configuration.

        Raises:
            UserError: If a file cannot be read, or defines no module of that name.
        """
        texts = tuple(read_input_text(file, "Verilog") for file in files)
        if not any(re.search(rf"\bmodule\s+{re.escape(top)}\b", text) for text in texts):
            named = ", ".join(str(file) for file in files)
            raise UserError(f"{named}: no module {top!r} is defined")
        return cls(sources=texts, top=top, unit=unit, config=config)


@dataclass(frozen=True, kw_only=True)
class TestCase(Facts):
    """Test that ran, with its outcome and its time."""

    __test__: ClassVar[bool] = False  # no class of tests, whatever pytest makes of its name

    name: str
    passed: bool
    seconds: float  # wall clock
    message: str  # why it failed; empty if it passed


@dataclass(frozen=True, kw_only=True)
class TestRun(Facts):
    """The tests of one module on one simulator."""

    __test__: ClassVar[bool] = False

    derived: ClassVar[tuple[str, ...]] = ("tests", "failed", "passed")

    module: str
    simulator: str
    simulator_version: str
    seed: int  # of Python's random numbers, which cocotb seeds
    cases: tuple[TestCase, ...]
    skipped: int
    problem: str  # why no test ran, or the simulation did not end properly; "" if all is well
    waveform: str | None  # file
    seconds: float  # wall clock of the simulation, compilation left out
    log: str  # the end of what was logged while tests ran

    @property
    def tests(self) -> int:
        """Return the number of tests that ran."""
        return len(self.cases)

    @property
    def failed(self) -> int:
        """Return the number of tests that failed."""
        return sum(not case.passed for case in self.cases)

    @property
    def passed(self) -> bool:
        """Tell whether at least one test ran and nothing went wrong."""
        return self.tests > 0 and not self.failed and not self.problem

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a line for each thing that went wrong."""
        lines = [f"{case.name}: {case.message}" for case in self.cases if not case.passed]
        return (*lines, *([self.problem] if self.problem else []))

    @property
    def suite(self) -> Suite:
        """Return the tests as JUnit XML has them; a run that went wrong as a whole is an error."""
        group = f"{self.module}.{self.simulator}"
        cases = [
            JunitCase(
                name=case.name,
                classname=group,
                seconds=case.seconds,
                verdict="passed" if case.passed else "failed",
                message=case.message,
            )
            for case in self.cases
        ]
        if self.problem:
            cases.append(
                JunitCase(
                    name="simulation", classname=group, seconds=0.0, verdict="error",
                    message=self.problem,
                )
            )  # fmt: skip
        return Suite(
            name=group,
            cases=cases,
            seconds=self.seconds,
            properties=(("seed", str(self.seed)), ("version", self.simulator_version)),
        )


def simulate(
    test: Path,
    design: DesignUnderTest,
    simulator: str = "icarus",
    *,
    seed: int = 1,
    waves: Waves = "never",
    waves_folder: Path | None = None,
    testcase: str | None = None,
    limit_s: float = _LIMIT_S,
) -> TestRun:
    """Run the cocotb tests of a Python file on a design.

    The simulation is compiled once for a design, whatever tests run on it later. A waveform of
    failed tests is made by running once more with the same seed, so that tests that pass cost
    nothing more.

    Args:
        test: The file; its folder is where its imports are looked for first.
        design: What is tested.
        simulator: ``icarus`` or ``verilator``.
        seed: Of Python's random numbers in the tests.
        waves: When to write a waveform: FST from Icarus, VCD from Verilator.
        waves_folder: Where to; the current folder if not given.
        testcase: Names of the tests to run, separated by commas; all if not given.
        limit_s: Wall clock that the simulation may take.

    Raises:
        UserError: If the file cannot be read or imported by name, or a simulator is missing.
        BuildError: If the design does not compile.
    """
    check_test(test)
    found = find_simulator(simulator)
    run = _run(test, design, found, seed, waves == "always", waves_folder, testcase, limit_s)
    if waves == "failed" and not run.passed and run.tests:
        again = _run(test, design, found, seed, True, waves_folder, testcase, limit_s)
        if not again.passed:
            return again
    return run


def check_test(test: Path) -> None:
    """Refuse a file of tests that cannot be imported by its name.

    Raises:
        UserError: If it cannot be read, or its name is none that a module can have, or is that of a
            module of Python's own.
    """
    check_input(test, "test")
    name = test.stem
    if test.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise UserError(f"{test}: a test must be a Python file whose name can be imported")
    if name in sys.stdlib_module_names:
        raise UserError(f"{test}: Python has a module {name} of its own; name the file differently")


def _run(
    test: Path,
    design: DesignUnderTest,
    simulator: Simulator,
    seed: int,
    waves: bool,
    waves_folder: Path | None,
    testcase: str | None,
    limit_s: float,
) -> TestRun:
    build = build_cocotb(
        simulator, design.sources, design.top, waves=waves, generated=design.unit is not None
    )
    with work_folder("test") as folder:
        (folder / product_name(simulator, design.top)).symlink_to(build)
        write_plan(folder / "plan.json", design.unit, design.config)
        results = folder / "results.xml"
        dump = folder / ("waves.fst" if simulator.name == "icarus" else "waves.vcd")
        traced: dict[str, Any] = {}
        if waves and simulator.name == "icarus":
            traced = {"waves": True, "plusargs": [f"+dumpfile_path={dump}"]}
        elif waves:
            traced = {"waves": True, "test_args": ["--trace-file", str(dump)]}
        done, log = run_cocotb_runner(
            simulator,
            "test",
            folder,
            Limits(wall_s=limit_s),
            first_path=test.resolve().parent,
            test_module=test.stem,
            hdl_toplevel=design.top,
            hdl_toplevel_lang="verilog",
            build_dir=str(folder),
            test_dir=str(folder),
            results_xml=str(results),
            testcase=testcase,
            seed=seed,
            timescale=TIMESCALE,
            extra_env={PLAN: str(folder / "plan.json"), REWRITTEN: test.name},
            **traced,
        )
        cases, skipped = _cases(results)
        problem = ""
        if done.ending is Ending.TIMED_OUT:
            problem = f"the simulation did not end within {limit_s:g} s"
        elif not done.succeeded:
            why = log_tail(log, 3) if done.ending is Ending.EXITED else done.problem
            problem = f"the simulation failed: {why}"
        elif not cases:
            problem = "no test ran" + (f"; {skipped} skipped" if skipped else _why_none(log))
        waveform = None
        if waves and dump.exists():
            waveform = (waves_folder or Path()) / f"{test.stem}-{simulator.name}{dump.suffix}"
            waveform.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(dump, waveform)
    return TestRun(
        module=test.stem,
        simulator=simulator.name,
        simulator_version=simulator.version,
        seed=seed,
        cases=tuple(cases),
        skipped=skipped,
        problem=problem,
        waveform=None if waveform is None else str(waveform),
        seconds=done.seconds,
        log=_said(log),
    )


def _cases(results: Path) -> tuple[list[TestCase], int]:
    """Return the tests of a results file of cocotb that ran, and how many were skipped."""
    try:
        found = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return [], 0
    cases, skipped = [], 0
    for case in found:
        if case.find("skipped") is not None:
            skipped += 1
            continue
        problem = case.find("failure")
        if problem is None:
            problem = case.find("error")
        cases.append(
            TestCase(
                name=case.get("name", "?"),
                passed=problem is None,
                seconds=float(case.get("time", 0.0)),
                message="" if problem is None else _message(problem),
            )
        )
    return cases, skipped


def _message(problem: ElementTree.Element) -> str:
    kind = problem.get("error_type") or problem.get("type") or ""
    said = problem.get("error_msg") or problem.get("message") or (problem.text or "").strip()
    return f"{kind}: {said}" if kind and said else kind or said or "failed"


def _why_none(log: str) -> str:
    """Return the Python error that kept the tests from running, if there was one."""
    errors = re.findall(r"^\s*((?:\w+\.)*\w*(?:Error|Exception)\b.*)$", log, flags=re.MULTILINE)
    return f": {errors[-1]}" if errors else ""


def _said(log: str) -> str:
    """Return what cocotb logged of the tests, without its columns of time, level and logger."""
    text = re.sub(r"^ *[\d.]+[a-z]s [A-Z]+ +\S+ +", "", log, flags=re.MULTILINE)
    text = re.sub(r"^ {1,56}", "", text, flags=re.MULTILINE)
    text = text.partition("Running tests\n")[2] or text
    return log_tail(text.partition("\n*****")[0], _LOG_LINES)
