"""Prove what anyone's design promises once it serves a unit's streams."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.progress import Progress
from consilico.sim.rtlsim.foreign.design import ForeignDesign
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.mapping import Mapping as PortMap
from consilico.sim.rtlsim.foreign.sources import check_tasks
from consilico.sim.rtlsim.foreign.wrapper import CONFIG_WORDS
from consilico.sim.rtlsim.proofs.prove import Proofs, prove_verilog
from consilico.sim.units.contract import Contract
from consilico.sim.units.unit import Unit

__all__ = ["prove_design"]


def prove_design(
    design: ForeignDesign,
    port_map: PortMap | None,
    unit: Unit,
    config: Config,
    limit_s: int,
    progress: Progress | None = None,
    *,
    only: Collection[str] = (),
    failures: Path | None = None,
    trust: bool = False,
) -> Proofs:
    """Prove what a design and its wrapper promise about a unit's streams.

    What the unit's contract says of nets inside (accumulators, clocks of masked lanes) is left out:
    they are the unit's own.

    Args:
        design: The design.
        port_map: How its ports serve the unit's streams; None where they are those streams.
        unit: The unit that it shall be.
        config: The unit's configuration.
        limit_s: Processor seconds per property.
        progress: Called after each property with a label, properties done and properties in all.
        only: Names of the properties to decide; all if none is given.
        failures: Folder for the traces of what fails; the cache if not given.
        trust: Whether the text may call what reaches files and programs.

    Raises:
        UserError: If a tool is missing, the mapping does not fit the design or the unit, or the
            text is not trusted and calls what reaches files or programs.
        ToolError: If a tool fails, or the design has cells that are not known here.
    """
    if not trust:
        check_tasks(design.sources.text, design.source)
    if port_map is not None and port_map.clocks:
        raise UserError(
            f"{port_map.source}: clocks: `consilico prove` takes designs with one clock, whose"
            " cycles a proof counts; accepted with several: `consilico verify`, `consilico mutate`"
        )
    fitted = fit(design, port_map, unit, config)

    def outside(config: Any) -> Contract:
        promised = fitted.unit.contract(config) if fitted.unit.contract else Contract()
        inside = replace(promised, masked_clocks={}, accumulators=())
        if port_map is None:
            return inside
        longest = _longest_wait_cycles(port_map) + max(
            fitted.unit.latency(config), promised.wait_cycles or 0, promised.late_cycles or 0
        )
        return replace(inside, wait_cycles=longest, late_cycles=longest)

    mapped = replace(fitted.unit, contract=None if unit.contract is None else outside)
    text = fitted.wrapped(design.synthesized())
    return prove_verilog(
        mapped, config, text, limit_s, progress, only, failures,
        powered=port_map is not None,  # counters of the wrapper begin with 0
    )  # fmt: skip


def _longest_wait_cycles(port_map: PortMap) -> int:
    """Return the cycles for which a wrapper may keep a beat: until configurations are written.

    Each of them waits until the design is empty; a reset may hold all of it up once.
    """
    config, latency = port_map.config, port_map.output.latency_cycles
    reset = port_map.reset
    held = max(latency, reset.cycles + reset.settle_cycles if reset else 0)
    steps = 0 if config is None else max(1, len(config.writes)) + config.settle_cycles
    return held + CONFIG_WORDS * (steps + latency + 1) + 4
