"""A module with a unit's streams around anyone's design, written from its mapping.

Beats of data and of configuration wait in two short queues, each with a count of how many of the
other kind were accepted before it, so that both may come in the same cycle and every configuration
holds for exactly the beats after it. A design that cannot wait is given a beat only while a third
queue has room for its result. Data are accepted only while no configuration is left to be written.
Both pass an empty queue in the same cycle: the wrapper adds no latency, takes a beat in every cycle
in which the design does, and writes in the first cycle after a reset. A reset drops data and
results; configuration that was accepted is written after it.
"""

from collections.abc import Iterable

from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.foreign.elaborate import Elaborated
from consilico.sim.rtlsim.foreign.expressions import field_signals, identifier, of_fields, of_ports
from consilico.sim.rtlsim.foreign.mapping import Mapping
from consilico.sim.units.layout import Layouts

__all__ = ["CONFIG_WORDS", "INSTANCE", "further_clocks", "wrapper"]

INSTANCE = "mapped"  # of the design in the wrapper

_COUNT = 16  # bits of the counts of beats
_CLOCKS = "_clocks"  # ending of the name of the module that drives further clocks
_DATA_WORDS = 2  # of the queue of data
CONFIG_WORDS = 4


def wrapper(name: str, module: str, design: Elaborated, mapping: Mapping, layouts: Layouts) -> str:
    """Return Verilog of a module with the streams ``i``, ``o`` and ``cfg`` around a design.

    Args:
        name: Name of the module.
        module: Name of the design's top module in the text that it will be compiled with.
        design: The elaborated design, for its ports.
        mapping: How its ports serve the streams.
        layouts: The streams' payloads.

    Raises:
        UserError: If the mapping names a port or a field that is not there, or leaves an input of
            the design or a field of ``o`` without a value; the message names it.
    """
    return _Wrapper(name, module, design, mapping, layouts).text()


def further_clocks(name: str, mapping: Mapping) -> str:
    """Return Verilog of a module that drives further clocks; nothing if a mapping has none.

    They run by themselves, from a time that is no edge of ``clk``, and their periods follow the one
    that is measured of ``clk``. The module stands apart because a netlist has no time: what is made
    of netlists, such as mutants, takes it as a black box.

    Args:
        name: Name of the wrapper's module.
        mapping: The mapping.
    """
    if not mapping.clocks:
        return ""
    driven = "".join(
        f"""\
  initial begin
    #(period * {0.3 + 0.1 * number:.1f});
    forever #(period * {periods / 2:.6g}) further[{number}] = ~further[{number}];
  end
"""
        for number, periods in enumerate(mapping.clocks.values())
    )
    return f"""\
`timescale 1ns / 1ps
module {name}{_CLOCKS} (input clk, output reg [{len(mapping.clocks) - 1}:0] further);
  realtime edge_at = 0, period = 4;
  initial further = 0;
  always @(posedge clk) begin
    if (edge_at != 0) period = $realtime - edge_at;
    edge_at = $realtime;
  end
{driven}endmodule
"""


