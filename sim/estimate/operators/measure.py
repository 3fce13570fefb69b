"""Measure a configuration for the calibration: less than ``implement`` does, and quicker."""

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.measurements import MeasuredConfig
from consilico.sim.units.catalogue import find_unit, verilog

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.units.stimulus import Stimulus
    from consilico.sim.units.unit import Unit

__all__ = ["measure_config", "short_traffic"]

_OPERATIONS = 2048  # of traffic, about
_LEAST_BEATS = 256
_LEAST_RESULTS = 4  # that the netlist is checked with


def short_traffic(unit: "Unit", config: "Config", source: str) -> tuple["Stimulus", str]:
    """Return traffic of a source, or of a random one where the source does not fit.

    Returns:
        The traffic and its source.
    """
    beats = max(_LEAST_BEATS, _OPERATIONS // unit.operations_per_beat(config))
    while True:
        try:
            stimulus = unit.traffic(config, source, beats)
        except UserError:  # such as lanes that divide no layer of the model
            source = "normal" if "normal" in unit.measured_with else "uniform"
            stimulus = unit.traffic(config, source, beats)
        if stimulus.results >= _LEAST_RESULTS:
            return stimulus, source
        beats *= 2


def measure_config(
    name: str,
    settings: dict[str, Any],
    source: str,
    purpose: Literal["fit", "test"],
    kit: "Kit",
    clock_ns: float,
) -> MeasuredConfig:
    """Measure area, longest path, leakage and energy per beat of a unit's configuration.

    Args:
        name: Of the unit.
        settings: The configuration.
        source: Of the traffic.
        purpose: What it is measured for.
        kit: Process kit.
        clock_ns: Clock period to map for.

    Raises:
        CheckFailed: If the netlist's results are wrong.
    """
    import torch

    from consilico.sim.estimate.operators.operand_statistics import operand_statistics
    from consilico.sim.silicon.activity.gatesim import PERIOD_NS
    from consilico.sim.silicon.gate_level import gate_level_power
    from consilico.sim.silicon.synthesis.synthesize import synthesize
    from consilico.sim.units.stimulus import Kind

    torch.set_num_threads(1)
    unit = find_unit(name)
    config = unit.config(**settings)
    stimulus, source = short_traffic(unit, config, source)
    text, top = verilog(unit, config), unit.module_name
    netlist = synthesize(text, top, kit, clock_ns)
    replayed = gate_level_power(unit, config, kit, netlist.netlist, netlist.cells_by_type, stimulus)
    gates, power = replayed.gates, replayed.report.total
    beats = int((stimulus.kind == Kind.DATA).sum())
    dynamic_j = (power.internal_w + power.switching_w) * PERIOD_NS * 1e-9 * gates.cycles
    return MeasuredConfig(
        unit=name,
        config=settings,
        source=source,
        purpose=purpose,
        area_um2=netlist.area_um2,
        path_ns=netlist.path_ns,
        leakage_w=power.leakage_w,
        energy_beat_pj=dynamic_j / beats * 1e12,
        beats=beats,
        cycles=gates.cycles,
        results=gates.results,
        operations=stimulus.operations,
        operands=operand_statistics(unit, config, stimulus),
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
