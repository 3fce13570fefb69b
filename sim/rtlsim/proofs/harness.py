"""Write the module around a unit: neighbors that do what they like, and the promises.

All that the neighbors choose comes in through its ports, so that a counterexample is a list of
values of these ports, which a simulator can play as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from consilico.sim.rtlsim.proofs.promises import PROPERTIES, StreamPromises
from consilico.sim.rtlsim.proofs.slicing import CFG_TAG, I_TAG, O_TAG, TICKS, Slice, shown_net
from consilico.sim.units.contract import Contract
from consilico.sim.units.layout import PLAIN

__all__ = ["HARNESS", "Around", "choices", "harness"]

HARNESS = "consilico_harness"
_SAME = {
    "clk": "clk",
    "rst": "rst",
    "i__valid": "i_valid",
    "i__ready": "i_ready",
    "i__payload": "i_payload",
    "o__valid": "o_valid",
    "o__ready": "o_ready",
    "o__payload": "o_payload",
}
_CFG = {"cfg__valid": "cfg_valid", "cfg__ready": "cfg_ready", "cfg__payload": "cfg_payload"}


_HELPED_PORTS = ",\n  output unlike,\n  output [{top}:0] helped,\n  output [{top}:0] given"
_HELPED = """\
  reg [15:0] ended = 0;
  always @(posedge clk) ended <= rst ? 0 : {{ended, take && ({completes}) != 0}};
{state}
  assign unlike = after_reset && !rst && !({lemmas});
  reg was_unlike = 0;
  always @(posedge clk) was_unlike <= was_unlike || unlike;
  assign helped = violated | {{{count}{{unlike}}}};
  assign given = violated & ~{{{count}{{unlike || was_unlike}}}};
"""


@dataclass(frozen=True, kw_only=True)
class Around:
    """Design in the middle of the harness."""

    module: str  # the unit
    # Whether a mark is what the unit, sliced, says it is, or a difference between two copies of
    # the unit, which are given the same but for the data of what is marked
    marked: bool
    ticks: bool  # whether the unit has a port that says which of its clocks tick


def choices(claim: StreamPromises) -> dict[str, int]:
    """Return what the neighbors choose in each cycle: names of ports and their widths."""
    ports = claim.layouts.ports
    i_width, cfg_width = ports.i_width, max(1, ports.cfg_width)
    return {
        "some_reset": 1, "some_i_valid": 1, "some_i": i_width, "some_cfg_valid": 1,
        "some_cfg": cfg_width, "some_ready": 1, "some_mark": 1, "some_marks": 2,
        "i_changes": i_width, "cfg_changes": cfg_width,
    }  # fmt: skip


def harness(claim: StreamPromises, found: Slice, around: Around) -> str:
    """Return Verilog of the properties and of the module around a unit, :data:`HARNESS`.

    Its outputs are ``violated``, one bit per property of :data:`PROPERTIES`, and, one bit per tick
    of the slice, whether that clock must not tick now: because nothing moves (``resting``), or
    because its lane is masked (``masked``). With lemmas there are three more: whether one is wrong
    (``unlike``), what is violated or that (``helped``), and what is violated while none has ever
    been wrong (``given``).
    """
    contract, layouts = claim.contract or Contract(), claim.layouts
    latency_cycles, ports = claim.latency_cycles, layouts.ports
    configured, cfg_width = ports.cfg_width > 0, max(1, ports.cfg_width)
    fields = "".join(
        f"  wire [{item.width - 1}:0] {stream}_{item.name.replace('.', '_')}"
        f" = {stream}_payload[{item.offset} +: {item.width}];\n"
        for stream, layout in (("i", layouts.i), ("cfg", layouts.cfg))
        for item in layout.fields
        if item.lane is None and item.name != PLAIN
    )
    wait = latency_cycles if contract.wait_cycles is None else contract.wait_cycles
    late = latency_cycles if contract.late_cycles is None else contract.late_cycles
    place = max(1, (contract.group_beats - 1).bit_length())
    time = (max(late, wait) + 2).bit_length()
    count = max(1, len(found.ticks))
    offsets = {item.label: item.offset for item in layouts.i.fields}
    masks = {
        clock: f"take && i_payload[{offsets[label]}]"
        for label, clock in contract.masked_clocks.items()
    }
    masked = ", ".join(masks.get(name, "1'b0") for name in reversed(found.ticks)) or "1'b0"
    helped = contract.lemmas if around.marked else ()
    strengthened = (
        _HELPED.format(
            state=contract.lemma_state,
            lemmas=" && ".join(f"({lemma})" for lemma in helped),
            completes=contract.completes,
            count=len(PROPERTIES),
        )
        if helped
        else ""
    )
    unserved = " || ".join(
        f"({stream}_valid && !{stream}_ready && ({when}))"
        for stream, when in contract.ready.items()
    )
    shown = "".join(
        f"  wire [{width - 1}:0] {name};\n" for name, width in found.nets.items() if around.ticks
    )
    inputs = "".join(f"  input [{width - 1}:0] {name},\n" for name, width in choices(claim).items())
    promises = resources.files(__package__).joinpath("stream_properties.v").read_text()
    return f"""{promises}
