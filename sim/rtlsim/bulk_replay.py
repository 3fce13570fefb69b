"""The fast testbench: sources, consumer and protocol checks in Verilog (``bulk_testbench.v``).

What it drives is read from binary files while the simulation runs, so that one build serves every
stimulus. :func:`run_bulk` replays a stimulus in its own order, and the testbench compares;
:func:`run_script` replays streams that run free of each other, and the testbench writes down what
happened. Measured on Verilator with 64 lanes of a small unit: 60 million results per second, so
that the simulated unit, not the testbench, sets the speed.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.parallel import processors
from consilico.sim.base.processes import Ending, Limits, run_tool, work_folder
from consilico.sim.rtlsim.builds import COMPILE_LIMITS, cached_build, check_compiled, log_tail
from consilico.sim.rtlsim.clock_gates import Ticks, counting, read_ticks
from consilico.sim.rtlsim.endings import Stop, stop_of_run
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome, WrongPayload, problems_of
from consilico.sim.rtlsim.script import Script, in_order
from consilico.sim.rtlsim.simulators import (
    ICARUS_LANGUAGE,
    NO_DEPENDENCIES,
    SPLIT,
    Simulator,
    compiler_reach,
)
from consilico.sim.units.stimulus import Ports, Stimulus

__all__ = [
    "BenchTiming",
    "Simulated",
    "Transcript",
    "build_bulk",
    "read_transcript",
    "run_bulk",
    "run_script",
    "script_settings",
    "simulation_command",
]

_NO_VERDICT = "the simulation ended without a verdict"
_QUIET_CYCLES = 1200  # watched after the last item for results, and for clocks that still tick
_OPTIMIZE = "-Og"  # half the compile time of -O1 for large units, and 6 % slower simulations
_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT", "-Wno-MULTIDRIVEN")
_EVENTS = (
    "gap_cycles",
    "i_stall_cycles",
    "o_stall_cycles",
    "config_in_flight",
    "reset_in_flight",
    "reset_under_back_pressure",
    "config_with_data",
    "config_back_to_back",
    "config_after_reset",
    "config_when_full",
    "ready_after_valid",
    "longest_stall",
    "longest_sleep",
    "dump_cycles",
)


@dataclass(frozen=True, kw_only=True)
class BenchTiming:
    """Clock of the testbench and arrival of inputs, for units with delays.

    Outputs are sampled in the last picosecond before the next rising edge of the clock.
    """

    period_ps: int
    input_delay_ps: int  # after the rising edge; less than half a period

    def macros(self) -> dict[str, str]:
        """Return the macros of the testbench that say so, in ns."""
        low = self.period_ps // 2
        return {
            "HIGH": f"{(self.period_ps - low) / 1000:.3f}",
            "LOW": f"{low / 1000:.3f}",
            "LATER": f"#{self.input_delay_ps / 1000:.3f}",
        }


def build_bulk(
    simulator: Simulator,
    sources: Sequence[str],
    top: str,
    ports: Ports,
    trace: bool = False,
    plugin: str = "",
    timing: BenchTiming | None = None,
    ready: Mapping[str, str] = {},
) -> Path:
    """Compile the testbench around a unit, or take it from the cache.

    Args:
        simulator: Icarus or Verilator.
        sources: Verilog texts of the unit, or of its netlist and the cells' models.
        top: Name of the unit's module.
        ports: Widths of its payloads.
        trace: Whether Verilator shall be able to dump waveforms (Icarus always is able to).
        plugin: C++ that becomes part of the simulation, on Verilator.
        timing: Clock and arrival of inputs, for a unit with delays; None: a clock of 4 ns, inputs
            change at its rising edge, outputs are sampled at its falling edge.
        ready: When streams must be ready, as a contract says it.

    Raises:
        BuildError: If the Verilog does not compile.
    """
    bench = resources.files(__package__).joinpath("bulk_testbench.v").read_text()
    macros: dict[str, int | str] = {
        "DUT": f"\\{top} ",
        "I_WIDTH": ports.i_width,
        "O_WIDTH": ports.o_width,
        "PAYLOAD_BITS": 8 * ((max(ports.i_width, ports.cfg_width) + 7) // 8),
        "EXPECTED_BITS": 8 * _expected_bytes(ports),
        "RESULT_BITS": 8 * _result_bytes(ports),
    }
    if ports.cfg_width:
        macros["CFG_WIDTH"] = ports.cfg_width
    macros |= {f"{stream.upper()}_READY": f"({when})" for stream, when in ready.items()}
    if timing is not None:
        macros |= timing.macros()
    lines = [f"`define {name} {value}" for name, value in macros.items()]
    # a block per clock gate would double the time that a unit of many lanes takes Verilator
    units = [counting(source) for source in sources] if simulator.name == "icarus" else sources
    texts = ["\n".join([*lines, bench]), *units]
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
            str(simulator.executable), "--binary", "--timing", "-O3", *SPLIT, NO_DEPENDENCIES,
            "--top-module", "consilico_bench", "--prefix", "Vbench", "--Mdir", ".", "-o", "bench",
            "--x-assign", "fast", "--x-initial", "unique", *_WARNINGS,
            "-CFLAGS", f"-fcoroutines {_OPTIMIZE}", *(["--trace-vcd"] if trace else []),
        ]  # fmt: skip

    def make(files: list[Path], work: Path) -> Path:
        jobs = ["--build-jobs", str(processors())] if simulator.name == "verilator" else []
        if plugin:
            added = work.parent / "plugin.cpp"
            added.write_text(plugin)
            files = [*files, added]
        done = run_tool(
            simulator.name, [*compiler, *jobs, *files], COMPILE_LIMITS,
            folder=work, environment=simulator.environment(), reach=compiler_reach(work.parent),
        )  # fmt: skip
        check_compiled(done, top, done.stdout + done.stderr)
        return work / "bench"

    options = {"compiler": compiler[1:], "plugin": plugin}
    return cached_build(simulator, texts, options, make)


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
    script = in_order(
        stimulus, stall_in=replay.stall_in, stall_out=replay.stall_out, seed=replay.seed
    )
    settings = {
        "scramble": int(script.scramble),
        "consumer_loop": script.consumer.loop,
        "hang_cycles": replay.hang_cycles,
        "stop_at_mismatch": int(replay.stop_at_mismatch),
    }
    if replay.dump is not None:
        dump = replay.dump
        settings |= {"dump_from": dump.first, "dump_to": dump.last, "dump_levels": dump.levels}
    with work_folder("bulk") as folder:
        script.write(folder, ports, stimulus.completes)
        np.ascontiguousarray(stimulus.expected[:, : _expected_bytes(ports)][:, ::-1]).tofile(
            folder / "expected.bin"
        )
        command = simulation_command(simulator, build, settings, replay.seed)
        done = _simulate(simulator, build, command, folder, replay.limit_s)
        values, problems, mismatches, _ = _read_result(folder / "result.txt")
        if replay.dump is not None and (folder / "activity.vcd").exists():
            shutil.move(folder / "activity.vcd", replay.dump.path)
    ended = "end" in values
    if not ended:
        problems.append(done.problem or _NO_VERDICT)
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
        stopped=None if ended else done.stopped,
    )


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """Record of a replay of a script, cycle by cycle where something happened."""

    cycles: NDArray[np.int64]  # (entries,), from 1 at the first cycle after the first reset
    reset: NDArray[np.bool_]  # (entries,): a reset began
    config: NDArray[np.bool_]  # (entries,): a beat on ``cfg`` was accepted
    data: NDArray[np.bool_]  # (entries,): a beat on ``i`` was accepted
    delivers: NDArray[np.bool_]  # (entries,): a beat on ``o`` was accepted
    unknown: NDArray[np.bool_]  # (entries,): and had bits that are unknown
    results: NDArray[np.uint8]  # (beats on ``o``, bytes), unknown bits as 0
    unknown_hex: tuple[str, ...]  # payloads with unknown bits, the first few
    problems: tuple[str, ...]  # violations of the protocol and hangs, for people
    violations: int
    last_cycle: int
    events: dict[str, int]
    ticks: tuple[Ticks, ...]  # of the unit's clock gates
    stopped: Stop | None  # why the simulation did not come to its end, if it did not
    seconds: float

    @property
    def ended(self) -> bool:
        """Tell whether the simulation came to its end."""
        return self.stopped is None


_NOTES = {"reset": 1, "data": 2, "config": 4, "delivers": 8, "unknown": 16}


def run_script(
    simulator: Simulator,
    build: Path,
    ports: Ports,
    script: Script,
    *,
    seed: int = 1,
    hang_cycles: int = 20_000,
    quiet_cycles: int = _QUIET_CYCLES,
    limit_s: float = 3600.0,
    waveform: Path | None = None,
) -> Transcript:
    """Replay a script on a compiled testbench, and return what happened.

    Args:
        simulator: The one that ``build`` was compiled for.
        build: From :func:`build_bulk`.
        ports: Widths of the unit's payloads.
        script: What to drive.
        seed: Of what registers hold before the reset, on Verilator.
        hang_cycles: Cycles without a handshake after which the unit counts as hung.
        quiet_cycles: Cycles for which the unit is watched after everything has been taken.
        limit_s: Wall clock.
        waveform: Where a VCD of the whole replay goes; ``build`` must be able to trace.
    """
    start = time.monotonic()
    settings = script_settings(script, hang_cycles=hang_cycles, quiet_cycles=quiet_cycles)
    if waveform is not None:
        settings |= {"dump_from": 0, "dump_to": 2**31 - 1}
    with work_folder("bulk") as folder:
        script.write(folder, ports, None)
        command = simulation_command(simulator, build, settings, seed)
        done = _simulate(simulator, build, command, folder, limit_s)
        if waveform is not None and (folder / "activity.vcd").exists():
            shutil.move(folder / "activity.vcd", waveform)
        return read_transcript(folder, ports, done, time.monotonic() - start)


def script_settings(
    script: Script, *, hang_cycles: int = 20_000, quiet_cycles: int = _QUIET_CYCLES
) -> dict[str, int]:
    """Return the plusargs with which a compiled testbench replays a script.

    Args:
        script: What to drive.
        hang_cycles: As for :func:`run_script`.
        quiet_cycles: As for :func:`run_script`.
    """
    waits = int(script.gap.sum(dtype=np.int64)) + int(script.consumer.delays.sum(dtype=np.int64))
    return {
        "scramble": int(script.scramble),
        "consumer_loop": script.consumer.loop,
        "log": 1,
        "hang_cycles": hang_cycles,
        "tail_cycles": quiet_cycles,
        # no unit of ours needs as many for an item; what is slower does not come to rest
        "most_cycles": min(2**31, 1000 * len(script) + 100 * waits + 100_000),
    }


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """Ending of the program of a simulation."""

    printed: str = ""
    problem: str = ""  # why it failed, if it did
    stopped: Stop = "no verdict"  # where it left no verdict


def read_transcript(folder: Path, ports: Ports, done: Simulated, seconds: float) -> Transcript:
    """Return what a replay of a script wrote down.

    Args:
        folder: Where it ran.
        ports: Widths of the unit's payloads.
        done: How its program ended.
        seconds: How long it took.
    """
    values, problems, _, unknown_hex = _read_result(folder / "result.txt")
    words = _words(folder / "events.bin")
    notes = words[: len(words) // 2 * 2].reshape(-1, 2)
    raw = _words(folder / "results.bin")
    width = _result_bytes(ports)
    octets = raw.view(np.uint8)
    results = octets[: len(octets) // width * width].reshape(-1, width)
    ended = "end" in values
    if not ended:
        problems.append(done.problem or _NO_VERDICT)
        # what was written last may have got into one of the files only
        notes = notes[np.cumsum(notes[:, 0] & _NOTES["delivers"] != 0) <= len(results)]
    marks = {name: (notes[:, 0] & bit) != 0 for name, bit in _NOTES.items()}
    return Transcript(
        cycles=notes[:, 1].astype(np.int64),
        **marks,
        results=results[:, : _expected_bytes(ports)],
        unknown_hex=tuple(unknown_hex),
        problems=tuple(problems),
        violations=values.get("violations", 0),
        last_cycle=values.get("cycles", 0),
        events={event: values.get(event, 0) for event in _EVENTS},
        ticks=read_ticks(done.printed),
        stopped=None if ended else done.stopped,
        seconds=seconds,
    )


def _words(path: Path) -> NDArray[np.uint32]:
    """Return a file of 32-bit words; a simulation that was stopped may leave half of one."""
    raw = path.read_bytes() if path.exists() else b""
    return np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<u4")


def _expected_bytes(ports: Ports) -> int:
    return (ports.o_width + 7) // 8


def _result_bytes(ports: Ports) -> int:
    return (ports.o_width + 31) // 32 * 4


def simulation_command(
    simulator: Simulator, build: Path, settings: dict[str, int], seed: int
) -> list[str]:
    """Return the command that runs a compiled testbench in the folder with its files."""
    plusargs = [f"+{name}={value}" for name, value in settings.items()]
    if simulator.name == "icarus":
        return ["vvp", "-n", str(build), *plusargs]
    # registers without an initial value start at random
    start = ("+verilator+rand+reset+2", f"+verilator+seed+{seed % 2**31 or 1}")
    return [str(build), *start, *plusargs]


def _simulate(
    simulator: Simulator, build: Path, command: list[str], folder: Path, limit_s: float
) -> Simulated:
    """Run the simulation in ``folder``."""
    done = run_tool(
        f"the simulation with {simulator.name}", command, Limits(wall_s=limit_s),
        folder=folder, environment=simulator.environment(), reach=simulator.reach(build),
    )  # fmt: skip
    problem = done.problem
    if done.ending is Ending.TIMED_OUT:
        problem = f"the simulation did not end within {limit_s:g} s"
    elif done.ending in (Ending.EXITED, Ending.OUT_OF_DISK) and done.status:
        problem = f"the simulation failed: {log_tail(done.stdout + done.stderr, 3)}"
    return Simulated(
        printed=done.stdout, problem=problem, stopped=stop_of_run(done) or "no verdict"
    )


def _read_result(path: Path) -> tuple[dict[str, int], list[str], list[WrongPayload], list[str]]:
    """Return counts by name, problems for people, the first mismatches and unknown payloads."""
    values: dict[str, int] = {}
    problems: list[str] = []
    mismatches: list[WrongPayload] = []
    unknown: list[str] = []
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in lines:
        name, _, text = line.partition("=")
        if name in ("violation", "stopped"):
            problems.append(text)
        elif name == "mismatch":
            index, got, expected = text.split()
            mismatches.append(WrongPayload(index=int(index), got=got, expected=expected))
        elif name == "unknown":
            unknown.append(text)
        elif text.isdigit():
            values[name] = int(text)
    return values, problems, mismatches, unknown
