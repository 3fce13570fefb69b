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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import as_done
from consilico.sim.estimate.operators.measurements import (
    FOLDER,
    KitMeasurements,
    MeasuredConfig,
    MeasuredDesign,
)

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.units.unit import Unit

__all__ = ["CalibrationItem", "draw_configs", "main", "measure_job"]

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
        for item in fields(unit.config):
            if "options" in item.metadata:
                options = [
                    option
                    for option in item.metadata["options"]
                    if type(option) is not int or option <= _LARGEST.get(item.name, option)
                ]
                values[item.name] = options[rng.integers(len(options))]
                continue
            low, high = item.metadata["range"]
            low = max(low, _LEAST.get(item.name, low))
            high = min(high, _LARGEST.get(item.name, high))
            values[item.name] = int(
                np.rint(np.exp(rng.uniform(np.log(low + 0.5), np.log(high + 0.5))))
            )
            if low == 0 and rng.integers(2):
                values[item.name] = item.default
            values[item.name] = min(high, max(low, values[item.name]))
        source = unit.measured_with[rng.integers(len(unit.measured_with))]
        try:
            config = unit.config(**values)
        except ValueError:
            continue
        if config not in drawn:
            drawn[config] = source
    return list(drawn.items())


@dataclass(frozen=True, kw_only=True)
class CalibrationItem:
    """A primitive, an ordinary design or a unit's configuration that is to be measured."""

    kind: Literal["primitive", "design", "config"]
    name: str  # of the primitive, the ordinary design or the unit
    config: dict[str, Any] = field(default_factory=dict)  # the unit's field values by name
    source: str = ""  # of the unit's traffic
    purpose: Literal["fit", "test"] = "fit"

    @property
    def key(self) -> str:
        """Text that no other job of a kit has."""
        return json.dumps([self.kind, self.name, self.config], sort_keys=True)


def _jobs(counts: Mapping[Literal["fit", "test"], int]) -> list[CalibrationItem]:
    """List everything to measure: primitives, designs, then configurations, units in turn."""
    from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS
    from consilico.sim.estimate.operators.primitives import PRIMITIVES
    from consilico.sim.units.catalogue import own_units

    jobs = [CalibrationItem(kind="primitive", name=item.name) for item in PRIMITIVES]
    jobs += [CalibrationItem(kind="design", name=item.name) for item in ORDINARY_DESIGNS]
    drawn: dict[str, list[CalibrationItem]] = {}
    for unit in own_units().values():
        seen: set[Any] = set()
        for purpose, count in counts.items():
            configs = draw_configs(unit, count + len(seen), _SEED[purpose])
            fresh = [(config, source) for config, source in configs if config not in seen][:count]
            seen |= {config for config, _ in fresh}
            drawn.setdefault(unit.name, []).extend(
                CalibrationItem(
                    kind="config",
                    name=unit.name,
                    config=config.to_json(),
                    source=source,
                    purpose=purpose,
                )
                for config, source in fresh
            )
    for turn in range(max(map(len, drawn.values()))):
        jobs += [items[turn] for items in drawn.values() if turn < len(items)]
    return jobs


def measure_job(
    job: CalibrationItem, kit_name: str, before: MeasuredDesign | MeasuredConfig | None
) -> MeasuredDesign | MeasuredConfig:
    """Return what a job measures; what was measured earlier, if it is of the same Verilog."""
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(kit_name)
    clock_ns = SLACK * kit.target_ns
    if job.kind != "config":
        from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS
        from consilico.sim.estimate.operators.primitives import PRIMITIVES, measure_primitive

        known = PRIMITIVES if job.kind == "primitive" else ORDINARY_DESIGNS
        (one,) = (item for item in known if item.name == job.name)
        if before and before.verilog_sha256 == sha256(one.verilog.encode()).hexdigest():
            return before
        return measure_primitive(one, kit, clock_ns)
    from consilico.sim.estimate.operators.measure import measure_config
    from consilico.sim.units.catalogue import find_unit, verilog

    unit = find_unit(job.name)
    text = verilog(unit, unit.config(**job.config))
    if before and before.verilog_sha256 == sha256(text.encode()).hexdigest():
        return before
    return measure_config(job.name, job.config, job.source, job.purpose, kit, clock_ns)


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
    table = KitMeasurements(
        pdk=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=SLACK * kit.target_ns,
        liberty_sha256=kit.sha256,
        tools={
            name: version
            for name, version in tool_versions(("yosys", "sta", "iverilog")).items()
            if version is not None
        },
        date=datetime.date.today().isoformat(),
    )
    jobs = _jobs({"fit": options.fit, "test": options.test})
    have = _kept(path, table)
    tasks = [(job, kit.name, have.get(job.key)) for job in jobs]
    for count, (index, result) in enumerate(
        as_done(_attempt, tasks, "calibration", options.jobs), start=1
    ):
        key = jobs[index].key
        before = have.pop(key, None)
        if isinstance(result, str):
            said = f"failed: {result}"
        else:
            have[key] = result
            said = "as before" if result == before else "measured"
        print(f"{count} of {len(jobs)}: {key}: {said}", file=sys.stderr, flush=True)
        if have.get(key) != before:
            table = _filled(table, [(job, have[job.key]) for job in jobs if job.key in have])
            write_atomic(path, json.dumps(table.to_json(), indent=1) + "\n")


def _filled(
    table: KitMeasurements, found: Sequence[tuple[CalibrationItem, MeasuredDesign | MeasuredConfig]]
) -> KitMeasurements:
    """Return a table with what was measured for each job."""
    designs = [(job.kind, row) for job, row in found if isinstance(row, MeasuredDesign)]
    return replace(
        table,
        primitives=tuple(row for kind, row in designs if kind == "primitive"),
        designs=tuple(row for kind, row in designs if kind == "design"),
        configs=tuple(row for _, row in found if isinstance(row, MeasuredConfig)),
    )


def _kept(path: Path, table: KitMeasurements) -> dict[str, MeasuredDesign | MeasuredConfig]:
    """Return by key of its job what was measured with the table's library, clock and tools."""
    if not path.exists():
        return {}
    before = KitMeasurements.from_json(json.loads(path.read_text()))
    if any(
        getattr(before, name) != getattr(table, name)
        for name in ("liberty_sha256", "clock_ns", "tools")
    ):
        return {}
    kept: dict[str, MeasuredDesign | MeasuredConfig] = {}
    for primitive in before.primitives:
        kept[CalibrationItem(kind="primitive", name=primitive.name).key] = primitive
    for design in before.designs:
        kept[CalibrationItem(kind="design", name=design.name).key] = design
    for row in before.configs:
        kept[CalibrationItem(kind="config", name=row.unit, config=row.config).key] = row
    return kept


def _attempt(
    task: tuple[CalibrationItem, str, MeasuredDesign | MeasuredConfig | None],
) -> MeasuredDesign | MeasuredConfig | str:
    """Return what :func:`measure_job` measured, or in one line why it could not."""
    try:
        return measure_job(*task)
    except (UserError, CheckFailed) as error:
        return str(error)


if __name__ == "__main__":
    main()
