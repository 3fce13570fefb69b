"""Map an attention tile and each of its units to cells, and keep the areas.

``python scripts/tile_area.py`` writes ``docs/tile_area.json``, which ``docs/tile.md`` quotes. Each
Verilog module is mapped once, for area, by the first recipe of ``consilico implement``, but with
the boundaries between modules kept: both sides have the same modules, and flat a tile takes Yosys
very much longer.
"""

import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as a file, Python looks next to it only
    sys.path.insert(0, str(ROOT))
from scripts.document_text import TILE_AREA  # noqa: E402

__all__ = ["PARTS", "TILE", "main"]

TILE: dict[str, Any] = {"rows": 8, "columns": 8, "head_dim": 16}
PARTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "array for scores",
        "matmul/systolic",
        {"rows": 8, "columns": 8, "dataflow": "output_stationary", "depth": 16},
    ),
    ("requantizer", "matmul/requant", {"lanes": 8}),
    (
        "normalizer",
        "consmax/log2",
        {"lanes": 8, "output": "fixed", "fixed_width": 7, "fixed_fraction": 7},
    ),
    ("array for values", "matmul/systolic", {"rows": 8, "columns": 16, "block": 8}),
)
_KIT, _CLOCK_NS = "nangate45", 4.0


def mapped(part: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the area of a unit, and what it was measured of."""
    from consilico.sim.estimate.operators.calibration_state import sha256_of_verilog
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.synthesis.synthesize import RECIPES, yosys_files
    from consilico.sim.silicon.synthesis.yosys import run_yosys
    from consilico.sim.units.catalogue import find_unit, verilog

    unit, kit = find_unit(name), find_kit(_KIT)
    config = unit.config(**settings)
    text = verilog(unit, config)
    files = yosys_files(text, unit.module_name, kit, _CLOCK_NS, RECIPES[0], boundaries="")
    made = run_yosys({**files, "cells.lib": kit.mapping_liberty})
    area = re.findall(r"Chip area for .*: ([\d.]+)", made["area.txt"])[-1]
    return {
        "part": part,
        "unit": name,
        "settings": settings,
        "area_um2": float(area),
        "verilog_sha256": sha256_of_verilog(unit, config),
    }


def main() -> int:
    """Map all and write the table."""
    rows = [mapped("tile", "attention/tile", TILE), *(mapped(*part) for part in PARTS)]
    table = {
        "schema": "consilico.tile_area/1",
        "date": date.today().isoformat(),
        "pdk": _KIT,
        "clock_ns": _CLOCK_NS,
        "rows": rows,
    }
    TILE_AREA.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
