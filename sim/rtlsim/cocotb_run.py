"""Runs the cocotb testbench on a simulator and reads its verdict from files, never exit codes.

cocotb's runner exits with status 0 on a failed test, an import error and an empty module outside
pytest, and differently inside; so tests run are counted in its results file, and a run without a
verdict is a failure.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from cocotb_tools import config as cocotb_config
from cocotb_tools.runner import get_runner

from consilico.sim.rtlsim.builds import BuildError, cached_build, log_tail
from consilico.sim.rtlsim.bulk import Run
from consilico.sim.rtlsim.outcome import Outcome, results_in
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, Simulator
from consilico.sim.units.stimulus import Ports, Stimulus

__all__ = ["build_cocotb", "run_cocotb"]

_BENCH = "consilico.sim.rtlsim.cocotb_bench"
_TIMESCALE = ("1ns", "1ps")
# The runner makes every signal public, which multiplies the compile time of a large unit (64 lanes
# of ConSmax: 274 s); only the ports are made public instead.
_VERILATOR_ARGUMENTS = ["--no-public-flat-rw", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
_PORTS = ("clk", "rst", "*__valid", "*__ready", "*__payload")


def build_cocotb(simulator: Simulator, sources: Sequence[str], top: str) -> Path:
    """Compile a unit for cocotb, or take it from the cache.

    Args:
        simulator: Icarus or Verilator.
        sources: Verilog texts of the unit.
        top: Name of its module.

    Raises:
        BuildError: If the Verilog does not compile.
    """
    import cocotb

    verilator = simulator.name == "verilator"
    build_args = _VERILATOR_ARGUMENTS if verilator else [ICARUS_LANGUAGE]
    control = "\n".join(
        ["`verilator_config", *(f'public_flat_rw -module "{top}" -var "{name}"' for name in _PORTS)]
    )
    options = {
        "cocotb": cocotb.__version__,
        "libraries": str(cocotb_config.libs_dir),  # their path is linked in
        "arguments": build_args,
        "control": control,
        "top": top,
    }

    def make(files: list[Path], work: Path) -> Path:
        log, ports = work / "build.log", work / "ports.vlt"
        ports.write_text(control + "\n")
        try:
            with simulator.as_environment():
                get_runner(simulator.name).build(
                    sources=[*files, ports] if verilator else files,
                    hdl_toplevel=top,
                    build_dir=work,
                    build_args=build_args,
                    timescale=_TIMESCALE,
                    always=True,
                    log_file=log,
                )
        except (RuntimeError, SystemExit) as error:
            text = log.read_text(errors="replace") if log.exists() else str(error)
            message = f"{simulator.name} does not compile {top}:\n{log_tail(text)}"
            raise BuildError(message) from error
        return work / _product(simulator, top)

    return cached_build(simulator, sources, options, make)


def run_cocotb(
    simulator: Simulator,
    build: Path,
    top: str,
    ports: Ports,
    stimulus: Stimulus,
    run: Run,
    module: str = _BENCH,
) -> Outcome:
    """Replay a stimulus on the cocotb testbench.

    Args:
        simulator: The one that ``build`` was compiled for.
        build: From :func:`build_cocotb`.
        top: Name of the unit's module.
        ports: Widths of its payloads.
        stimulus: What to replay; a Python step a cycle, so a few thousand items at most.
        run: Stalls (256ths) and seed; waveforms are the bulk bench's business.
        module: Testbench to run.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="consilico-cocotb-") as name:
        folder = Path(name)
        plan = {
            **vars(ports),
            "stall_in": run.stall_in / 256,
            "stall_out": run.stall_out / 256,
            "seed": run.seed,
            "hang_cycles": run.hang_cycles,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        np.savez(
            folder / "stimulus.npz",
            kind=stimulus.kind,
            bits=stimulus.bits,
            completes=stimulus.completes,
            expected=stimulus.expected,
        )
        (folder / _product(simulator, top)).symlink_to(build)
        problems = _simulate(simulator, folder, top, module, run.seed)
        report = _report(folder / "report.json")
    beats, dropped = report["checked"], report["dropped"]
    missing = len(stimulus.expected) - beats - dropped
    if missing:
        problems.append(f"{missing} of {len(stimulus.expected)} results never came")
    if report["wrong"]:
        problems.append(f"{report['wrong']} of {beats} payloads are wrong")
    return Outcome(
        bench=run.bench,
        checked=results_in(stimulus, beats),
        beats_checked=beats,
        beats_dropped=dropped,
        beats_wrong=report["wrong"],
        beats_missing=missing,
        violations=report["violations"],
        problems=report["problems"] + problems,
        first_mismatch=report["first_mismatch"],
        cycles=report["cycles"],
        seconds=report["seconds"] or time.monotonic() - start,
    )


def _product(simulator: Simulator, top: str) -> str:
    """File name under which the runner looks for a build."""
    return "sim.vvp" if simulator.name == "icarus" else top


def _simulate(simulator: Simulator, folder: Path, top: str, module: str, seed: int) -> list[str]:
    """Run the simulation in ``folder``; return what went wrong."""
    results, log = folder / "results.xml", folder / "run.log"
    try:
        with simulator.as_environment():
            get_runner(simulator.name).test(
                test_module=module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=folder,
                test_dir=folder,
                results_xml=str(results),
                seed=seed,
                extra_env={"CONSILICO_BENCH": str(folder)},
                timescale=_TIMESCALE,
                log_file=log,
            )
    except (RuntimeError, SystemExit) as error:
        text = log.read_text(errors="replace") if log.exists() else ""
        return [f"the simulation failed ({error}): {log_tail(text, 3)}"]
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return [f"no cocotb test ran: {log_tail(log.read_text(errors='replace'), 3)}"]
    if not any(case.find("skipped") is None for case in cases):
        return ["no cocotb test ran"]
    broken = [case.get("name") for case in cases if _failed(case)]
    return [f"cocotb test {name} failed" for name in broken]


def _failed(case: ElementTree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _report(path: Path) -> dict[str, Any]:
    """What the testbench wrote; zeros if it did not get that far.

    A testbench may time itself, to leave out the start of the simulator.
    """
    empty: dict[str, Any] = {
        "checked": 0, "wrong": 0, "dropped": 0, "violations": 0, "problems": [],
        "first_mismatch": None, "cycles": 0, "seconds": None,
    }  # fmt: skip
    return empty | json.loads(path.read_text()) if path.exists() else empty
