"""Prove what anyone's design promises once it serves a unit's streams."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilico.golden.config import Config
from consilico.sim.base.progress import Progress
from consilico.sim.rtlsim.foreign.design import Design
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.mapping import Mapping as PortMap
from consilico.sim.rtlsim.foreign.sources import check_tasks
from consilico.sim.rtlsim.proofs.prove import Proofs, prove_verilog
from consilico.sim.units.contract import Contract
from consilico.sim.units.unit import Unit

__all__ = ["prove_design"]


def prove_design(
    design: Design,
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
    fitted = fit(design, port_map, unit, config)

    def outside(config: Any) -> Contract:
        promised = Contract() if unit.contract is None else unit.contract(config)
        return replace(promised, masked_clocks={}, accumulators=())

    mapped = replace(fitted.unit, contract=None if unit.contract is None else outside)
    text = fitted.wrapped(design.synthesized())
    return prove_verilog(mapped, config, text, limit_s, progress, only, failures)
