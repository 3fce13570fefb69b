"""Measure how well, and how fast, units are estimated without formulas and without a calibration.

``python scripts/operators_study.py`` writes ``docs/operators_study.json``, which
``docs/estimate.md`` quotes: for the smallest configurations of each unit that are outside the fit
of NanGate 45 nm, what was measured of their mapped cells next to three predictions. It takes some
minutes.
"""

import json
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as a file, Python looks next to it only
    sys.path.insert(0, str(ROOT))
from scripts.document_text import STUDY  # noqa: E402

if TYPE_CHECKING:
    from consilico.sim.estimate.operators.measurements import MeasuredConfig

KIT = "nangate45"
METRICS = ("area_um2", "path_ns", "energy_pj")
_OF_EACH_UNIT = 2
_SPEED = 2000  # configurations of each unit that the formulas are timed on


def rows() -> "list[MeasuredConfig]":
    """Return the smallest configurations of each unit that the kit's costs were not fitted to."""
    from consilico.sim.estimate.operators.measurements import read_measurements

    found: dict[str, list[MeasuredConfig]] = {}
    for row in sorted(read_measurements(KIT).configs, key=lambda row: row.area_um2):
        if row.purpose == "test":
            found.setdefault(row.unit, []).append(row)
    return [row for unit in found.values() for row in unit[:_OF_EACH_UNIT]]


def predicted(row: "MeasuredConfig") -> dict[str, Any]:
    """Return the measured figures of a configuration, and each as it is predicted in three ways.

    ``formulas`` is the calibrated unit as it is; ``elaborated`` the same with its operators read
    from the Verilog; ``operators`` the latter without the unit's own factors.
    """
    from consilico.sim.estimate.operators.tables import read_calibration
    from consilico.sim.estimate.operators.unit_census import elaborated_census
    from consilico.sim.units.catalogue import find_unit

    unit = find_unit(row.unit)
    began = sum(os.times()[:4])  # of this process and of Yosys, which it starts
    path = read_calibration(KIT).costs["path_ns"]
    elaborated = elaborated_census(unit, unit.config(**row.config), path)
    cpu_s = sum(os.times()[:4]) - began
    measured = {**row.to_json(), "energy_pj": row.energy_beat_pj}
    return {
        "unit": unit.name,
        "config": row.config,
        "measured": {metric: measured[metric] for metric in METRICS},
        "operators": _figures(row, elaborated, ""),  # a name that no calibration has
        "elaborated": _figures(row, elaborated, unit.name),
        "formulas": by_formulas(row),
        "elaboration_cpu_s": cpu_s,
    }


def by_formulas(row: "MeasuredConfig") -> dict[str, float]:
    """Return the figures of a configuration by its unit's formulas and its calibration."""
    from consilico.hw.census import Batch
    from consilico.sim.estimate.operators.tables import read_calibration
    from consilico.sim.estimate.operators.unit_census import unit_census
    from consilico.sim.units.catalogue import find_unit

    unit = find_unit(row.unit)
    batch = Batch([unit.config(**row.config)])
    census = unit_census(unit, batch, read_calibration(KIT).costs["path_ns"])
    return _figures(row, census, unit.name)


def _figures(row: "MeasuredConfig", census: Any, name: str) -> dict[str, float]:
    from consilico.sim.estimate.operators.fit import predict
    from consilico.sim.estimate.operators.tables import metric_features, read_calibration

    costs = read_calibration(KIT).costs
    found = {}
    for metric in METRICS:
        features = metric_features(census, metric, row.operands, 1)
        found[metric] = float(predict(features, costs[metric], name)[0][0])
    return found


def rates() -> dict[str, float]:
    """Return by unit how many configurations the formulas estimate in a second of processor."""
    from consilico.sim.estimate.operators.calibrate import draw_configs
    from consilico.sim.estimate.operators.estimate import estimate_many
    from consilico.sim.units.catalogue import own_units

    found = {}
    for unit in own_units().values():
        seeds = (draw_configs(unit, 20, (seed, 4)) for seed in range(_SPEED // 20))
        configs = [config for drawn in seeds for config, _ in drawn]
        estimate_many(unit, configs[:1])  # imports and tables
        began = time.process_time()
        estimate_many(unit, configs)
        found[unit.name] = len(configs) / (time.process_time() - began)
    return found


def main() -> int:
    """Measure the operators and write the table of the study."""
    from consilico.sim.estimate.operators.tables import read_calibration

    table: dict[str, Any] = {
        "schema": "consilico.operators_study/1",
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}",
        "pdk": KIT,
        "calibrated": read_calibration(KIT).date,
        "configurations_per_s": rates(),
        "rows": [],
    }
    for row in rows():
        table["rows"].append(predicted(row))
        print(row.unit, f"{table['rows'][-1]['elaboration_cpu_s']:.1f} s", flush=True)
    STUDY.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
