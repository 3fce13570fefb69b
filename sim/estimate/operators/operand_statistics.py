"""Activity of a unit's operands: how often bits toggle, how long signs keep."""

import gc
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from amaranth import Shape
from amaranth.hdl import UnusedElaboratable
from amaranth.lib import data

from consilico.sim.units.stimulus import Kind

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.units.stimulus import Stimulus
    from consilico.sim.units.unit import Unit

__all__ = ["operand_places", "operand_statistics"]


def operand_statistics(
    unit: "Unit", config: "Config", stimulus: "Stimulus"
) -> dict[str, dict[str, float]]:
    """Return statistics of each field of the input payload over the beats of a stimulus.

    Each number is compared with what was in its place in the beat before; elements of an array
    count together, and a payload without named fields is called ``payload``.

    Returns:
        By field: ``toggle_rate`` (toggles a bit and beat) and ``sign_correlation`` (of the highest
        bit of successive elements in one place; 1 where it never changes). Together they describe
        the two regions of a word in the dual bit type model (Landman and Rabaey, IEEE Trans. VLSI
        Systems 3, 1995).
    """
    rows = stimulus.bits[stimulus.kind == Kind.DATA]
    bits = np.unpackbits(rows, axis=1, bitorder="little")
    places = operand_places(unit, config)
    return {name: _activity(bits, elements) for name, elements in places.items()}


def operand_places(unit: "Unit", config: "Config") -> dict[str, list[tuple[int, int]]]:
    """Return the lowest bit and the width of each number in each field of the input payload."""
    with warnings.catch_warnings():  # only its ports are looked at
        warnings.simplefilter("ignore", UnusedElaboratable)
        layout = unit.component(config).i.payload.shape()
        gc.collect()
    places: dict[str, list[tuple[int, int]]] = {}
    for name, low, width in _elements(layout, "payload", 0):
        places.setdefault(name, []).append((low, width))
    return places


def _elements(shape: Any, name: str, low: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, lowest bit and width of the numbers in a payload; an array's share a name."""
    if isinstance(shape, data.Layout):
        for key, item in shape:
            inner = name if isinstance(shape, data.ArrayLayout) else str(key)
            yield from _elements(item.shape, inner, low + item.offset)
    else:
        yield name, low, Shape.cast(shape).width


def _activity(bits: Any, elements: list[tuple[int, int]]) -> dict[str, float]:
    if len(bits) < 2:
        return {"toggle_rate": 0.0, "sign_correlation": 1.0}
    columns = np.concatenate([np.arange(low, low + width) for low, width in elements])
    signs = bits[:, [low + width - 1 for low, width in elements]]
    high = float(signs.mean())
    changes = float((signs[1:] != signs[:-1]).mean())
    spread = 2 * high * (1 - high)
    return {
        "toggle_rate": float((bits[1:, columns] != bits[:-1, columns]).mean()),
        "sign_correlation": 1 - changes / spread if spread else 1.0,
    }
