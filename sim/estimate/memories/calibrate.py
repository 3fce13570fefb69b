"""Measure the flip-flop and latch buffers of a kit.

``python -m consilico.sim.estimate.memories.calibrate [KIT]`` writes the table of a kit.

A table is one JSON file a kit in ``calibration/``, checked in: sizes, what synthesis and gate-level
simulation measured, tools and date. Measured buffers are cached, so that making it again is quick.
"""

import datetime
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from consilico.golden.buffer import BufferConfig
from consilico.sim.base.results import write_atomic
from consilico.sim.estimate.memories.fit import QUANTITIES, Formula, fit
from consilico.sim.estimate.memories.inverters import write_inverters

__all__ = ["SIZES", "Calibration", "calibrate", "calibrated_kits", "calibration"]

_FOLDER = Path(__file__).parent / "calibration"
SIZES = (  # words, bits
    (4, 4), (4, 16), (4, 64), (8, 8), (8, 32), (16, 4), (16, 16), (16, 64),
    (32, 8), (32, 32), (64, 4), (64, 16), (64, 64), (128, 8), (128, 32),
)  # fmt: skip
_STORAGES = ("flop", "latch")


class Calibration:
    """What was measured with one kit, and the formulas fitted to it.

    Args:
        table: Content of its file.
    """

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table
        self.words = tuple(sorted({point["words"] for point in table["points"]}))
        self.bits = tuple(sorted({point["bits"] for point in table["points"]}))
        self.formulas: dict[str, dict[str, Formula]] = {}
        for storage in _STORAGES:
            points = self.points(storage)
            words, bits = ([point[name] for point in points] for name in ("words", "bits"))
            self.formulas[storage] = {
                name: fit(name, words, bits, [point[name] for point in points])
                for name in QUANTITIES
            }

    def points(self, storage: str) -> list[dict[str, Any]]:
        """Measured buffers of one storage."""
        return [point for point in self.table["points"] if point["storage"] == storage]

    def measured(self, storage: str, words: int, bits: int) -> dict[str, Any] | None:
        """The buffer of exactly that size, where it was measured."""
        for point in self.points(storage):
            if (point["words"], point["bits"]) == (words, bits):
                return point
        return None


def calibrated_kits() -> list[str]:
    """Kits that have a table."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


@cache
def calibration(pdk: str) -> Calibration | None:
    """The table of a kit, None where it has none."""
    path = _FOLDER / f"{pdk}.json"
    return Calibration(json.loads(path.read_text())) if path.exists() else None


def calibrate(pdk: str) -> dict[str, Any]:
    """Measure all sizes in a kit.

    Raises:
        UserError: If the kit or a tool is missing.
    """
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.estimate.memories.measure import TOOLS, measure
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(pdk)
    points = []
    for words, bits in SIZES:
        for storage in _STORAGES:
            config = BufferConfig(words=words, bits=bits, storage=storage)
            points.append({**config.to_json(), **_rounded(measure(config, pdk))})
            print(f"{pdk}: {len(points)} of {2 * len(SIZES)} buffers", file=sys.stderr)
    return {
        "pdk": kit.name,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "node_nm": kit.node_nm,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "tools": tool_versions(TOOLS),
        "activity": "random words at random addresses, gate-level simulation without delays",
        "assumptions": {"clock": "ideal", "wires": "ideal", "glitches": "not counted"},
        "points": points,
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in values.items()
    }


def main() -> None:
    """Measure the kits that are named, or those that have a table; read all kits' inverters."""
    write_inverters()
    for pdk in sys.argv[1:] or calibrated_kits():
        write_atomic(_FOLDER / f"{pdk}.json", json.dumps(calibrate(pdk), indent=1) + "\n")


if __name__ == "__main__":
    main()
