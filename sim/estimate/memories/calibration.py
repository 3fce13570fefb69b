"""Costs of flip-flop and latch buffers in a kit: measured sizes, and formulas fitted between them.

A table is one checked-in JSON file per kit in ``calibration/``: sizes, what synthesis and
gate-level simulation measured, tools and date. The command
``python -m consilico.sim.estimate.memories.calibration [KIT]`` writes it. Measured buffers are
cached, so that making a table again is quick.

Between the measured sizes are closed formulas, linear in terms of words and bits; their error is
the largest one on a buffer that was left out of the fit.
"""

import datetime
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from consilico.golden.buffer import BufferConfig
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.estimate.memories.measure import TOOLS, MeasuredBuffer, measure_buffer
from consilico.sim.estimate.memories.technology import write_inverters

__all__ = [
    "QUANTITIES",
    "SIZES",
    "BufferCalibration",
    "BufferTable",
    "Formula",
    "calibrate",
    "calibrated_kits",
    "calibration",
    "fit",
]

Reals = NDArray[np.float64]
_FOLDER = Path(__file__).parent / "calibration"
SIZES = (  # words, bits
    (4, 4), (4, 16), (4, 64), (8, 8), (8, 32), (16, 4), (16, 16), (16, 64),
    (32, 8), (32, 32), (64, 4), (64, 16), (64, 64), (128, 8), (128, 32),
)  # fmt: skip
_STORAGES = ("flop", "latch")


# Formulas


def _storage(words: Reals, bits: Reals) -> list[Reals]:
    """Return the terms of what grows with cells, with words (gate, decoder) and bits (wires)."""
    return [np.ones_like(words), bits, words, words * bits]


def _reading(words: Reals, bits: Reals) -> list[Reals]:
    """Return the terms of a read, which toggles a multiplexer of log2(words) levels per bit."""
    return [*_storage(words, bits), bits * np.log2(words)]


def _depth(words: Reals, bits: Reals) -> list[Reals]:
    """Return the terms of a delay: levels of the multiplexer, and of buffers for its selects."""
    return [np.ones_like(words), np.log2(words), np.log2(bits)]


def _clocked(words: Reals, bits: Reals) -> list[Reals]:
    """Return the terms of the clock, which has a gate per word."""
    return [np.ones_like(words), words]


QUANTITIES: dict[str, Callable[[Reals, Reals], list[Reals]]] = {
    "area_um2": _storage,
    "leakage_w": _storage,
    "read_pj": _reading,
    "write_pj": _storage,
    "rest_pj": _clocked,
    "access_ns": _depth,
}


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula of one quantity, linear in terms of words and bits."""

    quantity: str  # a key of QUANTITIES
    coefficients: tuple[float, ...]  # one per term
    error: float  # the largest relative error on a point that was left out of the fit

    def __call__(self, words: ArrayLike, bits: ArrayLike) -> Reals:
        """Return the values for some sizes; the two arguments broadcast."""
        wide, deep = np.broadcast_arrays(
            np.asarray(words, dtype=np.float64), np.asarray(bits, dtype=np.float64)
        )
        terms = QUANTITIES[self.quantity](wide, deep)
        return np.asarray(sum(c * term for c, term in zip(self.coefficients, terms, strict=True)))


def fit(quantity: str, words: ArrayLike, bits: ArrayLike, measured: ArrayLike) -> Formula:
    """Fit one quantity by least squares of relative errors, cross-validated by leaving one out.

    Args:
        quantity: A key of :data:`QUANTITIES`.
        words: Shape ``(points,)``.
        bits: Shape ``(points,)``.
        measured: Shape ``(points,)``, above 0.

    Raises:
        ValueError: If there are not more points than coefficients.
    """
    values = np.asarray(measured, dtype=np.float64)
    terms = np.stack(
        QUANTITIES[quantity](np.asarray(words, np.float64), np.asarray(bits, np.float64)), axis=1
    )
    points, unknowns = terms.shape
    if points <= unknowns:
        raise ValueError(f"{points} points do not fit {unknowns} coefficients of {quantity}")
    relative = terms / values[:, None]
    errors = []
    for left in range(points):
        kept = np.arange(points) != left
        found = np.linalg.lstsq(relative[kept], np.ones(points - 1), rcond=None)[0]
        errors.append(abs(float(relative[left] @ found) - 1))
    coefficients = np.linalg.lstsq(relative, np.ones(points), rcond=None)[0]
    return Formula(quantity=quantity, coefficients=tuple(coefficients.tolist()), error=max(errors))


# Tables


@dataclass(frozen=True, kw_only=True)
class BufferTable(Facts):
    """The content of a kit's file: measured buffers and the conditions they hold for."""

    pdk: str
    corner: str
    voltage_v: float
    node_nm: float
    date: str  # ISO 8601
    tools: dict[str, str | None]  # versions by name
    activity: str  # what the energies are measured on
    assumptions: dict[str, str]  # about clock, wires and glitches
    points: tuple[MeasuredBuffer, ...]


