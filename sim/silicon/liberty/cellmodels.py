"""Functional Verilog models of cells, from what their Liberty says.

Free of races: flip-flops assign nonblocking, clocks pass through continuous assignments, which
settle before any flip-flop's output moves. A model has no delays unless it is given some; then they
are inertial: what is shorter than the delay of an output does not get through.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.boolean import variable_names, verilog_expression
from consilico.sim.silicon.liberty.library import Cell, Sequential

__all__ = ["NO_DELAYS", "CellDelays", "DelayArc", "Variant", "cell_model", "cell_models"]

TIMESCALE = "`timescale 1ps / 1ps"  # of the delays in models


class DelayArc(NamedTuple):
    """Delay in ps from an input to an output of a cell, of the output's rises and of its falls."""

    input: str
    output: str
    rise_ps: int | None  # None: the input causes none
    fall_ps: int | None
    condition: str | None = None  # Liberty's expression over pins after the change; None: always


@dataclass(frozen=True, kw_only=True)
class CellDelays:
    """Delays of one instance of a cell."""

    arcs: tuple[DelayArc, ...] = ()
    clock_ps: int = 0  # of the wire to the clock pin of a flip-flop, or to the enable of a latch
    data_ps: tuple[tuple[str, int], ...] = ()  # of the wires to the pins whose values they take


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A cell with delays of its own."""

    cell: str
    delays: CellDelays


NO_DELAYS = CellDelays()


def cell_models(
    cells: Mapping[str, Cell],
    names: Iterable[str],
    power_up: str | None = None,
    variants: Mapping[str, Variant] | None = None,
) -> str:
    """Return the Verilog of the models of some cells.

    Args:
        cells: Cells of the library by name.
        names: Names of the cells that are wanted.
        power_up: Verilog expression of what a flip-flop or latch holds at the start. Without one
            it is unknown (x).
        variants: Cells with delays, by the names of their modules; they may be among ``names``.

    Raises:
        UserError: If a cell is unknown, or its Liberty does not say what it does.
    """
    found = variants or {}
    models = [TIMESCALE] if found else []
    for name in sorted(set(names)):
        variant = found.get(name, Variant(cell=name, delays=NO_DELAYS))
        if variant.cell not in cells:
            raise UserError(f"the library has no cell {variant.cell}")
        models.append(cell_model(cells[variant.cell], power_up, name=name, delays=variant.delays))
    return "\n".join(models)


def cell_model(
    cell: Cell,
    power_up: str | None = None,
    *,
    name: str | None = None,
    delays: CellDelays = NO_DELAYS,
) -> str:
    """Return the Verilog of one cell's model, as in :func:`cell_models`.

    Args:
        cell: The cell.
        power_up: What a flip-flop or latch holds at the start.
        name: Name of the module; the cell's if not given.
        delays: Delays of the outputs. Flip-flops, latches, clock gates and outputs whose arcs have
            no condition take the mean of the arcs; else the delay is that of the input that changed
            last, in the state that it led to.

    Raises:
        UserError: If an output has no function, or the cell has a state table that is not a clock
            gate's, or a latch without an enable.
    """
    ports = [pin for pin in cell.pins.values() if pin.direction in ("input", "output")]
    names = ", ".join(f"\\{pin.name} " for pin in ports)
    lines = [f"module \\{name or cell.name} ({names});"]
    lines += [f"  {pin.direction} \\{pin.name} ;" for pin in ports]
    if cell.clock_gate:
        held, outputs = _clock_gate(cell)
        lines += held
    else:
        outputs = {}
        for state in cell.sequential:
            lines += _state(cell, state, power_up, delays)
        for pin in ports:
            if pin.direction == "output":
                if pin.function is None:
                    raise UserError(f"cell {cell.name}: output {pin.name} has no function")
                outputs[pin.name] = verilog_expression(pin.function)
    for output, expression in outputs.items():
        lines += _output(cell, output, expression, [a for a in delays.arcs if a.output == output])
    return "\n".join([*lines, "endmodule", ""])


def _output(cell: Cell, output: str, expression: str, arcs: Sequence[DelayArc]) -> list[str]:
    """Return the lines that drive an output."""
    clocks = {name for state in cell.sequential for name in variable_names(state.clocked_on or "")}
    arcs = [arc for arc in arcs if arc.input in clocks] or arcs  # rather than set and reset
    if not arcs:
        return [f"  assign \\{output} = {expression};"]
    rise, fall = _mean([arc.rise_ps for arc in arcs]), _mean([arc.fall_ps for arc in arcs])
    rise, fall = fall if rise is None else rise, rise if fall is None else fall
    if rise is None or fall is None:
        return [f"  assign \\{output} = {expression};"]
    if cell.sequential or cell.clock_gate or not any(arc.condition for arc in arcs):
        return [f"  assign #({rise}, {fall}) \\{output} = {expression};"]
    now, after, delay = (f"\\{output}.{what} " for what in ("now", "next", "delay"))
    lines = [
        f"  reg {now}, {after};",
        f"  reg [31:0] {delay}= 0;",
        f"  initial #1 {now}= {expression};",  # inputs that never change wake no process
    ]
    for pin in cell.pins.values():
        if pin.direction != "input":
            continue
        own = [arc for arc in arcs if arc.input == pin.name]
        rises = _choice(delay, [(arc.condition, arc.rise_ps) for arc in own], rise)
        falls = _choice(delay, [(arc.condition, arc.fall_ps) for arc in own], fall)
        lines += [
            f"  always @(\\{pin.name} ) begin",
            f"    {after}= {expression};",
            f"    if ({after}!== {now}) begin",
            f"      if ({after}) begin {rises} end else begin {falls} end",
            f"      {now}= {after};",  # after its delay is set
            "    end",
            "  end",
        ]
    return [*lines, f"  assign #({delay}) \\{output} = {now};"]


def _mean(delays_ps: Iterable[int | None]) -> int | None:
    """Return the mean of the delays that there are, in whole ps; None where there is none."""
    given = [delay for delay in delays_ps if delay is not None]
    return round(sum(given) / len(given)) if given else None


def _choice(target: str, delays_ps: Iterable[tuple[str | None, int | None]], other_ps: int) -> str:
    """Return Verilog that sets a delay by conditions; one that is unknown does not hold.

    Args:
        target: What is set.
        delays_ps: Conditions and delays, the first that holds counts; None for no condition and for
            no delay.
        other_ps: Delay where there is none.
    """
    known = [(condition, delay) for condition, delay in delays_ps if delay is not None]
    default = next((delay for condition, delay in known if condition is None), None)
    if default is None:  # conditions of Liberty cover all states that matter
        counts = Counter(delay for _, delay in known)
        default = counts.most_common(1)[0][0] if counts else other_ps
    text = ""
    for condition, delay in known:
        if condition is not None and delay != default:
            text += f"if ({verilog_expression(condition)}) {target}= {delay}; else "
    return f"{text}{target}= {default};"


def _state(cell: Cell, state: Sequential, power_up: str | None, delays: CellDelays) -> list[str]:
    """Return the lines of a flip-flop or a latch: the register, and its complement."""
    late = f"#{delays.clock_ps} " if delays.clock_ps else ""
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
    lines += [f"  wire #{ps} \\{pin}.late = \\{pin} ;" for pin, ps in delays.data_ps]

    def taken(expression: str) -> str:
        text = verilog_expression(expression)
        for pin, _ in delays.data_ps:
            text = text.replace(f"\\{pin} ", f"\\{pin}.late ")
        return text

    branches = "".join(f"if ({wire}) {name}{{}} 1'b{value}; else " for wire, _, value in forced)
    if state.kind == "ff" and state.clocked_on is not None and state.next_state is not None:
        lines.append(f"  wire {late}clocked = {verilog_expression(state.clocked_on)};")
        edges = " or ".join(f"posedge {wire}" for wire in ("clocked", *(w for w, _, _ in forced)))
        following = taken(state.next_state)
        body = branches.replace("{}", "<=") + f"{name}<= {following};"
        lines.append(f"  always @({edges}) {body}")
    elif state.enable is not None and state.data_in is not None:
        open_ = verilog_expression(state.enable)
        body = branches.replace("{}", "=")
        if late:
            lines.append(f"  wire {late}opened = {open_};")
            open_ = "opened"
        lines.append(f"  always @* {body}if ({open_}) {name}= {taken(state.data_in)};")
    else:
        raise UserError(f"cell {cell.name}: no model of a {state.kind} that only its resets set")
    return lines


def _clock_gate(cell: Cell) -> tuple[list[str], dict[str, str]]:
    """Return the lines of a clock gate's latch, open in the clock's idle phase, and its outputs."""
    pins: dict[str, list[str]] = {}
    for pin in cell.pins.values():
        if pin.clock_gate_role is not None:
            pins.setdefault(pin.clock_gate_role, []).append(pin.name)
    kind = (cell.clock_gate or "").partition("_")[2]
    if not (kind.startswith(("posedge", "negedge")) and {"clock", "enable", "out"} <= pins.keys()):
        raise UserError(f"cell {cell.name}: no model of a clock gate of kind {cell.clock_gate}")
    clock = f"\\{pins['clock'][0]} "
    enables = "|".join(f"\\{pin} " for pin in [*pins["enable"], *pins.get("test", [])])
    idle, gated = ("~", f"{clock}& held") if kind.startswith("posedge") else ("", f"{clock}| ~held")
    lines = ["  reg held;", f"  always @* if ({idle}{clock}) held = {enables};"]
    return lines, dict.fromkeys(pins["out"], gated)
