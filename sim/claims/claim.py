"""Claim files: what papers say, and the questions whose answers check it.

A file holds the claims of one paper (``docs/claims.md`` has the format). A claim has conditions:
definitions under which its figure can be understood, each with a question of its own.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from consilico.sim.base.errors import UserError
from consilico.sim.base.toml_tables import TomlTable, read_toml
from consilico.sim.claims.comparison_question import ComparisonQuestion
from consilico.sim.claims.counting_question import CountingQuestion
from consilico.sim.claims.estimate_question import EstimateQuestion
from consilico.sim.claims.figure import BOUNDS, UNITS, ClaimAnswer, ClaimLimit
from consilico.sim.claims.memory_question import MemoryQuestion
from consilico.sim.claims.other_questions import NoQuestion, PrintedQuestion
from consilico.sim.claims.system_question import SystemQuestion
from consilico.sim.claims.training_question import TrainingQuestion

__all__ = ["KINDS", "Claim", "Condition", "Question", "read_claims"]


class Question(Protocol):
    """Question that has to be answered to check a condition."""

    @classmethod
    def read(cls, table: TomlTable) -> Self:
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted; the message names file and field.
        """

    @property
    def dimension(self) -> str:
        """Return what the figure measures: ``quantity`` of its unit; empty if there is none."""

    def answer(self, unit: str) -> ClaimAnswer:
        """Run it; the figure is in the unit that is named."""


KINDS: dict[str, type[Question]] = {
    "memory": MemoryQuestion,
    "count": CountingQuestion,
    "estimate": EstimateQuestion,
    "printed": PrintedQuestion,
    "comparison": ComparisonQuestion,
    "system": SystemQuestion,
    "training": TrainingQuestion,
    "nothing": NoQuestion,
}
"""Kinds of questions, as claim files name them."""

_NAME = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A definition under which a claim can be understood."""

    given: str  # completes "supported if ..."
    kind: str  # a key of KINDS
    question: Question


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A figure that a paper claims, and what has to be asked to check it."""

    name: str  # paper and claim, such as galore/optimizer-states
    paper: str
    source: str  # citation
    where: str  # it stands in the paper
    says: str  # the claim, as a sentence
    stated: str  # conditions that the paper states
    limit: ClaimLimit | None  # None: the paper gives no figure
    conditions: tuple[Condition, ...]  # the first is what the claim's words say most plainly


def read_claims(path: Path) -> tuple[Claim, ...]:
    """Return the claims of a file.

    Raises:
        UserError: If it cannot be read or is no TOML, or a field is missing, unknown or not what
            is accepted; one line that names the file and the field.
    """
    top = read_toml(path, "claim file")
    if not _NAME.fullmatch(path.stem):
        raise UserError(
            f"{path}: the name of a claim file must be lower-case letters, digits, - and .,"
            f" not {path.stem!r}"
        )
    paper, source = top.text("paper"), top.text("source")
    claims = tuple(_claim(table, path.stem, paper, source) for table in top.tables("claim"))
    top.done()
    names = [claim.name for claim in claims]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            raise UserError(
                f"{path}: claim {number}.name must be of no other claim of the file, not"
                f" {name.partition('/')[2]!r}"
            )
    return claims


def _claim(table: TomlTable, stem: str, paper: str, source: str) -> Claim:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        raise table.error("name", f"must be lower-case letters, digits, - and ., not {name!r}")
    limit = _limit(table)
    claim = Claim(
        name=f"{stem}/{name}",
        paper=paper,
        source=source,
        where=table.text("where"),
        says=table.text("says"),
        stated=table.text("stated", ""),
        limit=limit,
        conditions=tuple(_condition(item, limit) for item in table.tables("condition")),
    )
    table.done()
    return claim


def _limit(table: TomlTable) -> ClaimLimit | None:
    """Return what a claim says of its figure; None where the paper has no figure."""
    if "published" not in table.data:
        return None
    return ClaimLimit(
        published=float(table.quantity("published")),
        unit=table.choice("unit", (*UNITS,)),
        bound=table.choice("bound", BOUNDS, "equal"),
        tolerance=float(table.quantity("tolerance")),
    )


def _condition(table: TomlTable, limit: ClaimLimit | None) -> Condition:
    kind = table.choice("kind", (*KINDS,))
    if limit is None and kind != "nothing":
        raise table.error("kind", f"must be nothing where the claim has no published, not {kind}")
    given = table.text("given", "") if kind == "nothing" else table.text("given")
    question = KINDS[kind].read(table)
    wanted = question.dimension
    if limit is not None and wanted not in ("", UNITS[limit.unit].quantity):
        units = ", ".join(name for name, one in UNITS.items() if one.quantity == wanted)
        raise table.error("kind", f"{kind} answers in {units}, the claim is in {limit.unit}")
    table.done()
    return Condition(given=given, kind=kind, question=question)
