"""Units of the catalogue that can normalize the scores of a tile, and what they need around them.

A unit is taken by what its configuration has, not by its name. One with a ``buffer`` for rows reads
each row twice. One with a longest ``row`` but no buffer gives results relative to a running maximum
(as fused attention does), so that sums must be rescaled. All others give a result for each score on
its own.
"""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from functools import cache
from typing import Any

from consilico.golden.attention.tile import TileConfig, UnsignedArray
from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.units.catalogue import catalogue, find_unit
from consilico.sim.units.unit import Unit

__all__ = ["KINDS", "P_FORMATS", "NormalizerUnit", "PForm", "find_normalizer", "normalizer_names"]

KINDS = {
    "elementwise": "each result follows from its score alone: no buffer, nothing to rescale",
    "running": "results refer to a running maximum: weighted sums are shifted where it grows, and"
    " divided by the row's sum at the end",
    "two passes": "each row is read twice: two buffers of the codes of all rows of a tile",
}
"""What a kind of normalizer needs of the tile around it."""

_FAMILY = "attention"


@dataclass(frozen=True, kw_only=True)
class PForm:
    """Form of a normalized score in the array for values, as ``attention/tile`` has it."""

    name: str  # as ``consilico accuracy`` has it, too
    slices: int  # operands that it takes
    bits: int  # all behind the point
    unsigned: bool  # cells of the array take bytes without a sign, and are wider for that


def _forms() -> Iterator[tuple[str, PForm]]:
    accepted = next(item for item in fields(TileConfig) if item.name == "p_format")
    for name in accepted.metadata["options"]:
        tile = TileConfig(p_format=name)
        yield (
            name,
            PForm(
                name=name,
                slices=tile.slices,
                bits=tile.p_bits,
                unsigned=isinstance(tile.values, UnsignedArray),
            ),
        )


P_FORMATS = dict(_forms())
"""Forms of a normalized score: 7 bits without a sign in an operand of a signed INT8 array, two
slices of 7 bits, or 8 bits in an array whose cells take operands of 9 bits."""


@dataclass(frozen=True, kw_only=True)
class NormalizerUnit:
    """A unit that normalizes scores, with as many lanes as a tile has columns."""

    unit: Unit
    config: Config
    kind: str  # one of KINDS
    row: int  # scores of the longest row that it is built for; 0: of any
    form: PForm  # of its results

    @property
    def latency(self) -> int:
        """Return the cycles from a code (of two passes: from a row's last one) to its result."""
        return self.unit.latency(self.config)

    @property
    def two_passes(self) -> bool:
        """Tell whether it reads each row twice."""
        return self.kind == "two passes"


def normalizer_names() -> list[str]:
    """Return the names of the units that normalize scores."""
    return [name for name, unit in catalogue().items() if _normalizes(unit)]


@cache
def find_normalizer(name: str, lanes: int, p_format: str, context: int) -> NormalizerUnit:
    """Return a unit as a tile needs it.

    Args:
        name: Of the unit.
        lanes: Scores per cycle.
        p_format: One of :data:`P_FORMATS`.
        context: Scores of the longest row; a unit with rows takes the least that it can be
            configured for, or else its longest.

    Raises:
        UserError: If there is no such unit, it does not normalize scores, or it cannot have as many
            lanes or results of that form.
    """
    if p_format not in P_FORMATS:
        raise UserError(
            f"p_format must be one of {', '.join(P_FORMATS)}, not {p_format!r}: others have no tile"
        )
    if name not in normalizer_names():
        raise UserError(f"normaliser must be one of {', '.join(normalizer_names())}, not {name!r}")
    unit = find_unit(name)
    known = {item.name: item for item in fields(unit.config)}
    form = P_FORMATS[p_format]
    wanted: dict[str, Any] = {"lanes": lanes}
    if "fixed_width" in known:
        wanted |= {"output": "fixed", "fixed_width": form.bits, "fixed_fraction": form.bits}
    if "buffer" in known:  # which is outside of the unit, for all rows of a tile
        wanted["buffer"] = "sram"
    if "row" in known:
        wanted["row"] = _row(known["row"], context)
    try:
        config = unit.config(**wanted)
    except ValueError as error:
        raise UserError(f"{name} in a tile of {lanes} columns: {error}") from error
    kind = "two passes" if "buffer" in known else "running" if "row" in known else "elementwise"
    return NormalizerUnit(
        unit=unit, config=config, kind=kind, row=wanted.get("row", 0), form=form
    )  # fmt: skip


def _normalizes(unit: Unit) -> bool:
    """Tell whether a unit has lanes that scores go into, and makes normalized ones of them."""
    names = {item.name for item in fields(unit.config)}
    return unit.family == _FAMILY and "lanes" in names and bool({"fixed_width", "row"} & names)


def _row(item: "Field[Any]", context: int) -> int:
    """Return the least accepted row that a context fits in, or the greatest accepted."""
    accepted = list(_accepted(item, context))
    return min((row for row in accepted if row >= context), default=max(accepted))


def _accepted(item: "Field[Any]", context: int) -> Iterator[int]:
    """Yield rows that a field accepts: its options, or the context as its range has it."""
    if "options" in item.metadata:
        yield from item.metadata["options"]
    else:
        low, high = item.metadata["range"]
        yield min(max(context, low), high)