class _Wrapper:
    def __init__(
        self, name: str, module: str, design: Elaborated, mapping: Mapping, layouts: Layouts
    ) -> None:
        self._name, self._module = name, module
        self._design, self._map, self._layouts = design, mapping, layouts
        self._driven: dict[str, str] = {}  # input port of the design: expression
        if layouts.cfg.width and mapping.config is None:
            raise UserError(f"{mapping.source}: config is missing; the unit has a stream cfg")
        if mapping.config is not None and not layouts.cfg.width:
            raise UserError(f"{mapping.source}: config is given; the unit has no stream cfg")

    def text(self) -> str:
        """Return the Verilog of the wrapper around the design."""
        body = [*self._input(), *self._config(), *self._reset(), *self._output(), *self._clocks()]
        self._drive("clock", self._map.clock, "clk")
        for port, value in self._map.constants.items():
            self._drive(f"constants.{port}", port, of_ports(value, {}, "", 1, f"{self._map.source}:"
                                                            f" constants.{port}"))  # fmt: skip
        return "\n".join([*self._header(), *body, *self._instance(), "endmodule", ""])

    # ------------------------------------------------------------------ ports of the design

    def _drive(self, key: str, port: str, value: str) -> None:
        found = self._design.port(port)
        if found is None or found.direction != "input":
            known = ", ".join(each.name for each in self._design.ports if each.direction == "input")
            raise UserError(
                f"{self._map.source}: {key}: {port!r} is no input of {self._design.top};"
                f" accepted: {known}"
            )
        if port in self._driven:
            raise UserError(f"{self._map.source}: {key}: {port!r} is driven twice")
        self._driven[port] = value

    def _read(self, key: str, port: str) -> str:
        found = self._design.port(port)
        if found is None or found.direction != "output":
            known = ", ".join(self._outputs)
            raise UserError(
                f"{self._map.source}: {key}: {port!r} is no output of {self._design.top};"
                f" accepted: {known}"
            )
        return identifier(f"d_{port}")

    @property
    def _outputs(self) -> dict[str, int]:
        return {port.name: port.width for port in self._design.ports if port.direction == "output"}

    def _header(self) -> list[str]:
        streams = self._layouts
        ports = [
            "input clk", "input rst",
            "input i__valid", "output i__ready", f"input [{streams.i.width - 1}:0] i__payload",
            "output o__valid", "input o__ready", f"output [{streams.o.width - 1}:0] o__payload",
        ]  # fmt: skip
        if streams.cfg.width:
            ports += ["input cfg__valid", "output cfg__ready"]
            ports += [f"input [{streams.cfg.width - 1}:0] cfg__payload"]
        wires = [
            f"  wire [{width - 1}:0] {identifier(f'd_{name}')};"
            for name, width in self._outputs.items()
        ]
        return [
            f"module {self._name} (",
            *_listed(ports),
            ");",
            *wires,
            "  wire busy, held, settling; // nothing enters the design",
            "  wire quiet; // nothing is in it",
            "  wire room; // for the results of all that is in it",
        ]

    def _instance(self) -> list[str]:
        ports = self._design.ports
        if left := [each.name for each in ports if each.direction == "inout"]:
            raise UserError(f"{self._map.source}: {left[0]!r} goes both ways, which no stream does")
        missing = [
            each.name
            for each in ports
            if each.direction == "input" and each.name not in self._driven
        ]
        if missing:
            raise UserError(
                f"{self._map.source}: nothing drives the input {missing[0]!r} of"
                f" {self._design.top}; give it in input.drive, config or constants"
            )
        pins = [f".\\{name} ({value})" for name, value in self._driven.items()]
        pins += [f".\\{name} ({identifier(f'd_{name}')})" for name in self._outputs]
        return [f"  {self._module} {INSTANCE} (", *_listed(pins), "  );"]

    def _clocks(self) -> list[str]:
        """Return where further clocks come from: :func:`further_clocks`."""
        if not self._map.clocks:
            return []
        for number, port in enumerate(self._map.clocks):
            self._drive("clocks", port, f"further[{number}]")
        return [
            f"  wire [{len(self._map.clocks) - 1}:0] further;",
            f"  {self._name}{_CLOCKS} clocks (.clk(clk), .further(further));",
        ]

    # ------------------------------------------------------------------ stream i

    def _input(self) -> list[str]:
        source, streams = self._map.source, self._layouts
        arriving = "(cfg__valid & cfg__ready)" if streams.cfg.width else "1'b0"
        width = streams.i.width
        for port, expression in self._map.input.drive.items():
            where = f"{source}: input.drive.{port}"
            self._drive("input.drive", port, of_fields(expression, streams.i, "i_", where))
        if self._map.input.valid:
            self._drive("input.valid", self._map.input.valid, "offered")
        ready = self._map.input.ready
        takes = self._read("input.ready", ready) if ready else "1'b1"
        return [
            "",
            "  // Data wait here for configuration that was accepted before, and for the design.",
            *_queue("data", width + _COUNT, _DATA_WORDS, "rst"),
            f"  reg [{_COUNT - 1}:0] configs, configs_done; // accepted, and in force",
            f"  reg [{_COUNT - 1}:0] beats, beats_done; // accepted, and taken by the design",
            "  wire taking = i__valid & i__ready;",
            "  assign i__ready = ~data_full & configs == configs_done & ~busy & room;",
            f"  wire [{_COUNT - 1}:0] configs_now = configs + {arriving};",
            "  wire waiting = ~data_empty;",
            f"  wire [{width - 1}:0] beat = waiting ? data_head[{width - 1}:0] : i__payload;",
            f"  wire [{_COUNT - 1}:0] noted = data_head[{width} +: {_COUNT}];",
            f"  wire [{_COUNT - 1}:0] needs = waiting ? noted : configs_now;",
            "  wire offered = (waiting | taking) & needs == configs_done & ~busy & room;",
            f"  wire issued = offered & {takes};",
            "  assign data_in = {configs_now, i__payload};",
            "  assign data_push = taking & (waiting | ~issued);",
            "  assign data_pop = waiting & issued;",
            "  always @(posedge clk) begin",
            "    beats <= beats + taking;",
            "    beats_done <= rst ? beats + taking : beats_done + issued; // a reset drops data",
            "  end",
            "  initial begin beats = 0; beats_done = 0; configs = 0; configs_done = 0; end",
            *field_signals(streams.i, "i_", "beat"),
        ]

    # ------------------------------------------------------------------ stream cfg

    def _config(self) -> list[str]:
        config, width = self._map.config, self._layouts.cfg.width
        if config is None:
            return [
                "  assign settling = 1'b0;",
            ]
        source = self._map.source
        last = max(1, len(config.writes)) - 1
        drain = " & quiet" if config.drain else ""
        takes = self._read("config.ready", config.ready) if config.ready else "1'b1"
        lines = [
            "",
            "  // A configuration waits for the data before it, then is written step by step.",
            *_queue("cfg", width + _COUNT, CONFIG_WORDS, "1'b0"),
            "  assign cfg__ready = ~cfg_full;",
            # data of the same cycle come after it
            "  wire cfg_comes = cfg__valid & cfg__ready;",
            "  assign cfg_push = cfg_comes & ~(cfg_empty & cfg_done);",
            "  assign cfg_in = {beats, cfg__payload};",
            f"  wire [{width + _COUNT - 1}:0] cfg_next = cfg_empty ? cfg_in : cfg_head;",
            f"  wire [{width - 1}:0] constants = cfg_next[{width - 1}:0];",
            # a reset drops data that come after it, too: then less than none are missing
            f"  wire [{_COUNT - 1}:0] missing = cfg_next[{width} +: {_COUNT}] - beats_done;",
            f"  wire reached = missing == 0 | missing[{_COUNT - 1}];",
            f"  wire due = (~cfg_empty | cfg_comes) & reached{drain} & ~rst & ~held;",
            "  reg [7:0] step;",
            f"  wire written = due & {takes};",
            f"  wire cfg_done = written & step == {last};",
            "  assign cfg_pop = cfg_done & ~cfg_empty;",
            f"  reg [{_COUNT - 1}:0] settle;",
            "  assign settling = settle != 0;",
            "  always @(posedge clk)",
            "    begin",
            "      if (cfg_comes) configs <= configs + 1;",
            "      if (cfg_done) configs_done <= configs_done + 1;",
            "      if (written) step <= cfg_done ? 0 : step + 1;",
            f"      if (cfg_done) settle <= {config.settle_cycles};",
            "      else if (settling) settle <= settle - 1;",
            "    end",
            "  initial begin step = 0; settle = 0; end",
            *field_signals(self._layouts.cfg, "c_", "constants"),
        ]
        if config.valid:
            self._drive("config.valid", config.valid, "due" if config.writes else "cfg_done")
        for port in _once(port for write in config.writes for port in write):
            width_of = self._design.port(port)
            chosen = f"{width_of.width if width_of else 1}'b0"
            for number, write in reversed([*enumerate(config.writes)]):
                if port in write:
                    where = f"{source}: config.writes.{port}"
                    value = of_fields(write[port], self._layouts.cfg, "c_", where)
                    chosen = value if not last else f"step == {number} ? {value} : {chosen}"
            self._drive("config.writes", port, chosen)
        for port, expression in config.hold.items():
            value = of_fields(expression, self._layouts.cfg, "c_", f"{source}: config.hold.{port}")
            held = identifier(f"h_{port}")
            self._drive("config.hold", port, held)
            found = self._design.port(port)
            assert found is not None
            lines.append(f"  reg [{found.width - 1}:0] {held};")
            lines.append(f"  always @(posedge clk) if (cfg_done) {held} <= {value};")
        return lines

    # ------------------------------------------------------------------ reset

    def _reset(self) -> list[str]:
        reset, latency = self._map.reset, self._map.output.latency_cycles
        settle = reset.cycles - 1 + reset.settle_cycles if reset else 0
        hold = max(settle, latency if reset is None or reset.once else 0)
        lines = [
            "",
            f"  // After a reset nothing enters or leaves the design for {hold} cycles more.",
            f"  reg [{_COUNT - 1}:0] hold;",
            "  assign held = hold != 0;",
            f"  always @(posedge clk) hold <= rst ? {hold} : held ? hold - 1 : 0;",
            "  assign busy = held | settling;",
        ]
        if reset is not None:
            lines += [
                f"  reg [{_COUNT - 1}:0] resetting;",
                "  reg powered;",
                "  initial powered = 0;",
                f"  wire resets = rst{' & ~powered' if reset.once else ''};",
                (
                    f"  always @(posedge clk) resetting <= resets ? {reset.cycles - 1} :"
                    " resetting != 0 ? resetting - 1 : 0;"
                ),
                "  always @(posedge clk) powered <= powered | ~rst;",
                # registered level: unknown before the first reset
                "  wire design_reset = resets | resetting != 0;",
            ]
            level = "design_reset" if reset.active == "high" else "~design_reset"
            self._drive("reset.port", reset.port, level)
        return lines

    # ------------------------------------------------------------------ stream o

    def _output(self) -> list[str]:
        output, latency = self._map.output, self._map.output.latency_cycles
        lines = ["", f"  wire [{self._layouts.o.width - 1}:0] result;", *self._result()]
        if output.ready:
            self._drive("output.ready", output.ready, "o__ready & ~held")
            valid = self._read("output.valid", output.valid)
            return [
                *lines,
                f"  assign o__valid = {valid} & ~held;",
                "  assign o__payload = result;",
                "  assign room = 1'b1;",
                *self._in_flight(),
            ]
        if output.valid:
            arrives = self._read("output.valid", output.valid)
        elif latency:
            arrives = f"flight[{latency - 1}]"
        else:
            arrives = "issued"
        words = 1
        while words < latency + 4:
            words *= 2
        return [
            *lines,
            *self._in_flight(),
            "  // Results wait here, so that a design that cannot wait need not.",
            *_queue("result", self._layouts.o.width, words, "rst"),
            f"  wire arrives = {arrives} & ~held;",
            "  assign result_in = result;",
            "  assign o__valid = ~result_empty | arrives;",
            "  assign o__payload = result_empty ? result : result_head;",
            "  assign result_push = arrives & ~(result_empty & o__ready);",
            "  assign result_pop = ~result_empty & o__ready;",
            "  assign room = result_count < 2;",
        ]

    def _in_flight(self) -> list[str]:
        """Return a register per cycle of latency, which says whether a beat is in it."""
        latency = self._map.output.latency_cycles
        if not latency:
            return ["  assign quiet = 1'b1;"]
        onwards = "issued" if latency == 1 else f"{{flight[{latency - 2}:0], issued}}"
        lines = [
            f"  reg [{latency - 1}:0] flight;",
            f"  always @(posedge clk) flight <= rst ? 0 : {onwards};",
        ]
        if not self._map.output.ready:
            return [*lines, "  assign quiet = flight == 0;"]
        # a design that waits holds its beats for as long as its results are not taken
        return [
            *lines,
            f"  reg [{_COUNT - 1}:0] idle;",
            f"  assign quiet = idle >= {latency + 1};",
            "  always @(posedge clk)",
            "    if (rst | issued | (o__valid & ~o__ready)) idle <= 0;",
            "    else if (~quiet) idle <= idle + 1;",
        ]

    def _result(self) -> list[str]:
        output, layout = self._map.output, self._layouts.o
        source = self._map.source
        known = (*output.fields, *output.ignore)
        for name in known:
            if name not in layout.by_name:
                raise UserError(
                    f"{source}: output.fields: {name!r} is no field;"
                    f" accepted: {', '.join(layout.by_name)}"
                )
        if set(output.ignore) >= set(layout.by_name):
            raise UserError(
                f"{source}: output.ignore names every field, so that nothing would be compared;"
                " accepted: a field at least in output.fields"
            )
        lines = []
        for name, fields in layout.by_name.items():
            width, lanes = fields[0].width, len(fields)
            signal = f"o_{name.replace('.', '__')}"
            if name in output.ignore:
                value = f"{width * lanes}'b0"
            elif name in output.fields:
                where = f"{source}: output.fields.{name}"
                value = of_ports(output.fields[name], self._outputs, "d_", lanes, where)
            else:
                raise UserError(
                    f"{source}: output.fields.{name} is missing; accepted: an expression over the"
                    f" outputs of {self._design.top}, or {name!r} in output.ignore"
                )
            lines.append(f"  wire [{width * lanes - 1}:0] {signal} = {value};")
            for place, each in enumerate(fields):
                lines.append(
                    f"  assign result[{each.offset} +: {width}] ="
                    f" {signal}[{place * width} +: {width}];"
                )
        return lines


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _listed(items: list[str]) -> list[str]:
    return [f"    {item}," for item in items[:-1]] + [f"    {items[-1]}"]


