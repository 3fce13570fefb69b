"""Tells whether the harness finds bugs: it replays mutants, single-point changes of the Verilog.

A mutant that survives shows a gap in the stimulus or the checks, or changes nothing that can be
seen. Generated Verilog repeats itself, so the latter are many: Yosys is asked to prove them
equivalent.
"""

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from consilico.golden.config import Config
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.processes import Ending, Limits, run_tool, work_folder
from consilico.sim.rtlsim.builds import BuildError
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.unit import Unit

__all__ = [
    "Mutant",
    "Mutation",
    "MutationScore",
    "mutation_score",
    "mutations",
    "proved_equivalent",
]

# Registers and ports are matched by name; Amaranth's intermediate wires (`$` in their names) are
# not, since a changed wire may still leave everything behind it as it was.
_PREPARE = "hierarchy -top {top}; proc; flatten; memory_map; async2sync; opt_clean"
_PROOF = """\
read_verilog original.v; {prepare}; rename {top} original; design -stash original
read_verilog changed.v; {prepare}; rename {top} changed; design -stash changed
design -copy-from original -as original original
design -copy-from changed -as changed changed
rename -hide w:*$*
equiv_make original changed both
hierarchy -top both
equiv_struct; equiv_simple; equiv_induct -seq 3
equiv_status -assert
"""
_SWAPS = {
    "+": "-", "-": "+", "*": "+", "&": "|", "|": "&", "^": "|", "==": "!=", "!=": "==",
    "<": ">=", ">=": "<", ">": "<=", "&&": "||", "||": "&&", ">>": "<<", "<<": ">>",
}  # fmt: skip
_OPERATOR = re.compile(r"(?<= )(" + "|".join(map(re.escape, _SWAPS)) + r")(?= )")
_INVERSION = re.compile(r"(?<= )~ ")
_CONDITION = re.compile(r"(?<=if )\(.*\)")
_CONSTANT = re.compile(r"(?<=\d'h)[0-9a-f]+")
_CHOICE = re.compile(r"\? (.+) : (.+)(?=;)")
_STATEMENT = re.compile(r"^\s+(assign\b|if \(|\S+\s+(\[.*\]\s*)?<?= )")
_DECLARATION = re.compile(r"^\s+(reg|wire|input|output)\b|begin end$")


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change of one line of Verilog."""

    line: int  # from 1
    column: int  # from 1
    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return the Verilog with the line replaced."""
        lines = text.split("\n")
        line, at = lines[self.line - 1], self.column - 1
        lines[self.line - 1] = line[:at] + self.new + line[at + len(self.old) :]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Mutant(Facts):
    """One mutant, and whether the verification found it."""

    line: int  # of the Verilog, from 1
    change: str
    outcome: str  # "killed", "equivalent" (proved) or "survived"
    by: str | None  # what found it, where it was killed


@dataclass(frozen=True, kw_only=True)
class MutationScore(Facts):
    """Mutants of a unit, with the number of those that the verification found."""

    derived: ClassVar[tuple[str, ...]] = ("killed", "equivalent", "survived", "score")

    unit: str
    config: dict[str, Any]  # field values by name
    seed: int  # of stimulus, stalls and choice of mutants
    mutants: tuple[Mutant, ...]

    @property
    def killed(self) -> int:
        """Return the number of mutants that the harness found."""
        return self._count("killed")

    @property
    def equivalent(self) -> int:
        """Return the number of mutants that are proved to change nothing that can be seen."""
        return self._count("equivalent")

    @property
    def survived(self) -> int:
        """Return the number of mutants that were neither found nor proved equivalent."""
        return self._count("survived")

    @property
    def score(self) -> float | None:
        """Return the share of killed ones among those not equivalent; None if there are none."""
        decided = self.killed + self.survived
        return self.killed / decided if decided else None

    def _count(self, outcome: str) -> int:
        return sum(mutant.outcome == outcome for mutant in self.mutants)


def mutations(text: str, rng: random.Random) -> list[Mutation]:
    """Return every single-point change that is known here.

    Args:
        text: Verilog as Amaranth writes it.
        rng: Chooses the bit of a constant that is flipped.
    """
    found: list[Mutation] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if _STATEMENT.match(line) and not _DECLARATION.search(line):
            found += [
                Mutation(line=number, column=at + 1, old=old, new=new)
                for at, old, new in _changes(line, rng)
            ]
    return found


