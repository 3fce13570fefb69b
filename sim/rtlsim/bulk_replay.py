"""The fast testbench: stimulus, comparison and protocol checks in Verilog (``bulk_testbench.v``).

Stimulus and expected results are read from binary files while the simulation runs, so that one
build serves every stimulus. Measured on Verilator with 64 lanes of a small unit: 60 million
results per second, so that the simulated unit, not the testbench, sets the speed.
"""

import shutil
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from consilico.sim.base.parallel import processors
from consilico.sim.base.processes import Ending, Limits, run_tool, work_folder
from consilico.sim.rtlsim.builds import COMPILE_LIMITS, cached_build, check_compiled, log_tail
from consilico.sim.rtlsim.replay import Mismatch, Replay, ReplayOutcome, problems_of
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, SPLIT, Simulator
from consilico.sim.units.stimulus import Kind, Ports, Stimulus

__all__ = ["build_bulk", "run_bulk"]

_FINISH = len(Kind)  # ends stimulus.bin
_OPTIMIZE = "-O1"  # -O2 takes longer to compile than it saves in any bench of ours
_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT", "-Wno-MULTIDRIVEN")
_EVENTS = (
    "gap_cycles",
    "i_stall_cycles",
    "o_stall_cycles",
    "config_in_flight",
    "reset_in_flight",
    "dump_cycles",
)


def build_bulk(
    simulator: Simulator, sources: Sequence[str], top: str, ports: Ports, trace: bool = False
) -> Path:
    """Compile the testbench around a unit, or take it from the cache.

    Args:
        simulator: Icarus or Verilator.
        sources: Verilog texts of the unit, or of its netlist and the cells' models.
        top: Name of the unit's module.
        ports: Widths of its payloads.
        trace: Whether Verilator shall be able to dump waveforms (Icarus always is able to).

    Raises:
        BuildError: If the Verilog does not compile.
    """
    bench = resources.files(__package__).joinpath("bulk_testbench.v").read_text()
    macros = {
        "DUT": f"\\{top} ",
        "I_WIDTH": ports.i_width,
        "O_WIDTH": ports.o_width,
        "PAYLOAD_BITS": 8 * _payload_bytes(ports),
        "EXPECTED_BITS": 8 * _expected_bytes(ports),
    }
    if ports.cfg_width:
        macros["CFG_WIDTH"] = ports.cfg_width
    lines = [f"`define {name} {value}" for name, value in macros.items()]
    texts = ["\n".join([*lines, bench]), *sources]
    if simulator.name == "icarus":
        compiler = [
            str(simulator.executable),
            ICARUS_LANGUAGE,
            "-s",
            "consilico_bench",
            "-o",
            "bench",
        ]
    else:
        compiler = [
            str(simulator.executable), "--binary", "--timing", "-O3", *SPLIT, "--top-module",
            "consilico_bench", "--prefix", "Vbench", "--Mdir", ".", "-o", "bench",
            "--x-assign", "fast", "--x-initial", "unique", *_WARNINGS,
            "-CFLAGS", f"-fcoroutines {_OPTIMIZE}", *(["--trace-vcd"] if trace else []),
        ]  # fmt: skip

    def make(files: list[Path], work: Path) -> Path:
        jobs = ["--build-jobs", str(processors())] if simulator.name == "verilator" else []
        done = run_tool(
            simulator.name, [*compiler, *jobs, *files], COMPILE_LIMITS,
            folder=work, environment=simulator.environment(),
        )  # fmt: skip
        check_compiled(done, top, done.stdout + done.stderr)
        return work / "bench"

    return cached_build(simulator, texts, {"compiler": compiler[1:]}, make)


