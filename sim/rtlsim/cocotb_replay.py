"""Replays a stimulus on the cocotb testbench, and reads the verdict from files, never exit codes.

Outside pytest cocotb's runner exits with status 0 on a failed test, an import error and an empty
module, and differently inside. So the tests that ran are counted in its results file, and a run
without a verdict is a failure.
"""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from cocotb_tools import config as cocotb_config

from consilico.sim.base.processes import Ending, Limits, ToolRun, run_tool, work_folder
from consilico.sim.base.reach import Reach
from consilico.sim.rtlsim.builds import COMPILE_LIMITS, cached_build, check_compiled, log_tail
from consilico.sim.rtlsim.endings import Stop, stop_of_run
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome, WrongPayload, problems_of
from consilico.sim.rtlsim.simulators import (
    ICARUS_LANGUAGE,
    NO_DEPENDENCIES,
    SPLIT,
    Simulator,
    compiler_reach,
)
from consilico.sim.units.stimulus import Ports, Stimulus

__all__ = [
    "REWRITTEN",
    "TIMESCALE",
    "build_cocotb",
    "product_name",
    "run_cocotb",
    "run_cocotb_runner",
]

REWRITTEN = "COCOTB_REWRITE_ASSERTION_FILES"
"""Environment variable of cocotb: names of the files whose assertions show their operands.

It is every imported module unless the variable says otherwise, and to rewrite PyTorch and NumPy for
that takes ten seconds of each simulation.
"""

_RUNNER = Path(__file__).with_name("cocotb_runner.py")
_TESTBENCH = "consilico.sim.rtlsim.cocotb_testbench"
TIMESCALE = ("1ns", "1ps")
# The runner makes every signal public, which multiplies the compile time of a large unit (64 lanes
# of ConSmax: 274 s); only the ports are made public instead.
# Its C++ is compiled without optimization: a bench of a Python step per cycle gains nothing by it.
_VERILATOR_ARGUMENTS = [
    "--no-public-flat-rw", "-O3", *SPLIT, NO_DEPENDENCIES, "-Wno-fatal", "-Wno-lint", "-Wno-style",
    "-CFLAGS", "-O0",
]  # fmt: skip
_PORTS = (  # of what we generate, with AXI-Stream names and without
    "clk", "rst", "*__valid", "*__ready", "*__payload",
    "aclk", "aresetn", "*_tvalid", "*_tready", "*_tdata",
)  # fmt: skip


def build_cocotb(
    simulator: Simulator,
    sources: Sequence[str],
    top: str,
    *,
    waves: bool = False,
    coverage: bool = False,
    generated: bool = True,
) -> Path:
    """Compile a unit for cocotb, or take it from the cache.

    Args:
        simulator: Icarus or Verilator.
        sources: Verilog texts of the unit.
        top: Name of its module.
        waves: Whether a run can record waveforms.
        coverage: Whether Verilator counts how often lines and toggles of bits are reached.
        generated: Whether the ports have the names that we generate. On Verilator, tests see
            those; of other Verilog they see all signals of the top module.

    Raises:
        BuildError: If the Verilog does not compile.
    """
    import cocotb

    verilator = simulator.name == "verilator"
    build_args = [*_VERILATOR_ARGUMENTS] if verilator else [ICARUS_LANGUAGE]
    if coverage:
        build_args += ["--coverage-line", "--coverage-toggle"]
    ports = _PORTS if generated else ("*",)
    control = "\n".join(
        ["`verilator_config", *(f'public_flat_rw -module "{top}" -var "{name}"' for name in ports)]
    )
    options = {
        "cocotb": cocotb.__version__,
        "libraries": str(cocotb_config.libs_dir),  # their path is linked in
        "arguments": build_args,
        "timescale": TIMESCALE,
        "control": control,
        "top": top,
        "waves": waves,
    }

    def make(files: list[Path], work: Path) -> Path:
        shown = work / "ports.vlt"
        shown.write_text(control + "\n")
        run, log = run_cocotb_runner(
            simulator,
            "build",
            work,
            COMPILE_LIMITS,
            reach=compiler_reach(work.parent),
            sources=[str(file) for file in ([*files, shown] if verilator else files)],
            hdl_toplevel=top,
            build_dir=str(work),
            build_args=build_args,
            timescale=TIMESCALE,
            waves=waves,
            always=True,
        )
        check_compiled(run, top, log)
        return work / product_name(simulator, top)

    return cached_build(simulator, sources, options, make)