module {HARNESS}(
  input clk,
{inputs}  output [{len(PROPERTIES) - 1}:0] violated,
  output [{count - 1}:0] resting,
  output [{count - 1}:0] masked{_HELPED_PORTS.format(top=len(PROPERTIES) - 1) if helped else ""}
);
  reg first = 1;
  reg [1:0] held_marks = 0;
  wire [1:0] marks = first ? some_marks : held_marks;
  reg rst = 1, i_valid = 0, cfg_valid = 0, o_ready = 0;
  reg i_mark = 0, cfg_mark = 0, marked = 0;
  reg [{ports.i_width - 1}:0] i_payload = 0;
  reg [{cfg_width - 1}:0] cfg_payload = 0;
  wire i_ready, o_valid, o_tag;
  wire [{ports.o_width - 1}:0] o_payload;
{fields}{shown}  wire cfg_ready{"" if configured else " = 1"};
  wire [{count - 1}:0] ticks;

  // a producer holds its offer until it is taken or a reset comes; one offer may be marked
  always @(posedge clk) begin
    first <= 0;
    held_marks <= marks;
    rst <= some_reset;
    o_ready <= some_ready;
    if (!i_valid || i_ready || rst) begin
      i_valid <= some_i_valid;
      i_payload <= some_i;
      i_mark <= some_i_valid && some_mark && !marked && marks == 0;
      if (some_i_valid && some_mark && marks == 0) marked <= 1;
    end
    if (!cfg_valid || cfg_ready || rst) begin
      cfg_valid <= some_cfg_valid && {int(configured)};
      cfg_payload <= some_cfg;
      cfg_mark <= some_cfg_valid && some_mark && !marked && marks == 1;
      if (some_cfg_valid && some_mark && marks == 1) marked <= 1;
    end
  end
  wire i_tag = marks == 2 ? !i_valid : i_mark;
  wire cfg_tag = marks == 2 ? !cfg_valid : cfg_mark;

{_unit(claim, found, around)}

  wire take = i_valid && i_ready && !rst;
  wire configure = cfg_valid && cfg_ready && !rst;
{contract.state}
  wire lawful_so_far, after_reset;
  wire [8:0] broken;
  wire quiet;
  wire [{contract.most_due.bit_length() - 1}:0] due;
  wire [{place - 1}:0] position;
  wire [{time - 1}:0] overdue_cycles, stuck_cycles;
  consilico_stream_properties #(
    .O_WIDTH({ports.o_width}),
    .LATENCY({latency_cycles}),
    .LATE({late}),
    .WAIT({wait}),
    .COUNT({contract.most_due.bit_length()}),
    .GROUP({contract.group_beats}),
    .PLACE({place}),
    .TIME({time})
  ) properties (
    .clk(clk),
    .rst(rst),
    .i_valid(i_valid),
    .i_ready(i_ready),
    .i_tag(i_mark),
    .completes({contract.completes or 0}),
    .closes({contract.closes or f"({contract.completes or 0}) != 0"}),
    .lawful({contract.lawful}),
    .position(position),
    .cfg_valid(cfg_valid),
    .cfg_ready(cfg_ready),
    .cfg_tag(cfg_mark),
    .o_valid(o_valid),
    .o_ready(o_ready),
    .o_payload(o_payload),
    .o_tag(o_tag),
    .marks(marks),
    .results_due(due),
    .overdue_cycles(overdue_cycles),
    .stuck_cycles(stuck_cycles),
    .after_reset(after_reset),
    .lawful_so_far(lawful_so_far),
    .violated(broken),
    .quiet(quiet)
  );
  wire waits = o_valid && !o_ready;
  reg entered = 0;
  always @(posedge clk) if (rst || !waits) entered <= take;
  wire unserved = after_reset && !rst && ({unserved or 0});
  assign resting = {{{count}{{quiet}}}};
  assign masked = {{{masked}}};
  assign violated = {{|(masked & ticks), |(resting & ticks), unserved, broken}};
{strengthened}endmodule
"""


def _unit(claim: StreamPromises, found: Slice, around: Around) -> str:
    """Return the unit, or two copies of it, and what drives ``o_tag``."""
    ports = claim.layouts.ports
    own = _SAME | (_CFG if ports.cfg_width else {}) | ({TICKS: "ticks"} if around.ticks else {})
    if around.ticks:
        own |= {shown_net(name): name for name in found.nets}
    clocks = "" if around.ticks else "  assign ticks = 0;\n"
    if around.marked:
        tags = {I_TAG: "i_tag", CFG_TAG: "cfg_tag", O_TAG: "o_tag"}
        return clocks + _instance(around.module, "unit", own | tags)
    theirs = own | {
        "i__payload": "other_i",
        "o__payload": "other_o",
        "i__ready": "",
        "o__valid": "",
    }
    if ports.cfg_width:
        theirs |= {"cfg__payload": "other_cfg", "cfg__ready": ""}
    if around.ticks:
        theirs |= {TICKS: "", **{shown_net(name): "" for name in found.nets}}
    i_data, cfg_data = _ones(found.i_data, ports.i_width), _ones(found.cfg_data, ports.cfg_width)
    return f"""{clocks}\
  wire [{ports.i_width - 1}:0] other_i = i_payload ^ (i_tag ? i_changes & {i_data} : 0);
  wire [{max(1, ports.cfg_width) - 1}:0] other_cfg
    = cfg_payload ^ (cfg_tag ? cfg_changes & {cfg_data} : 0);
  wire [{ports.o_width - 1}:0] other_o;
  assign o_tag = o_payload !== other_o;
{_instance(around.module, "unit", own)}
{_instance(around.module, "other", theirs)}"""


def _instance(module: str, name: str, connections: Mapping[str, str]) -> str:
    listed = ",\n".join(f"    .{port}({net})" for port, net in connections.items())
    return f"  {module} {name} (\n{listed}\n  );"


def _ones(places: Sequence[int], width: int) -> str:
    """Return a Verilog constant with ones at these places."""
    return f"{max(1, width)}'h{sum(1 << place for place in places):x}"