def run_bulk(
    simulator: Simulator, build: Path, ports: Ports, stimulus: Stimulus, replay: Replay
) -> ReplayOutcome:
    """Replay a stimulus on a compiled testbench.

    Args:
        simulator: The one that ``build`` was compiled for.
        build: From :func:`build_bulk`.
        ports: Widths of the unit's payloads.
        stimulus: What to replay; its payloads fit the ports.
        replay: Stalls, seed, limits.
    """
    start = time.monotonic()
    with work_folder("bulk") as folder:
        _write_files(folder, ports, stimulus)
        problem = _simulate(simulator, build, folder, replay)
        values, problems, mismatches = _read_result(folder / "result.txt")
        if replay.dump is not None and (folder / "activity.vcd").exists():
            shutil.move(folder / "activity.vcd", replay.dump.path)
    if "end" not in values:
        problems.append(problem or "the simulation ended without a verdict")
    beats = values.get("checked", 0)
    dropped = values.get("dropped", 0)
    missing = 0 if replay.stop_at_mismatch else len(stimulus.expected) - beats - dropped
    wrong = values.get("mismatches", 0)
    problems += problems_of(beats=beats, due=len(stimulus.expected), missing=missing, wrong=wrong)
    return ReplayOutcome(
        bench=replay.bench,
        checked=stimulus.results_in(beats),
        beats_checked=beats,
        beats_dropped=dropped,
        beats_wrong=wrong,
        beats_missing=missing,
        violations=values.get("violations", 0),
        problems=tuple(problems),
        first_mismatch=mismatches[0] if mismatches else None,
        cycles=values.get("cycles", 0),
        seconds=time.monotonic() - start,
        latency_cycles=values.get("latency"),
        events={event: values.get(event, 0) for event in _EVENTS},
    )


def _payload_bytes(ports: Ports) -> int:
    return (max(ports.i_width, ports.cfg_width) + 7) // 8


def _expected_bytes(ports: Ports) -> int:
    return (ports.o_width + 7) // 8


def _write_files(folder: Path, ports: Ports, stimulus: Stimulus) -> None:
    """Write the files in the order in which ``$fread`` fills a vector: highest byte first."""
    width = _payload_bytes(ports)
    items = len(stimulus.kind)
    records = np.zeros((items + 1, 3 + width), dtype=np.uint8)
    records[:items, 0] = stimulus.kind
    records[items, 0] = _FINISH
    records[:items, 1] = stimulus.completes >> 8
    records[:items, 2] = stimulus.completes & 0xFF
    records[:items, 3:] = stimulus.bits[:, :width][:, ::-1]
    records.tofile(folder / "stimulus.bin")
    np.ascontiguousarray(stimulus.expected[:, : _expected_bytes(ports)][:, ::-1]).tofile(
        folder / "expected.bin"
    )


def _simulate(simulator: Simulator, build: Path, folder: Path, replay: Replay) -> str:
    """Run the simulation in ``folder``; return what went wrong, or ``""``."""
    settings = {
        "seed": replay.seed,
        "stall_i": replay.stall_in,
        "stall_o": replay.stall_out,
        "hang_cycles": replay.hang_cycles,
        "stop_at_mismatch": int(replay.stop_at_mismatch),
    }
    if replay.dump is not None:
        settings |= {"dump_from": replay.dump.first, "dump_to": replay.dump.last}
    plusargs = [f"+{name}={value}" for name, value in settings.items()]
    if simulator.name == "icarus":
        command = ["vvp", "-n", str(build), *plusargs]
    else:  # registers without an initial value start at random
        start = ("+verilator+rand+reset+2", f"+verilator+seed+{replay.seed % 2**31 or 1}")
        command = [str(build), *start, *plusargs]
    done = run_tool(
        f"the simulation with {simulator.name}", command, Limits(wall_s=replay.limit_s),
        folder=folder, environment=simulator.environment(),
    )  # fmt: skip
    if done.ending is Ending.TIMED_OUT:
        return f"the simulation did not end within {replay.limit_s:g} s"
    if done.ending is Ending.EXITED and done.status:
        return f"the simulation failed: {log_tail(done.stdout + done.stderr, 3)}"
    return done.problem


def _read_result(path: Path) -> tuple[dict[str, int], list[str], list[Mismatch]]:
    """Return counts by name, problems for people, and the first mismatches."""
    values: dict[str, int] = {}
    problems: list[str] = []
    mismatches: list[Mismatch] = []
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in lines:
        name, _, text = line.partition("=")
        if name in ("violation", "stopped"):
            problems.append(text)
        elif name == "mismatch":
            index, got, expected = text.split()
            mismatches.append(Mismatch(index=int(index), got=got, expected=expected))
        elif text.isdigit():
            values[name] = int(text)
    return values, problems, mismatches
