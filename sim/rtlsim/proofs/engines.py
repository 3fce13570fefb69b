"""Prove one output of an AIGER model never to be 1, with ABC.

Property directed reachability (``pdr``) finds an inductive invariant by itself and so proves a
property for runs of any length; ABC checks the invariant afterwards. Where it finds none within the
time, bounded model checking (``bmc3``) says up to which length there is no counterexample. Where
all that a property follows from is stated with it, plain induction (``ind``) needs no search.

Source: N. Een, A. Mishchenko, R. Brayton, "Efficient implementation of property directed
reachability", FMCAD 2011.
"""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Ending, Limits, ToolRun, run_tool

__all__ = ["ProverAnswer", "abc_program", "decide", "follow", "induct", "refute"]

_READ = "read_aiger {model}; cone -s -O {output}; scleanup; "
_BOUND = 400  # steps after which bounded model checking ends, even if there is time left
_MEMORY_BYTES = 3 << 30


@dataclass(frozen=True, kw_only=True)
class ProverAnswer:
    """Finding of a prover about one output."""

    verdict: str  # "proved", "failed" or "not proved"
    engine: str | None  # that decided, such as "abc pdr"
    steps: int | None  # in which a counterexample ends, or up to which there is none
    seconds: float
    inputs: tuple[str, ...] = ()  # of a counterexample: a digit per input, for each step


def abc_program() -> str:
    """Return the path of ABC.

    Raises:
        UserError: If it is not there.
    """
    for name in ("yosys-abc", "berkeley-abc"):
        if found := shutil.which(name):
            return found
    raise UserError("ABC is not on the path; it comes with Yosys: apt-get install yosys")


def follow(model: Path, output: int, limit_s: int) -> ProverAnswer:
    """Prove that an output is always 0 because it is if it was 0 in the cycle before.

    A property with all that it follows from is decided so, however wide its counters are; property
    directed reachability would look for that itself, bit by bit.

    Args:
        model: The AIGER file.
        output: Number of the output.
        limit_s: Processor seconds.

    Raises:
        UserError: If ABC is not there.
    """
    run = _abc(model, output, "bmc3 -F 3; ind -F 2", limit_s)  # the beginning, and one more cycle
    holds = "No output asserted in 3 frames" in run.stdout
    proved = holds and "Networks are equivalent" in run.stdout
    verdict = "proved" if proved else "not proved"
    return ProverAnswer(verdict=verdict, engine="abc ind", steps=None, seconds=run.seconds)


def induct(model: Path, output: int, limit_s: int) -> ProverAnswer:
    """Prove or refute that an output is always 0, by property directed reachability alone.

    Args:
        model: The AIGER file.
        output: Number of the output.
        limit_s: Processor seconds.

    Raises:
        ToolError: If ABC fails other than for want of time or memory.
    """
    run = _abc(model, output, "pdr", limit_s)
    if "Property proved" in run.stdout:
        return ProverAnswer(verdict="proved", engine="abc pdr", steps=None, seconds=run.seconds)
    if (failed := _failed(model, "abc pdr", run)) is not None:
        return failed
    _check(run)
    return ProverAnswer(verdict="not proved", engine="abc pdr", steps=None, seconds=run.seconds)


def decide(model: Path, output: int, limit_s: int) -> ProverAnswer:
    """Prove or refute that an output is always 0.

    Args:
        model: The AIGER file.
        output: Number of the output.
        limit_s: Processor seconds that the proof may take, and bounded model checking as many.

    Raises:
        ToolError: If ABC fails other than for want of time or memory.
    """
    answer = induct(model, output, limit_s)
    if answer.verdict != "not proved":
        return answer
    bounded = refute(model, output, limit_s)
    return replace(bounded, seconds=answer.seconds + bounded.seconds)


def refute(model: Path, output: int, limit_s: int) -> ProverAnswer:
    """Look for a run in which an output becomes 1, the shortest first.

    Args:
        model: The AIGER file.
        output: Number of the output.
        limit_s: Processor seconds.

    Raises:
        ToolError: If ABC fails other than for want of time or memory.
    """
    run = _abc(model, output, f"bmc3 -F {_BOUND} -T {max(1, limit_s // 2)}", limit_s)
    if (failed := _failed(model, "abc bmc3", run)) is not None:
        return failed
    _check(run)
    explored = re.findall(r"No output (?:was )?asserted in (\d+) frames", run.stdout)
    steps = int(explored[-1]) if explored else None
    return ProverAnswer(verdict="not proved", engine="abc bmc3", steps=steps, seconds=run.seconds)


def _abc(model: Path, output: int, command: str, limit_s: int) -> ToolRun:
    witness = _witness(model)
    witness.unlink(missing_ok=True)
    script = _READ.format(model=model.name, output=output) + command
    script += f"; write_cex -a {witness.name}"
    limits = Limits(wall_s=20.0 * limit_s, cpu_s=limit_s, memory_bytes=_MEMORY_BYTES)
    return run_tool("abc", [abc_program(), "-c", script], limits, folder=model.parent)


def _witness(model: Path) -> Path:
    return model.with_suffix(".cex")


def _failed(model: Path, engine: str, run: ToolRun) -> ProverAnswer | None:
    """Return the counterexample that ABC found, or None."""
    found = re.search(r"was asserted in frame (\d+)", run.stdout)
    if found is None:
        return None
    # what registers begin with, then the inputs in each step, as AIGER's witnesses have them
    _, *lines = _witness(model).read_text().partition("#")[0].split("\n")
    return ProverAnswer(
        verdict="failed", engine=engine, steps=int(found[1]), seconds=run.seconds,
        inputs=tuple(filter(None, lines)),
    )  # fmt: skip


def _check(run: ToolRun) -> None:
    """Let time and memory run out, and nothing else.

    Raises:
        ToolError: If ABC failed.
    """
    if run.ending in (Ending.TIMED_OUT, Ending.OUT_OF_MEMORY):
        return
    run.check()
    if "Error" in run.stdout or "cmd error" in run.stdout:
        raise ToolError(f"abc failed: {run.stdout.strip().splitlines()[-1][:200]}")