def run_cocotb(
    simulator: Simulator,
    build: Path,
    top: str,
    ports: Ports,
    stimulus: Stimulus,
    replay: Replay,
    module: str = _TESTBENCH,
    coverage: Path | None = None,
) -> ReplayOutcome:
    """Replay a stimulus on the cocotb testbench.

    Args:
        simulator: The one that ``build`` was compiled for.
        build: From :func:`build_cocotb`.
        top: Name of the unit's module.
        ports: Widths of its payloads.
        stimulus: What to replay; a Python step per cycle, so a few thousand items at most.
        replay: Stalls, seed and limits; waveforms come from the bulk testbench only.
        module: Testbench to run.
        coverage: File for what Verilator counts, where ``build`` has it do so.
    """
    start = time.monotonic()
    with work_folder("cocotb") as folder:
        plan = {
            **vars(ports),
            "stall_in": replay.stall_in / 256,
            "stall_out": replay.stall_out / 256,
            "seed": replay.seed,
            "hang_cycles": replay.hang_cycles,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        np.savez(
            folder / "stimulus.npz",
            kind=stimulus.kind,
            bits=stimulus.bits,
            completes=stimulus.completes,
            expected=stimulus.expected,
        )
        (folder / product_name(simulator, top)).symlink_to(build)
        problems, stopped = _simulate(simulator, build, folder, top, module, replay)
        report = _report(folder / "report.json")
        if coverage is not None and (folder / "coverage.dat").exists():
            shutil.copyfile(folder / "coverage.dat", coverage)
    beats, dropped = report["checked"], report["dropped"]
    missing = len(stimulus.expected) - beats - dropped
    problems += problems_of(
        beats=beats, due=len(stimulus.expected), missing=missing, wrong=report["wrong"]
    )
    mismatch = report["first_mismatch"]
    return ReplayOutcome(
        bench=replay.bench,
        checked=stimulus.results_in(beats),
        beats_checked=beats,
        beats_dropped=dropped,
        beats_wrong=report["wrong"],
        beats_missing=missing,
        violations=report["violations"],
        problems=(*report["problems"], *problems),
        first_mismatch=mismatch and WrongPayload.from_json(mismatch),
        cycles=report["cycles"],
        seconds=report["seconds"] or time.monotonic() - start,
        stopped=stopped,
    )


def product_name(simulator: Simulator, top: str) -> str:
    """Return the file name under which the runner looks for a build."""
    return "sim.vvp" if simulator.name == "icarus" else top


def _simulate(
    simulator: Simulator, build: Path, folder: Path, top: str, module: str, replay: Replay
) -> tuple[list[str], Stop | None]:
    """Run the simulation in ``folder``; return what went wrong, and why it stopped, if it did."""
    results = folder / "results.xml"
    done, log = run_cocotb_runner(
        simulator,
        "test",
        folder,
        Limits(wall_s=replay.limit_s),
        reach=simulator.reach(build),
        test_module=module,
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        build_dir=str(folder),
        test_dir=str(folder),
        results_xml=str(results),
        seed=replay.seed,
        extra_env={"CONSILICO_BENCH": str(folder), REWRITTEN: ""},
        timescale=TIMESCALE,
    )
    if done.ending is Ending.TIMED_OUT:
        return [f"the simulation did not end within {replay.limit_s:g} s"], "timed out"
    if not done.succeeded:
        why = log_tail(log, 3) if done.ending is Ending.EXITED else done.problem
        return [f"the simulation failed: {why}"], stop_of_run(done)
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return [f"no cocotb test ran: {log_tail(log, 3)}"], "no verdict"
    if not any(case.find("skipped") is None for case in cases):
        return ["no cocotb test ran"], "no verdict"
    broken = [case.get("name") for case in cases if _failed(case)]
    return [f"cocotb test {name} failed" for name in broken], None


def run_cocotb_runner(
    simulator: Simulator,
    step: str,
    folder: Path,
    limits: Limits,
    first_path: Path | None = None,
    reach: Reach | None = None,
    **arguments: Any,
) -> tuple[ToolRun, str]:
    """Run ``build`` or ``test`` of cocotb's runner in a process of its own.

    The runner starts the simulator's programs by itself, without limits, and takes environment and
    ``sys.path`` from the process that it runs in.

    Args:
        simulator: The simulator.
        step: ``build`` or ``test``.
        folder: Where it runs; plan and log are written there.
        limits: What it may use.
        first_path: Folder that modules are looked for in before ``sys.path``.
        reach: What it may reach besides ``folder``; everything if not given.
        **arguments: Of that step of the runner.

    Returns:
        How it ended, and what the simulator's programs printed.
    """
    log, plan = folder / f"{step}.log", folder / f"{step}.json"
    arguments["log_file"] = str(log)
    plan.write_text(
        json.dumps(
            {
                "path": [*([str(first_path)] if first_path else []), *sys.path],
                "simulator": simulator.name,
                "step": step,
                "arguments": arguments,
            }
        )
    )
    run = run_tool(
        simulator.name, [sys.executable, _RUNNER, plan], limits,
        folder=folder, environment=simulator.environment(), reach=reach,
    )  # fmt: skip
    printed = log.read_text(errors="replace") if log.exists() else ""
    return run, printed or run.stdout + run.stderr


def _failed(case: ElementTree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _report(path: Path) -> dict[str, Any]:
    """Return what the testbench wrote, or zeros if it did not get that far.

    A testbench may time itself, to leave out the start of the simulator.
    """
    empty: dict[str, Any] = {
        "checked": 0, "wrong": 0, "dropped": 0, "violations": 0, "problems": [],
        "first_mismatch": None, "cycles": 0, "seconds": None,
    }  # fmt: skip
    return empty | json.loads(path.read_text()) if path.exists() else empty
