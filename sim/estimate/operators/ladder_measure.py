"""Lay out a sample of a kit's calibration: what a layout costs next to its mapped cells.

``python -m consilico.sim.estimate.operators.ladder_measure KIT`` writes
``calibration/KIT.ladder.json`` after each configuration, so that a run goes on where it stopped. A
configuration of a thousand cells takes about a minute.
"""

import argparse
import datetime
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from consilico.sim.base.errors import CheckFailed, ToolError, UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import as_done
from consilico.sim.estimate.nodes.measure import random_source, units_to_measure
from consilico.sim.estimate.operators.calibration_state import other_verilog
from consilico.sim.estimate.operators.estimate import estimate
from consilico.sim.estimate.operators.ladder_table import (
    KitLadder,
    MeasuredLadder,
    MeasuredRung,
    ladder_path,
)
from consilico.sim.estimate.operators.measurements import MeasuredConfig, read_measurements

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.silicon.ladder import Climbed

__all__ = ["LayoutItem", "lay_out_item", "main", "sample"]

_PURPOSES: tuple[Literal["fit", "test"], ...] = ("fit", "test")


@dataclass(frozen=True, kw_only=True)
class LayoutItem:
    """A configuration that is to be laid out."""

    unit: str
    config: dict[str, Any]  # field values by name
    source: str  # of its traffic
    purpose: Literal["fit", "test", "default"]

    @property
    def key(self) -> tuple[str, str, str]:
        """Key that no other item of a kit has."""
        return self.unit, json.dumps(self.config, sort_keys=True), self.purpose


def sample(configs: Sequence[MeasuredConfig]) -> list[LayoutItem]:
    """Return which configurations are laid out, in this order.

    Of each unit the smallest that costs of cells were fitted to, the smallest that they are judged
    by, and the default one, which is larger: a layout takes long, and what grows with size has to
    show. Those that factors cannot do without come first, the smallest before the others.

    Args:
        configs: What a kit's costs of cells were fitted to and judged by.
    """
    found: list[tuple[bool, float, LayoutItem]] = []
    for purpose in _PURPOSES:
        smallest: dict[str, MeasuredConfig] = {}
        for row in configs:
            if row.purpose == purpose:
                before = smallest.get(row.unit, row)
                smallest[row.unit] = min(before, row, key=lambda each: each.area_um2)
        for row in smallest.values():
            item = LayoutItem(unit=row.unit, config=row.config, source=row.source, purpose=purpose)
            found.append((purpose != "fit", row.area_um2, item))
    for unit in units_to_measure():
        config = unit.config()
        item = LayoutItem(
            unit=unit.name,
            config=config.to_json(),
            source=random_source(unit),
            purpose="default",
        )
        found.append((True, estimate(unit, config, rung="cells").area_um2.value, item))
    return [item for *_, item in sorted(found, key=lambda each: each[:2])]


