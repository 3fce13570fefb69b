"""Units of the catalogue that can take the place of softmax in a model that was trained with it.

Such a unit normalizes rows of scores, and its entry says what it makes of them (``normalize``).
ConSmax does not: its constants are learned together with the model.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.accuracy.formats import PFormat, find_p_format
from consilico.sim.base.errors import UserError
from consilico.sim.units.catalogue import catalogue, configure, split_settings
from consilico.sim.units.unit import Unit

__all__ = ["EXACT", "GREATEST", "DropIn", "drop_in", "drop_in_names"]

EXACT = "exact"
"""Name of softmax in floating point on the same INT8 scores: what scores of 8 bits cost alone."""

GREATEST = 127
"""Greatest code of a score, as :func:`~consilico.sim.traffic.scores.quantize_scores` has it."""

_LANES = 64  # of a tile of `consilico system`
_RESULT_BITS = 16  # of a result that is a bf16 number

Codes = NDArray[np.int64]
Masks = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DropIn:
    """A normalizer with the format of P: scores in, weights of the values out."""

    name: str  # as it was asked for, such as "ita:fraction=0"
    form: PFormat
    unit: Unit | None = None  # None: exact softmax
    config: Config | None = None

    def scale(self, most: float) -> float:
        """Return the natural units per code: those of the unit's scores, or of a head.

        Args:
            most: The greatest magnitude that scores of the head have in calibration.
        """
        if self.unit is not None and self.unit.score_scale is not None:
            return self.unit.score_scale(self.config)
        return most / GREATEST

    def weights(self, scale: float, code: Codes, mask: Masks) -> Reals:
        """Return the weights of the values.

        Args:
            scale: Natural units per code.
            code: Shape ``(rows, scores)``.
            mask: Same shape; True: the score takes no part, and its weight is 0.

        Raises:
            ValueError: If the scale is none for the unit.
        """
        if self.unit is None:
            shown = np.where(mask, -np.inf, code * scale)
            power = np.exp(shown - shown.max(axis=1, keepdims=True))
            return self.form.weights(power / power.sum(axis=1, keepdims=True))
        if self.unit.powers is not None:
            return self.form.relative_weights(self.unit.powers(self.config, scale, code, mask))
        assert self.unit.normalize is not None
        return self.form.weights(self.unit.normalize(self.config, scale, code, mask))


def drop_in_names() -> list[str]:
    """Return the names of what can take the place of softmax."""
    return [EXACT, *(name for name, unit in catalogue().items() if unit.normalize is not None)]


def drop_in(text: str, p_format: str, tokens: int) -> DropIn:
    """Return what ``UNIT`` or ``UNIT:FIELD=VALUE,...`` asks for.

    Args:
        text: Name of a unit, perhaps with settings, or ``exact``. Without a setting a unit has 64
            lanes; how a row is divided into beats counts.
        p_format: Format of P.
        tokens: Scores of the longest row, for which the unit is built.

    Raises:
        UserError: If there is no such unit, setting or format, the unit is no drop-in, or its
            results cannot have that format; the message says what is accepted.
    """
    form = find_p_format(p_format)
    name, settings = split_settings(text)
    if text == EXACT:
        return DropIn(name=text, form=form)
    units = catalogue()
    accepted = ", ".join(drop_in_names())
    if name in units and units[name].normalize is None and name.startswith("consmax/"):
        raise UserError(
            f"{name} is no drop-in: a model has to be trained with its constants beta and gamma;"
            f" drop-ins for softmax are {accepted}"
        )
    if name not in units or units[name].normalize is None:
        raise UserError(f"normaliser must be one of {accepted}, not {name!r}")
    unit = units[name]
    config = _config(unit, settings, tokens)
    found = DropIn(name=text, form=form, unit=unit, config=config)
    if form.relative and unit.powers is not None:
        raise UserError(
            f"results of {name} are relative to the greatest of their row in every format; ask for"
            f" {form.name.removesuffix('-max')}"
        )
    if form.relative and getattr(config, "result_width", _RESULT_BITS) < _RESULT_BITS:
        raise UserError(
            f"{form.name} needs results in floating point, and those of {name} are codes"
        )
    return found


def _config(unit: Unit, settings: list[str], tokens: int) -> Config:
    """Return a unit's configuration with as many lanes as a tile has, and rows that are enough."""
    known = {item.name: item for item in fields(unit.config)}
    wanted = {part.partition("=")[0].strip(): part for part in settings}
    for name in ("row", "buffer"):
        if name in wanted:
            raise UserError(f"{unit.name}: {name} follows from the tokens, and changes no result")
    if "lanes" in known:
        wanted.setdefault("lanes", f"lanes={_LANES}")
    if "buffer" in known:
        wanted["buffer"] = "buffer=sram"
    if "row" not in known:
        return configure(unit, [*wanted.values()])
    *shorter, longest = _rows(known["row"].metadata, tokens)
    for row in shorter:
        with suppress(UserError):  # it may be too short for the lanes
            return configure(unit, [*wanted.values(), f"row={row}"])
    return configure(unit, [*wanted.values(), f"row={longest}"])


def _rows(metadata: Mapping[str, Any], tokens: int) -> list[int]:
    """Return the longest rows that a unit can be built for and that the tokens fit in."""
    if "options" in metadata:
        return [row for row in metadata["options"] if row >= tokens] or [tokens]
    return [max(tokens, int(metadata["range"][0]))]
