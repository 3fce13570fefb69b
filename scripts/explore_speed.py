"""Measure how many chips of docs/explore.md's space a processor looks at in a second.

``python scripts/explore_speed.py`` writes docs/explore_speed.json. Nothing is known when it begins
but the tables of prices, and processor time counts: a second of waiting is none.
"""

import json
import os
import platform
import time
from datetime import date
from pathlib import Path

from consilico.sim.base.files import write_atomic
from consilico.sim.explore.evaluate import evaluated
from consilico.sim.explore.space import read_space

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "explore_speed.json"


def measured() -> dict[str, object]:
    """Return points, processor seconds and their rate."""
    space = read_space(ROOT / "examples" / "space.toml")
    points = list(space.points())
    evaluated(space.workload, points[0])  # reads tables and imports what it needs
    begun = time.process_time()
    refused = sum(bool(evaluated(space.workload, point).refused) for point in points)
    seconds = time.process_time() - begun
    return {
        "model": space.workload.model.name,
        "points": len(points),
        "refused": refused,
        "cpu_s": round(seconds, 2),
        "points_per_cpu_s": round(len(points) / seconds),
        "measured_at": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, shared",
    }


if __name__ == "__main__":
    found = measured()
    write_atomic(TABLE, json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))
