"""Anyone's design as a unit: a wrapper with the unit's streams, and what the unit promises then."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.foreign.design import ForeignDesign
from consilico.sim.rtlsim.foreign.mapping import Mapping
from consilico.sim.rtlsim.foreign.own_model import with_golden
from consilico.sim.rtlsim.foreign.wrapper import INSTANCE, further_clocks, wrapper
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.contract import Contract
from consilico.sim.units.unit import Unit

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A design that serves a unit's streams."""

    unit: Unit  # with the design's latency and fields
    top: str  # the design's top module, in its own text
    around: str = ""  # Verilog of the module with the streams; empty where the design has them
    clocks: str = ""  # Verilog of a module in it that drives further clocks; empty if none
    left_out: tuple[Exemption, ...] = ()

    @property
    def instance(self) -> str:
        """Return the path of the design below the module with the streams; empty if it is that."""
        return INSTANCE if self.around else ""

    def renamed(self, text: str) -> str:
        """Return Verilog of the design, or a netlist of it, under its name inside the wrapper."""
        inner = _inner(self.unit, self.top) if self.around else self.top
        return re.sub(rf"\bmodule\s+{self.top}\b", f"module {inner}", text)

    def wrapped(self, text: str) -> str:
        """Return Verilog of the design, or a netlist of it, as a module with the streams."""
        return f"{self.renamed(text)}\n{self.around}{self.clocks}"


def fit(design: ForeignDesign, port_map: Mapping | None, unit: Unit, config: Config) -> Fitted:
    """Return a design as a unit.

    Args:
        design: The design.
        port_map: How its ports serve the unit's streams; None where they are those streams.
        unit: The unit that it shall be.
        config: The unit's configuration.

    Raises:
        UserError: If the mapping does not fit the design or the unit, or one is missing.
    """
    if port_map is None:
        if design.top != unit.module_name:
            raise UserError(
                f"{design.top} has not the ports of {unit.name}: name a mapping with --map;"
                " `consilico map` proposes one (accepted without one: a module"
                f" {unit.module_name} with the unit's streams)"
            )
        return Fitted(unit=unit, top=design.top)
    inner = _inner(unit, design.top)
    around = wrapper(unit.module_name, inner, design.form(), port_map, unit.layouts(config))
    latency, ignored = port_map.output.latency_cycles, port_map.output.ignore
    mapped = replace(
        unit, latency=lambda config: latency, contract=unit.contract and _mapped_contract(unit)
    )
    why = f"{port_map.source} ignores it: {design.top} does not have it"
    left_out = [Exemption(point=f"o/{name}", why=why) for name in ignored]
    if port_map.config is not None:
        still = " and none are in flight in it" if port_map.config.drain else ""
        why = f"{design.top} is configured only while no data are offered to it{still}"
        left_out.append(Exemption(point="configuration and data in one cycle", why=why))
    return Fitted(
        unit=_without(mapped, ignored) if ignored else mapped,
        top=design.top,
        around=around,
        clocks=further_clocks(unit.module_name, port_map),
        left_out=tuple(left_out),
    )


def _inner(unit: Unit, top: str) -> str:
    """Return the name that the design's top module has inside the wrapper."""
    return f"{top}_design" if top == unit.module_name else top


def _mapped_contract(unit: Unit) -> Callable[[Any], Contract]:
    """Return the contract of a unit whose streams are a wrapper's: ready if that has room."""

    def mapped(config: Any) -> Contract:
        assert unit.contract is not None
        return replace(unit.contract(config), ready={})

    return mapped


def _without(unit: Unit, ignored: Collection[str]) -> Unit:
    """Return a unit whose results hold 0 in some fields, for a design that does not have them."""

    def partly(config: Any, accepted: Accepted) -> GoldenResults:
        results = unit.golden(config, accepted)
        beats = {
            name: np.zeros_like(values) if name in ignored else values
            for name, values in results.beats.items()
        }
        return replace(results, beats=beats)

    return with_golden(unit, partly)
