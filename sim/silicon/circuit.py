"""Circuit that is implemented: a unit that its generator writes, or anyone's design that is one."""

from collections.abc import Callable
from dataclasses import dataclass

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.rtlsim.foreign.design import ForeignDesign
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds
from consilico.sim.rtlsim.foreign.mapping import Mapping
from consilico.sim.silicon.activity.gatesim import SCOPE
from consilico.sim.silicon.synthesis.hierarchy import MarkedDesign, marked_rtl, marked_unit
from consilico.sim.silicon.synthesis.outside_memories import (
    OutsideMemory,
    has_memories,
    logic_alone,
)
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.unit import Unit

__all__ = ["Circuit", "design_circuit", "unit_circuit"]


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A circuit that is synthesized, and how it is driven through a unit's streams."""

    unit: Unit  # whose streams and results it has
    text: str  # its Verilog
    top: str
    clock: str = "clk"  # port
    marked: Callable[[], MarkedDesign]  # the same, for areas by module
    # what areas by module depend on besides the Verilog: how a generator is written
    code: str = ""
    wrapped: Callable[[str], str] = _as_it_is  # its netlist -> a module with the streams
    scope: str = SCOPE  # of the circuit in the testbench
    rtl: str | None = None  # names of its files, where it is anyone's
    front_ends: FrontEnds | None = None  # whether a simulator understands them likewise
    whole: str | None = None  # the unit's Verilog, where memories of it stand outside
    memories: tuple[OutsideMemory, ...] = ()  # these


def unit_circuit(unit: Unit, config: Config) -> Circuit:
    """Return what a unit's generator writes, without memories of a memory compiler."""
    text = verilog(unit, config)
    if has_memories(text):
        logic = logic_alone(text, unit.module_name)
        return Circuit(
            unit=unit,
            text=logic.text,
            top=logic.top,
            marked=lambda: marked_rtl(logic.text),
            wrapped=lambda netlist: logic.with_memories(netlist, unit.module_name),
            scope=f"{SCOPE}/core",
            whole=text,
            memories=logic.memories,
        )
    return Circuit(
        unit=unit,
        text=text,
        top=unit.module_name,
        marked=lambda: marked_unit(unit, config),
        code=code_digest(unit.generator_module(config)),
    )


def design_circuit(
    design: ForeignDesign, port_map: Mapping | None, unit: Unit, config: Config
) -> Circuit:
    """Return anyone's design, to be driven as a unit.

    Args:
        design: The design.
        port_map: How its ports serve the unit's streams; None where they are those streams.
        unit: The unit that it is.
        config: The unit's configuration.

    Raises:
        UserError: If the mapping does not fit the design or the unit, or one is missing.
    """
    fitted = fit(design, port_map, unit, config)
    text = design.synthesized()
    return Circuit(
        unit=fitted.unit,
        text=text,
        top=design.top,
        clock=design.clock("clk" if port_map is None else port_map.clock),
        marked=lambda: marked_rtl(text),
        wrapped=fitted.wrapped,
        scope=f"{SCOPE}/{fitted.instance}" if fitted.instance else SCOPE,
        rtl=design.source,
        front_ends=design.front_ends(),
    )