class BufferCalibration:
    """The measured buffers of a kit, and the formulas fitted to them.

    Args:
        table: Content of the kit's file.
    """

    def __init__(self, table: BufferTable) -> None:
        self.table = table
        self.words = tuple(sorted({point.words for point in table.points}))
        self.bits = tuple(sorted({point.bits for point in table.points}))
        self.formulas: dict[str, dict[str, Formula]] = {}
        for storage in _STORAGES:
            points = self.points(storage)
            words, bits = [point.words for point in points], [point.bits for point in points]
            self.formulas[storage] = {
                name: fit(name, words, bits, [getattr(point, name) for point in points])
                for name in QUANTITIES
            }

    def points(self, storage: str) -> list[MeasuredBuffer]:
        """Return the measured buffers of one storage (``flop`` or ``latch``)."""
        return [point for point in self.table.points if point.storage == storage]

    def measured(self, storage: str, words: int, bits: int) -> MeasuredBuffer | None:
        """Return the buffer of exactly that size, or None if it was not measured."""
        for point in self.points(storage):
            if (point.words, point.bits) == (words, bits):
                return point
        return None


def calibrated_kits() -> list[str]:
    """Return the names of the kits that have a table."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


@cache
def calibration(pdk: str) -> BufferCalibration | None:
    """Return the calibration of a kit, or None if the kit has no table."""
    path = _FOLDER / f"{pdk}.json"
    if not path.exists():
        return None
    return BufferCalibration(BufferTable.from_json(json.loads(path.read_text())))


def calibrate(pdk: str) -> BufferTable:
    """Measure all sizes in a kit.

    Raises:
        UserError: If the kit or a tool is missing.
    """
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(pdk)
    points = []
    for words, bits in SIZES:
        for storage in _STORAGES:
            config = BufferConfig(words=words, bits=bits, storage=storage)
            points.append(_rounded(measure_buffer(config, pdk)))
            print(f"{pdk}: {len(points)} of {2 * len(SIZES)} buffers", file=sys.stderr)
    return BufferTable(
        pdk=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        node_nm=float(kit.node_nm or 0),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        tools=tool_versions(TOOLS),
        activity="random words at random addresses, gate-level simulation without delays",
        assumptions={"clock": "ideal", "wires": "ideal", "glitches": "not counted"},
        points=tuple(points),
    )


def _rounded(point: MeasuredBuffer) -> MeasuredBuffer:
    """Return the figures with six digits: more would only differ from one machine to another."""
    values: dict[str, Any] = {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in point.to_json().items()
    }
    return MeasuredBuffer(**values)


def main() -> None:
    """Measure the kits named on the command line, or those with a table; read the inverters."""
    write_inverters()
    for pdk in sys.argv[1:] or calibrated_kits():
        write_atomic(_FOLDER / f"{pdk}.json", json.dumps(calibrate(pdk).to_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
