"""Study of how much an energy with glitches depends on how delays are simulated.

``python -m consilico.sim.silicon.glitch_study [PART...]`` measures placed netlists of units under
their own traffic, with an ideal clock, and writes ``glitch_study.json``: without delays, with one
delay per output (the mean of its arcs), with every arc, and with every arc shortened. Only cases
whose name contains one of the parts are measured anew.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.base.processes import work_folder
from consilico.sim.silicon.activity.gatesim import DelayedNetlist, bench_timing
from consilico.sim.silicon.circuit import unit_circuit
from consilico.sim.silicon.gate_level import Delays, GateLevelPower, gate_level_power, traffic
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.layout.layout import lay_out
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.liberty.cellmodels import CellDelays, Variant
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import Netlist
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.silicon.timing.delays import write_sdf
from consilico.sim.silicon.timing.opensta import longest_path
from consilico.sim.units.catalogue import configure, find_unit

__all__ = [
    "CASES", "SHORTER", "GlitchCase", "GlitchTable", "glitch_table", "main", "measure_case",
]  # fmt: skip

SHORTER = 0.7  # of all delays, for the sensitivity
_TABLE = Path(__file__).with_suffix(".json")
CASES = (  # name, unit, settings, kit, clock in ns
    ("consmax/log2", "consmax/log2", (), "nangate45", 4.0),
    ("consmax/split", "consmax/split", (), "nangate45", 4.0),
    ("matmul/dot, 16 lanes", "matmul/dot", ("lanes=16",), "nangate45", 2.0),
)


@dataclass(frozen=True, kw_only=True)
class GlitchCase(Facts):
    """Energies of one netlist per operation, in pJ, on the same traffic."""

    case: str
    unit: str
    config: dict[str, Any]  # of the unit, by field
    verilog_sha256: str  # of what was measured
    kit: str
    clock_ns: float
    cells: int
    without_delays_pj: float
    mean_arcs_pj: float  # every output has the mean of its arcs
    all_arcs_pj: float
    shorter_pj: float  # all arcs, each SHORTER times as long
    sampling_error: float | None  # of the third


@dataclass(frozen=True, kw_only=True)
class GlitchTable(Facts):
    """Dependence of energies on the delays that they are simulated with, in every case."""

    date: str  # ISO 8601
    cases: tuple[GlitchCase, ...]


def glitch_table() -> GlitchTable:
    """Return the checked-in table of energies with and without delays."""
    return GlitchTable.from_json(json.loads(_TABLE.read_text()))


@dataclass(frozen=True, kw_only=True)
class _Changed(Delays):
    """Delays that were changed before they are simulated."""

    mean: bool = False
    scale: float = 1.0

    def of(self, netlist: Netlist, cells: Mapping[str, Cell], clock: str) -> DelayedNetlist:
        found = super().of(netlist, cells, clock)
        return replace(
            found,
            variants={
                name: Variant(cell=variant.cell, delays=self._changed(variant.delays))
                for name, variant in found.variants.items()
            },
        )

    def _changed(self, delays: CellDelays) -> CellDelays:
        return replace(
            delays,
            arcs=tuple(
                arc._replace(
                    rise_ps=None if arc.rise_ps is None else round(arc.rise_ps * self.scale),
                    fall_ps=None if arc.fall_ps is None else round(arc.fall_ps * self.scale),
                    condition=None if self.mean else arc.condition,
                )
                for arc in delays.arcs
            ),
        )


def measure_case(
    name: str, unit_name: str, settings: Sequence[str], pdk: str, clock_ns: float
) -> GlitchCase:
    """Measure one case.

    Args:
        name: What the table calls it.
        unit_name: The unit.
        settings: Of its configuration, as ``lanes=16``.
        pdk: Process kit.
        clock_ns: Clock period.
    """
    unit, kit = find_unit(unit_name), find_kit(pdk)
    config = configure(unit, list(settings))
    circuit = unit_circuit(unit, config)
    mapped = synthesize(circuit.text, circuit.top, kit, clock_ns, circuit.clock)
    layout = lay_out(mapped.netlist, circuit.top, kit, circuit.clock, PlacementOptions())
    stimulus = traffic(unit, config, unit.default_source)

    def energy_pj(found: GateLevelPower) -> float:
        power = found.report.total.at_speed(found.gates.period_ns / clock_ns)
        return power.total_w * clock_ns * 1e3 * found.gates.cycles / stimulus.operations

    with work_folder("glitches") as folder:
        netlist, spef = layout.write(folder)
        sdf = folder / "delays.sdf"
        write_sdf(netlist, circuit.top, kit, circuit.clock, clock_ns, sdf, spef=spef)
        path = longest_path(netlist, circuit.top, kit, circuit.clock, clock_ns, spef)
        timing = bench_timing(clock_ns, path.path_ns)

        def run(delays: Delays | None) -> GateLevelPower:
            return gate_level_power(
                unit, config, kit, netlist, mapped.cells_by_type, stimulus,
                wires_f=layout.wire_capacitances_f(), delays=delays,
            )  # fmt: skip

        every = run(Delays(sdf=sdf, timing=timing, propagated=False))
        return GlitchCase(
            case=name,
            unit=unit.name,
            config=config.to_json(),
            verilog_sha256=hashlib.sha256(circuit.text.encode()).hexdigest(),
            kit=kit.name,
            clock_ns=clock_ns,
            cells=mapped.cells,
            without_delays_pj=energy_pj(run(None)),
            mean_arcs_pj=energy_pj(
                run(_Changed(sdf=sdf, timing=timing, propagated=False, mean=True))
            ),
            all_arcs_pj=energy_pj(every),
            shorter_pj=energy_pj(
                run(_Changed(sdf=sdf, timing=timing, propagated=False, scale=SHORTER))
            ),
            sampling_error=every.sampling_error,
        )


def main(parts: Sequence[str]) -> int:
    """Measure cases and write the table."""
    known = {case.case: case for case in glitch_table().cases} if _TABLE.exists() else {}
    for case in CASES:
        name = case[0]
        if not parts or any(part in name for part in parts):
            known[name] = measure_case(*case)
            print(known[name], flush=True)
            table = GlitchTable(
                date=datetime.now(UTC).date().isoformat(),
                cases=tuple(known[each[0]] for each in CASES if each[0] in known),
            )
            write_atomic(_TABLE, json.dumps(table.to_json(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
