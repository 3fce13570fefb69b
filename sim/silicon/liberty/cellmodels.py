"""Functional Verilog models of cells, from what their Liberty says.

Zero delay and free of races: flip-flops assign nonblocking, clocks pass through continuous
assignments, which settle before any flip-flop's output moves.
"""

from collections.abc import Iterable, Mapping

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.boolean import verilog_expression
from consilico.sim.silicon.liberty.library import Cell, Sequential

__all__ = ["cell_model", "cell_models"]


def cell_models(
    cells: Mapping[str, Cell], names: Iterable[str], power_up: str | None = None
) -> str:
    """Return the Verilog of the models of some cells.

    Args:
        cells: Cells of the library by name.
        names: Names of the cells that are wanted.
        power_up: Verilog expression of what a flip-flop or latch holds at the start. Without one
            it is unknown (x).

    Raises:
        UserError: If a cell is unknown, or its Liberty does not say what it does.
    """
    models = []
    for name in sorted(set(names)):
        if name not in cells:
            raise UserError(f"the library has no cell {name}")
        models.append(cell_model(cells[name], power_up))
    return "\n".join(models)


def cell_model(cell: Cell, power_up: str | None = None) -> str:
    """Return the Verilog of one cell's model, as in :func:`cell_models`.

    Raises:
        UserError: If an output has no function, or the cell has a state table that is not a clock
            gate's, or a latch without an enable.
    """
    ports = [pin for pin in cell.pins.values() if pin.direction in ("input", "output")]
    names = ", ".join(f"\\{pin.name} " for pin in ports)
    lines = [f"module \\{cell.name} ({names});"]
    lines += [f"  {pin.direction} \\{pin.name} ;" for pin in ports]
    if cell.clock_gate:
        lines += _clock_gate(cell)
    else:
        for state in cell.sequential:
            lines += _state(cell, state, power_up)
        for pin in ports:
            if pin.direction == "output":
                if pin.function is None:
                    raise UserError(f"cell {cell.name}: output {pin.name} has no function")
                lines.append(f"  assign \\{pin.name} = {verilog_expression(pin.function)};")
    return "\n".join([*lines, "endmodule", ""])


def _state(cell: Cell, state: Sequential, power_up: str | None) -> list[str]:
    """Return the lines of a flip-flop or a latch: the register, and its complement."""
    if state.kind == "statetable" or state.width != 1:
        raise UserError(f"cell {cell.name}: no model of a {state.kind} of {state.width} bits")
    name = f"\\{state.states[0]} "
    lines = [f"  reg {name};"]
    if power_up is not None:
        lines.append(f"  initial {name}= {power_up};")
    if len(state.states) > 1:
        lines.append(f"  wire \\{state.states[1]} = ~{name};")
    forced = [
        (f"forced_{value}", verilog_expression(expression), value)
        for expression, value in ((state.clear, 0), (state.preset, 1))
        if expression is not None
    ]
    lines += [f"  wire {wire} = {expression};" for wire, expression, _ in forced]
    branches = "".join(f"if ({wire}) {name}{{}} 1'b{value}; else " for wire, _, value in forced)
    if state.kind == "ff" and state.clocked_on is not None and state.next_state is not None:
        lines.append(f"  wire clocked = {verilog_expression(state.clocked_on)};")
        edges = " or ".join(f"posedge {wire}" for wire in ("clocked", *(w for w, _, _ in forced)))
        following = verilog_expression(state.next_state)
        body = branches.replace("{}", "<=") + f"{name}<= {following};"
        lines.append(f"  always @({edges}) {body}")
    elif state.enable is not None and state.data_in is not None:
        open_ = verilog_expression(state.enable)
        body = branches.replace("{}", "=")
        lines.append(f"  always @* {body}if ({open_}) {name}= {verilog_expression(state.data_in)};")
    else:
        raise UserError(f"cell {cell.name}: no model of a {state.kind} that only its resets set")
    return lines


def _clock_gate(cell: Cell) -> list[str]:
    """Return the lines of a clock gate: a latch, open in the clock's idle phase, and a gate."""
    pins: dict[str, list[str]] = {}
    for pin in cell.pins.values():
        if pin.clock_gate_role is not None:
            pins.setdefault(pin.clock_gate_role, []).append(f"\\{pin.name} ")
    kind = (cell.clock_gate or "").partition("_")[2]
    if not (kind.startswith(("posedge", "negedge")) and {"clock", "enable", "out"} <= pins.keys()):
        raise UserError(f"cell {cell.name}: no model of a clock gate of kind {cell.clock_gate}")
    clock, enables = pins["clock"][0], "|".join([*pins["enable"], *pins.get("test", [])])
    idle, gated = ("~", f"{clock}& held") if kind.startswith("posedge") else ("", f"{clock}| ~held")
    lines = ["  reg held;", f"  always @* if ({idle}{clock}) held = {enables};"]
    return lines + [f"  assign {output}= {gated};" for output in pins["out"]]
