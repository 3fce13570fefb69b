"""Plan that a simulation is given about the design that it was started for."""

import json
import os
from pathlib import Path
from typing import Any

from consilico.golden.config import Config
from consilico.sim.units.catalogue import find_unit
from consilico.sim.units.unit import Unit

__all__ = ["PLAN", "unit_under_test", "write_plan"]

PLAN = "CONSILICO_TEST"  # environment variable: JSON file that names unit and configuration


def write_plan(path: Path, unit: Unit | None, config: Config | None) -> None:
    """Write the file that :func:`unit_under_test` reads in the simulation."""
    plan: dict[str, Any] = {}
    if unit is not None and config is not None:
        plan = {"unit": unit.name, "config": config.to_json()}
    path.write_text(json.dumps(plan))


def unit_under_test() -> tuple[Unit, Config]:
    """Return the unit and the configuration that this simulation was started for.

    Raises:
        RuntimeError: If it was not started with a unit.
    """
    plan = json.loads(Path(os.environ[PLAN]).read_text()) if PLAN in os.environ else {}
    if not plan:
        raise RuntimeError(
            "no unit is known here: name one, --unit of consilico test or unit= in pytest"
        )
    unit = find_unit(plan["unit"])
    return unit, unit.config(**plan["config"])