def lay_out_item(item: LayoutItem, kit: "Kit", clock_ns: float) -> MeasuredLadder:
    """Measure the first and the last rung of a configuration under its traffic.

    Args:
        item: The configuration.
        kit: Process kit, which knows its wires.
        clock_ns: Clock period to map, place and close for.

    Raises:
        UserError: If the kit does not say what a layout needs.
        CheckFailed: If the results of a netlist are wrong.
    """
    import torch

    from consilico.sim.base.processes import work_folder
    from consilico.sim.base.progress import silent
    from consilico.sim.estimate.operators.measure import short_traffic
    from consilico.sim.estimate.operators.operand_statistics import operand_statistics
    from consilico.sim.silicon.circuit import unit_circuit
    from consilico.sim.silicon.flow import Flow
    from consilico.sim.silicon.gate_level import traffic
    from consilico.sim.silicon.ladder import LadderJob, climb, stages
    from consilico.sim.silicon.layout.layout import check_layout
    from consilico.sim.silicon.synthesis.synthesize import synthesize
    from consilico.sim.units.stimulus import Kind

    torch.set_num_threads(1)
    check_layout(kit)
    (unit,) = (each for each in units_to_measure() if each.name == item.unit)
    config = unit.config(**item.config)
    if item.purpose == "default":
        stimulus, source = traffic(unit, config, item.source), item.source
    else:
        stimulus, source = short_traffic(unit, config, item.source)
    circuit = unit_circuit(unit, config)
    beats = int((stimulus.kind == Kind.DATA).sum())
    mapped = synthesize(circuit.text, circuit.top, kit, clock_ns)
    with work_folder("ladder") as folder:
        job = LadderJob(
            circuit=circuit, config=config, kit=kit, clock_ns=clock_ns, stimulus=stimulus,
            flow=Flow(rung="layout"), folder=folder, begin=lambda step: silent(step, 0, 0),
        )  # fmt: skip
        climbed = [
            climb(job, stage, None)
            for stage in stages(job, mapped)
            if stage.rung in ("cells", "layout")
        ]
    return MeasuredLadder(
        unit=item.unit,
        config=item.config,
        source=source,
        purpose=item.purpose,
        cells=mapped.cells,
        beats=beats,
        cycles=climbed[-1].replayed.gates.cycles,
        results=climbed[-1].replayed.gates.results,
        operations=stimulus.operations,
        operands=operand_statistics(unit, config, stimulus),
        rungs=tuple(_rung(each, beats) for each in climbed),
        verilog_sha256=hashlib.sha256(circuit.text.encode()).hexdigest(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _rung(climbed: "Climbed", beats: int) -> MeasuredRung:
    power, gates = climbed.replayed.report.total, climbed.replayed.gates
    dynamic_j = (power.internal_w + power.switching_w) * gates.period_ns * 1e-9 * gates.cycles
    facts = climbed.facts
    return MeasuredRung(
        rung=facts.rung,
        area_um2=facts.area_um2,
        core_um2=facts.core_um2,
        path_ns=facts.path_ns,
        energy_beat_pj=dynamic_j / beats * 1e12,
        leakage_w=power.leakage_w,
    )


def main() -> None:
    """Lay out what a kit's table lacks."""
    parser = argparse.ArgumentParser(description="Measure layouts for the analytical model.")
    parser.add_argument("kit")
    parser.add_argument("--jobs", type=int, help="layouts at a time")
    parser.add_argument("--count", type=int, help="of the sample, from its start")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit, has_wires

    kit = find_kit(options.kit)
    if not has_wires(kit.name):
        print(f"{kit.name} has no wires: nothing is laid out in it", file=sys.stderr)
        return
    path = options.table or ladder_path(kit.name)
    table = KitLadder(
        pdk=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=read_measurements(kit.name).clock_ns,
        liberty_sha256=kit.sha256,
        layout_sha256=kit.layout_sha256,
        tools={
            name: version
            for name, version in tool_versions(("yosys", "sta", "iverilog")).items()
            if version is not None
        },
    )
    wanted = sample(read_measurements(kit.name).configs)[: options.count]
    have = _kept(path, table)
    missing = [item for item in wanted if item.key not in have]
    print(f"{len(wanted) - len(missing)} of {len(wanted)}: as before", file=sys.stderr, flush=True)
    tasks = [(item, kit, table.clock_ns) for item in missing]
    for index, result in as_done(_attempt, tasks, "layouts", options.jobs):
        item = missing[index]
        if isinstance(result, str):
            print(f"{item.key}: failed: {result}", file=sys.stderr, flush=True)
            continue
        have[item.key] = result
        rows = tuple(have[item.key] for item in wanted if item.key in have)
        write_atomic(path, json.dumps(replace(table, rows=rows).to_json(), indent=1) + "\n")
        print(f"{len(rows)} of {len(wanted)}: {item.key}", file=sys.stderr, flush=True)


def _kept(path: Path, table: KitLadder) -> dict[tuple[str, str, str], MeasuredLadder]:
    """Return what was measured before with the table's library, geometry, clock and tools.

    Rows of Verilog that a generator does not write any more are left out.
    """
    if not path.exists():
        return {}
    before = KitLadder.from_json(json.loads(path.read_text()))
    if replace(before, rows=()) != table:
        return {}
    units = {unit.name: unit for unit in units_to_measure()}
    stale = other_verilog(before.rows, units)
    return {
        LayoutItem(
            unit=row.unit, config=row.config, source=row.source, purpose=row.purpose
        ).key: row
        for row in before.rows
        if row not in stale
    }


def _attempt(task: tuple[LayoutItem, "Kit", float]) -> MeasuredLadder | str:
    """Return what was measured, or in one line why it could not be."""
    try:
        return lay_out_item(*task)
    except (UserError, CheckFailed, ToolError) as error:
        return str(error)


if __name__ == "__main__":
    main()