def _queue(name: str, width: int, words: int, clear: str) -> list[str]:
    """Return a queue with a power of two words; the module assigns its input, push and pop.

    What is still unknown when power comes counts as 0: nothing else clears the queue of ``cfg``.
    """
    bits = max(1, (words - 1).bit_length())
    return [
        f"  reg [{width - 1}:0] {name}_words [0:{words - 1}];",
        f"  reg [{bits}:0] {name}_count;",
        f"  reg [{bits - 1}:0] {name}_first;",
        f"  wire [{bits - 1}:0] {name}_free = {name}_first + {name}_count[{bits - 1}:0];",
        f"  wire [{width - 1}:0] {name}_in;",
        f"  wire [{width - 1}:0] {name}_head = {name}_words[{name}_first];",
        f"  wire {name}_push, {name}_pop;",
        f"  wire {name}_empty = {name}_count == 0;",
        f"  wire {name}_full = {name}_count == {words};",
        "  always @(posedge clk) begin",
        f"    if ({name}_push) {name}_words[{name}_free] <= {name}_in;",
        f"    if ({clear}) {name}_count <= 0;",
        f"    else if ({name}_push != {name}_pop)",
        f"      {name}_count <= {name}_push ? {name}_count + 1 : {name}_count - 1;",
        f"    if ({clear}) {name}_first <= 0;",
        f"    else if ({name}_pop) {name}_first <= {name}_first + 1;",
        "  end",
        f"  initial begin {name}_count = 0; {name}_first = 0; end",
    ]