def _changes(line: str, rng: random.Random) -> Iterator[tuple[int, str, str]]:
    body = line.find("=") + 1 if "if (" not in line else 0  # not the `<=` of an assignment
    for match in _OPERATOR.finditer(line, body):
        yield match.start(), match.group(), _SWAPS[match.group()]
    for match in _INVERSION.finditer(line, body):
        yield match.start(), match.group(), ""
    for match in _CONDITION.finditer(line):
        yield match.start(), match.group(), f"(!{match.group()})"
    for match in _CONSTANT.finditer(line, body):
        digits = match.group()
        width = int(re.findall(r"\d+(?='h$)", line[: match.start()])[-1])
        flipped = int(digits, 16) ^ (1 << rng.randrange(width))
        yield match.start(), digits, f"{flipped:0{len(digits)}x}"
    for match in _CHOICE.finditer(line, body):
        yield match.start(), match.group(), f"? {match.group(2)} : {match.group(1)}"


def mutation_score(unit: Unit, config: Config, count: int, seed: int) -> MutationScore:
    """Replay the verification stimulus on mutants of a unit, with stalls, on Icarus.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        count: Mutants wanted; fewer if the text does not have as many places to change.
        seed: Seed of stimulus, stalls and choice of mutants.

    Raises:
        CheckFailed: If the unit fails unchanged, so that killing a mutant would mean nothing.
    """
    text, ports, top = verilog(unit, config), unit.ports(config), unit.module_name
    stimulus = unit.vectors(config, seed)
    simulator = find_simulator("icarus")
    replay = Replay(
        stall_in=64, stall_out=96, seed=seed, hang_cycles=2000, limit_s=300, stop_at_mismatch=True
    )
    build = build_bulk(simulator, [text], top, ports)
    unchanged = run_bulk(simulator, build, ports, stimulus, replay)
    if not unchanged.passed:
        raise CheckFailed(f"{unit.name} fails without a mutation: {unchanged.problems}")
    rng = random.Random(seed)
    places = mutations(text, rng)
    rng.shuffle(places)
    mutants: list[Mutant] = []
    for mutation in places:
        if len(mutants) == count:
            break
        try:
            build = build_bulk(simulator, [mutation.apply(text)], top, ports)
        except BuildError:
            continue  # not Verilog any more: says nothing about the harness
        outcome = run_bulk(simulator, build, ports, stimulus, replay)
        killed = not outcome.passed
        alike = not killed and proved_equivalent(text, mutation.apply(text), top)
        mutants.append(
            Mutant(
                line=mutation.line,
                change=f"{mutation.old.strip()} -> {mutation.new.strip()}",
                outcome="killed" if killed else "equivalent" if alike else "survived",
                by=outcome.problems[0] if killed else None,
            )
        )
        build.unlink(missing_ok=True)
    return MutationScore(unit=unit.name, config=config.to_json(), seed=seed, mutants=tuple(mutants))


def proved_equivalent(original: str, changed: str, top: str, limit_s: float = 120.0) -> bool:
    """Tell whether Yosys proves that two Verilog texts behave alike.

    False means "not proved within the time", not "different": states that are never reached are
    not excluded.

    Args:
        original: Verilog.
        changed: Verilog with the same ports and registers.
        top: Module to compare.
        limit_s: Wall-clock limit in seconds.

    Raises:
        UserError: If Yosys is missing.
        ToolError: If it is killed or needs too much memory.
    """
    prepare = _PREPARE.format(top=top)
    with work_folder("equivalence") as folder:
        (folder / "original.v").write_text(original)
        (folder / "changed.v").write_text(changed)
        (folder / "prove.ys").write_text(_PROOF.format(prepare=prepare, top=top))
        run = run_tool(
            "yosys", [_yosys(), "-q", "-s", "prove.ys"], Limits(wall_s=limit_s), folder=folder
        )
    if run.ending in (Ending.KILLED, Ending.OUT_OF_MEMORY):
        run.check()
    return run.succeeded


def _yosys() -> str:
    program = shutil.which("yosys")
    if program is None:
        raise UserError("Yosys is not on the path; install it: apt-get install yosys")
    return program
