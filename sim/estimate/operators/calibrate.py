"""Measure what the analytical model is fitted to.

``python -m consilico.sim.estimate.operators.calibrate KIT`` writes the table of a kit.

Primitives, ordinary designs and drawn configurations are synthesized, simulated and measured in
one kit; what was measured is written to ``calibration/KIT.json`` after each, so that a run goes on
where it stopped. What stands there is kept where library, clock, tools and Verilog are the same.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import as_done

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.units.unit import Unit

__all__ = ["FOLDER", "draw_configs", "main", "measure_job"]

FOLDER = Path(__file__).parent / "calibration"
SLACK = 8  # clock, in target delays of the kit: so slow that every netlist is mapped for area
_SEED = {"fit": (2026, 1), "test": (2026, 2)}
_COUNTS = {"fit": 6, "test": 5}  # configurations of each unit
_LARGEST = {  # of what is drawn, so that synthesis and gate-level simulation take seconds
    "lanes": 24,
    "rows": 6,
    "columns": 6,
    "block": 32,
    "extent": 1 << 16,
    "depth": 1 << 16,
    "group": 1024,
}
_LEAST = {"extent": 64}  # the traffic's jobs are as large


def draw_configs(unit: "Unit", count: int, seed: Sequence[int]) -> list[tuple["Config", str]]:
    """Draw configurations of a unit, all different, with a source of traffic each.

    Integers are drawn from a logarithmic scale of their accepted range, up to a largest value that
    keeps measuring quick; choices uniformly. What the configuration refuses is drawn again.

    Args:
        unit: The unit.
        count: Configurations wanted.
        seed: Of the draw.
    """
    rng = np.random.default_rng([*seed, *unit.name.encode()])
    drawn: dict[Any, str] = {}
    while len(drawn) < count:
        values: dict[str, Any] = {}
        for field in fields(unit.config):
            if "options" in field.metadata:
                options = [
                    option
                    for option in field.metadata["options"]
                    if type(option) is not int or option <= _LARGEST.get(field.name, option)
                ]
                values[field.name] = options[rng.integers(len(options))]
                continue
            low, high = field.metadata["range"]
            low = max(low, _LEAST.get(field.name, low))
            high = min(high, _LARGEST.get(field.name, high))
            values[field.name] = int(
                np.rint(np.exp(rng.uniform(np.log(low + 0.5), np.log(high + 0.5))))
            )
            if low == 0 and rng.integers(2):
                values[field.name] = field.default
            values[field.name] = min(high, max(low, values[field.name]))
        source = unit.measured_with[rng.integers(len(unit.measured_with))]
        try:
            config = unit.config(**values)
        except ValueError:
            continue
        if config not in drawn:
            drawn[config] = source
    return list(drawn.items())


def _jobs(counts: dict[str, int]) -> list[dict[str, Any]]:
    """List everything to measure: primitives, designs, then configurations, units in turn."""
    from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS
    from consilico.sim.estimate.operators.primitives import PRIMITIVES
    from consilico.sim.units.catalogue import own_units

    jobs: list[dict[str, Any]] = [{"primitive": item.name} for item in PRIMITIVES]
    jobs += [{"design": item.name} for item in ORDINARY_DESIGNS]
    drawn: dict[str, list[dict[str, Any]]] = {}
    for unit in own_units().values():
        seen: set[Any] = set()
        for purpose, count in counts.items():
            configs = draw_configs(unit, count + len(seen), _SEED[purpose])
            fresh = [(config, source) for config, source in configs if config not in seen][:count]
            seen |= {config for config, _ in fresh}
            drawn.setdefault(unit.name, []).extend(
                {"unit": unit.name, "config": config.to_json(), "source": source, "for": purpose}
                for config, source in fresh
            )
    for turn in range(max(map(len, drawn.values()))):
        jobs += [items[turn] for items in drawn.values() if turn < len(items)]
    return jobs


def measure_job(
    job: dict[str, Any], kit_name: str, before: dict[str, Any] | None
) -> dict[str, Any]:
    """Return a job with its measurements; earlier ones are kept if they are of the same Verilog."""
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(kit_name)
    clock_ns = SLACK * kit.target_ns
    if "unit" not in job:
        from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS
        from consilico.sim.estimate.operators.primitives import PRIMITIVES, measure_primitive

        known = PRIMITIVES if "primitive" in job else ORDINARY_DESIGNS
        (one,) = (item for item in known if item.name in job.values())
        if before and before.get("verilog_sha256") == sha256(one.verilog.encode()).hexdigest():
            return before
        return job | measure_primitive(one, kit, clock_ns)
    from consilico.sim.estimate.operators.measure import measure_config
    from consilico.sim.units.catalogue import find_unit, verilog

    unit = find_unit(job["unit"])
    text = verilog(unit, unit.config(**job["config"]))
    if before and before["verilog_sha256"] == sha256(text.encode()).hexdigest():
        return before
    return job | measure_config(job["unit"], job["config"], job["source"], kit, clock_ns)


def _key(row: dict[str, Any]) -> str:
    """Return the text that identifies what a row measured."""
    if "unit" not in row:
        return str(row.get("primitive") or row["design"])
    return json.dumps([row["unit"], row["config"]], sort_keys=True)


def main() -> None:
    """Measure what a kit's table lacks."""
    parser = argparse.ArgumentParser(description="Measure the calibration of the analytical model.")
    parser.add_argument("kit")
    parser.add_argument("--jobs", type=int, help="measurements at a time")
    parser.add_argument("--fit", type=int, default=_COUNTS["fit"])
    parser.add_argument("--test", type=int, default=_COUNTS["test"])
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(options.kit)
    path = options.table or FOLDER / f"{kit.name}.json"
    table: dict[str, Any] = {
        "pdk": kit.name,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "clock_ns": SLACK * kit.target_ns,
        "liberty_sha256": kit.sha256,
        "tools": tool_versions(("yosys", "sta", "iverilog")),
        "rows": [],
    }
    if path.exists():
        before = json.loads(path.read_text())
        if all(before[name] == table[name] for name in ("liberty_sha256", "clock_ns", "tools")):
            table["rows"] = before["rows"]
    wanted = _jobs({"fit": options.fit, "test": options.test})
    order = [_key(job) for job in wanted]
    have = {_key(row): row for row in table["rows"] if _key(row) in order}
    tasks = [(job, kit.name, have.get(key)) for job, key in zip(wanted, order, strict=True)]
    results = as_done(_attempt, tasks, "calibration", options.jobs)
    for count, (index, result) in enumerate(results, start=1):
        key = order[index]
        before = have.pop(key, None)
        if isinstance(result, str):
            said = f"failed: {result}"
        else:
            have[key] = result
            said = "as before" if result == before else "measured"
        print(f"{count} of {len(wanted)}: {key}: {said}", file=sys.stderr, flush=True)
        if have.get(key) != before:
            table["rows"] = [have[name] for name in order if name in have]
            table["date"] = datetime.date.today().isoformat()
            write_atomic(path, json.dumps(table, indent=1) + "\n")


def _attempt(task: tuple[dict[str, Any], str, dict[str, Any] | None]) -> dict[str, Any] | str:
    """Return what :func:`measure_job` measured, or in one line why it could not."""
    try:
        return measure_job(*task)
    except (UserError, CheckFailed) as error:
        return str(error)


if __name__ == "__main__":
    main()
