"""A recording of a netlist without delays, replayed with delays from SDF, so that glitches count.

What the recording says of the inputs drives the netlist again, in Icarus, with the delays of its
cells; flip-flops and latches begin with what they held. Before every edge of the clock the outputs
have to be what they were in the recording.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.processes import Limits, run_tool
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, find_simulator
from consilico.sim.silicon.activity.counting import UNKNOWN, Changes
from consilico.sim.silicon.activity.gatesim import bench_timing, delayed_netlist
from consilico.sim.silicon.activity.read import read_changes
from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.cellmodels import cell_models
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from consilico.sim.silicon.netlist.write import FullNames
from consilico.sim.silicon.power.arrays import Nets, arrange, match
from consilico.sim.silicon.timing.delays import clock_arrival_ps, has_tree, instance_delays
from consilico.sim.silicon.timing.sdf import read_sdf

__all__ = ["SCOPE", "replay_with_delays"]

SCOPE = "consilico_replay/dut"  # of the netlist in the recording that is made
_LIMITS = Limits(wall_s=3600, memory_bytes=8 << 30)
_DIGIT = np.array(["0", "1", "x", "x"])
_BENCH = """
`timescale 1ps / 1ps
module consilico_replay;
  reg [{inputs}:0] now;
  reg [{inputs}:0] next;
  reg clock, edge_;
  integer file, got;
  reg [63:0] wait_ps;
  \\{top} dut ({ports});
  initial begin
    file = $fopen("inputs.txt", "r");
    got = $fscanf(file, "%d %b %b", wait_ps, clock, now);
    #2;
    {gates}
    #{settle};
    {registers}
    #{settle};
    $dumpfile("activity.vcd");
    $dumpvars(1, dut);
    got = $fscanf(file, "%d %b %b", wait_ps, edge_, next);
    while (got == 3) begin
      #wait_ps clock = edge_;
      now <= #{late} next;
      got = $fscanf(file, "%d %b %b", wait_ps, edge_, next);
    end
    $finish;
  end
endmodule
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Recording:
    """Changes of the nets of a netlist."""

    changes: Changes
    row: Nets  # (nets,), -1 where nothing is known
    tick_ps: float

    def first(self, net: int) -> int:
        """Return the first value of a net."""
        if net < 0 or self.row[net] < 0:
            return UNKNOWN
        _, values = self.changes.of(int(self.row[net]))
        return int(values[0]) if len(values) else UNKNOWN

    def at(self, net: int, ticks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the values of a net right before some times in ticks."""
        times, values = self.changes.of(int(self.row[net]))
        place = np.searchsorted(times, ticks, side="left") - 1
        return np.where(place >= 0, values[np.maximum(place, 0)], UNKNOWN).astype(np.uint8)


def replay_with_delays(
    netlist: Path | Sequence[Path],
    top: str,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    clock: str,
    period_ns: float,
    sdf: Path,
    folder: Path,
) -> Path:
    """Replay the inputs of a recording on its netlist, with delays, and return the new recording.

    The clock has its tree if it passes through buffers or inverters; else it is ideal, and the
    delays of its network do not count. Inputs change a twentieth of a period after the clock has
    come to the registers, later than in a recording without delays.

    Args:
        netlist: Gate-level Verilog or SystemVerilog, one file or several.
        top: Its top module.
        liberty: Liberty files of its cells.
        activity: VCD of a simulation of the netlist without delays.
        scope: Path of the top module's instance in it.
        clock: Clock port.
        period_ns: Clock period.
        sdf: Delays of the cells and wires.
        folder: Where the new recording is left; its scope is :data:`SCOPE`.

    Raises:
        UserError: If a file cannot be read, does not go with the netlist or is no VCD, an input is
            not in the recording, or Icarus is missing.
        ToolError: If the netlist does not compile.
        CheckFailed: If an output is not what it was before an edge of the clock.
    """
    cells = read_liberty(liberty).cells
    flat = read_netlist(netlist, top, cells)
    tree = has_tree(flat, cells, clock)
    delays = instance_delays(flat, cells, read_sdf(sdf), clock, propagated=tree)
    insertion_ns = clock_arrival_ps(flat, cells, delays, clock) / 1000
    timing = bench_timing(period_ns, 0.0, insertion_ns)
    recorded = _read(activity, scope, flat, cells)
    names = FullNames(flat)
    delayed = delayed_netlist(flat, delays, timing, names)
    inputs = _inputs(flat, clock, recorded, activity)
    used = sorted({instance.cell for instance in flat.instances})
    (folder / "inputs.txt").write_text(_stimulus(recorded, flat.ports[clock][1][0], inputs))
    sources = {
        "bench.v": _BENCH.format(
            inputs=max(0, len(inputs) - 1),
            top=flat.top,
            ports=_ports(flat, clock, inputs),
            # gates first: a clock that becomes known is an edge
            gates="\n    ".join(_gate_states(flat, cells, names, recorded)),
            registers="\n    ".join(_states(flat, cells, names, recorded)),
            settle=timing.period_ps,
            late=timing.input_delay_ps,
        ),
        "netlist.v": delayed.text,
        "models.v": cell_models(cells, [*used, *delayed.variants], None, delayed.variants),
    }
    for name, text in sources.items():
        (folder / name).write_text(text)
    simulator = find_simulator("icarus")
    environment = simulator.environment()
    options = (ICARUS_LANGUAGE, "-s", "consilico_replay", "-o", "replay")
    commands: dict[str, list[str | Path]] = {
        "Icarus Verilog": [simulator.executable, *options, *sources],
        "the replay in Icarus Verilog": ["vvp", "-n", "replay"],
    }
    for tool, command in commands.items():
        run_tool(tool, command, _LIMITS, folder=folder, environment=environment).check()
    found = folder / "activity.vcd"
    _check(flat, clock, recorded, _read(found, SCOPE, flat, cells))
    return found


def _read(path: Path, scope: str, netlist: Netlist, cells: Mapping[str, Cell]) -> _Recording:
    """Read the changes of ports and of what registers hold."""
    arrays = arrange(netlist, cells)
    wanted = [net for _, nets in netlist.ports.values() for net in nets]
    for instance in netlist.instances:
        if cells[instance.cell].sequential or cells[instance.cell].clock_gate:
            wanted += instance.pins.values()
    rows: list[Nets] = []

    def select(signals: dict[str, int]) -> Nets:
        rows.append(match(arrays, signals))
        return np.unique(rows[0][wanted][rows[0][wanted] >= 0])

    changes, _, tick_s = read_changes(path, scope, select)
    return _Recording(changes=changes, row=rows[0], tick_ps=tick_s * 1e12)


def _inputs(netlist: Netlist, clock: str, recorded: _Recording, activity: Path) -> list[int]:
    """Return the nets of the inputs besides the clock.

    Raises:
        UserError: If one of them is not in the recording.
    """
    found = []
    for name, (direction, nets) in netlist.ports.items():
        if direction != "input":
            continue
        if any(recorded.row[net] < 0 for net in nets):
            raise UserError(
                f"{activity} has no input {name} of {netlist.top}: it cannot be replayed"
            )
        found += [net for net in nets if name != clock]
    return found


def _ports(netlist: Netlist, clock: str, inputs: Sequence[int]) -> str:
    """Return the connections of the netlist's ports; outputs are left open."""
    place = {net: len(inputs) - 1 - index for index, net in enumerate(inputs)}
    said = []
    for name, (direction, nets) in netlist.ports.items():
        if direction == "input":
            bits = "clock" if name == clock else ", ".join(f"now[{place[net]}]" for net in nets)
            said.append(f".\\{name} ({{{bits}}})")
    return ", ".join(said)


def _stimulus(recorded: _Recording, clock: int, inputs: Sequence[int]) -> str:
    """Return a line per time at which an input changes: ps since the last one, clock, inputs."""
    series = [recorded.changes.of(int(recorded.row[net])) for net in (clock, *inputs)]
    begin, end = recorded.changes.begin, recorded.changes.end
    times = np.unique(np.concatenate([[begin, end], *(times for times, _ in series)]))
    columns = np.full((len(times), len(series)), "x")
    for column, (at, values) in enumerate(series):
        if len(at):
            place = np.searchsorted(at, times, side="right") - 1
            known = place >= 0
            columns[known, column] = _DIGIT[values[place[known]]]
    stamps = np.round((times - begin) * recorded.tick_ps).astype(np.int64)
    waits = np.diff(stamps, prepend=0)
    lines = (
        f"{wait} {row[0]} {''.join(row[1:]) or '0'}"
        for wait, row in zip(waits.tolist(), columns.tolist(), strict=True)
    )
    return "\n".join(lines) + "\n"


def _gate_states(
    netlist: Netlist, cells: Mapping[str, Cell], names: FullNames, recorded: _Recording
) -> list[str]:
    """Return the assignments that leave each clock gate as it was at the beginning.

    While the clock is idle, the latch of a gate is open and shows its enable.
    """
    found = []
    for index, instance in enumerate(netlist.instances):
        kind = cells[instance.cell].clock_gate
        if kind is None:
            continue
        pins = cells[instance.cell].pins
        by_role = {pins[pin].clock_gate_role: net for pin, net in instance.pins.items()}
        clock, out = (recorded.first(by_role.get(role, -1)) for role in ("clock", "out"))
        busy = int(not kind.partition("_")[2].startswith("negedge"))
        if clock == busy and out != UNKNOWN:
            found.append(f"dut.{names.instance[index]} .held = 1'b{int(out == busy)};")
    return found


def _states(
    netlist: Netlist, cells: Mapping[str, Cell], names: FullNames, recorded: _Recording
) -> list[str]:
    """Return the assignments that give flip-flops and latches what they held at the beginning."""
    found = []
    for index, instance in enumerate(netlist.instances):
        cell = cells[instance.cell]
        if cell.clock_gate or len(cell.sequential) != 1:
            continue
        state = cell.sequential[0].states
        for pin, net in instance.pins.items():
            function = parse_function(cell.pins[pin].function or "0")
            if cell.pins[pin].direction != "output" or len(function.variables) != 1:
                continue
            value = recorded.first(net)
            if function.variables[0] not in state or value == UNKNOWN:
                continue
            inverted = bool(function.table[0]) != (function.variables[0] != state[0])
            bit = value ^ inverted
            found.append(f"dut.{names.instance[index]} .\\{state[0]} = 1'b{int(bit)};")
            break
    return found


def _check(netlist: Netlist, clock: str, before: _Recording, after: _Recording) -> None:
    """Compare the outputs right before every rising edge of the clock.

    Raises:
        CheckFailed: If one differs.
    """
    times, values = before.changes.of(int(before.row[netlist.ports[clock][1][0]]))
    edges = times[1:][(values[1:] == 1) & (values[:-1] == 0)]
    since_ps = (edges - before.changes.begin) * before.tick_ps
    again = after.changes.begin + np.round(since_ps / after.tick_ps).astype(np.int64)
    for name, (direction, nets) in netlist.ports.items():
        for place, net in enumerate(nets):
            if direction == "input" or before.row[net] < 0 or after.row[net] < 0:
                continue
            was, is_ = before.at(net, edges), after.at(net, again)
            if (wrong := np.flatnonzero((was != is_) & (was != UNKNOWN))).size:
                bit = f"[{len(nets) - 1 - place}]" if len(nets) > 1 else ""
                at_ns = float(edges[wrong[0]] * before.tick_ps / 1000)
                raise CheckFailed(
                    f"with these delays output {name}{bit} of {netlist.top} is"
                    f" {_DIGIT[is_[wrong[0]]]} and not {_DIGIT[was[wrong[0]]]} before the clock's"
                    f" edge at {at_ns:g} ns: the clock is too fast for them, or the files are not"
                    " of one netlist"
                )
