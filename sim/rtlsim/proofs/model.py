"""Build what is proved: the sliced unit, arbitrary neighbours, and the promises about streams.

Clocks are signals here like all others (Yosys' ``clk2fflogic``), so that clock gates and latches
behave as in simulation: a cycle is two steps, in the first of which the clock is high.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.rtlsim.proofs.accumulators import (
    OVERFLOW_MODULE,
    accumulator_netlist,
    overflow_harness,
)
from consilico.sim.rtlsim.proofs.design import Design
from consilico.sim.rtlsim.proofs.slicing import CFG_TAG, I_TAG, O_TAG, TICKS, Slice, sliced
from consilico.sim.units.contract import Contract
from consilico.sim.units.layout import PLAIN, Layouts

__all__ = [
    "NO_OVERFLOW",
    "PROPERTIES",
    "STEPS_PER_CYCLE",
    "VALID_FIRST",
    "Claim",
    "Model",
    "Property",
    "build_exact_model",
    "build_model",
]

STEPS_PER_CYCLE = 2  # of a model: the clock is a signal

_LIMITS = Limits(wall_s=1800, cpu_s=300)
_FLATTEN = """\
read_verilog -sv design.v
hierarchy -check -top {top}
proc
flatten
memory_map
opt_clean
write_json flat.json
"""
_BUILD_OVERFLOW = f"""\
read_json cut.json
read_verilog -formal -sv overflow.v
hierarchy -check -top {OVERFLOW_MODULE}
proc
flatten
setundef -anyseq
opt_expr
opt_clean
techmap
simplemap
opt_expr
opt_merge
opt_clean
aigmap
write_aiger -zinit overflow.aig
"""
_BUILD = """\
read_json unit.json
rename {top} consilico_unit
read_verilog -formal -sv harness.v
hierarchy -check -top consilico_harness
proc
flatten
opt_clean
setundef -anyseq
clk2fflogic
opt_expr
opt_clean
techmap
simplemap
opt_expr
opt_merge
opt_clean
setundef -anyseq
aigmap
write_aiger -zinit -symbols model.aig
"""


# What drives ``o`` and says in ``o_tag`` whether it depends on what is marked
_MARKED = f"""\
  consilico_unit unit (
    .clk(clk),
    .rst(rst),
    .i__valid(i_valid),
    .i__ready(i_ready),
    .i__payload(i_payload),
    .o__valid(o_valid),
    .o__ready(o_ready),
    .o__payload(o_payload),
{{cfg_ports}}    .{I_TAG}(marks == 2 ? !i_valid : i_mark),
    .{CFG_TAG}(marks == 2 ? !cfg_valid : cfg_mark),
    .{O_TAG}(o_tag),
    .{TICKS}(ticks)
  );"""
_COPIED = """\
  wire [{i_high}:0] i_changes = $anyseq;
  wire [{cfg_high}:0] cfg_changes = $anyseq;
  wire [{i_high}:0] other_i = i_payload
    ^ ((marks == 2 ? !i_valid : i_mark) ? i_changes & {i_data} : 0);
  wire [{cfg_high}:0] other_cfg = cfg_payload
    ^ ((marks == 2 ? !cfg_valid : cfg_mark) ? cfg_changes & {cfg_data} : 0);
  wire [{o_high}:0] other_o;
  assign o_tag = o_payload != other_o;
  assign ticks = 0;
  consilico_unit unit (
    .clk(clk),
    .rst(rst),
    .i__valid(i_valid),
    .i__ready(i_ready),
    .i__payload(i_payload),
    .o__valid(o_valid),
    .o__ready(o_ready),
{cfg_ports}    .o__payload(o_payload)
  );
  consilico_unit other (
    .clk(clk),
    .rst(rst),
    .i__valid(i_valid),
    .i__ready(),
    .i__payload(other_i),
    .o__valid(),
    .o__ready(o_ready),
{other_cfg_ports}    .o__payload(other_o)
  );"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Verilog that claims to be a unit with streams, and what it promises about them."""

    text: str
    top: str  # name of its module
    layouts: Layouts  # fields of its payloads
    contract: Contract | None  # None: nothing beyond valid, ready and payload
    latency_cycles: int  # from the handshake on ``i`` to that on ``o`` when nothing stalls


@dataclass(frozen=True, kw_only=True)
class Property:
    """One promise of a unit, and what it is called."""

    name: str
    statement: str  # one line for people
    needs_contract: bool = False  # what completes results must be known
    of_data: bool = False  # it speaks of bits of the payload that decide nothing
    follows_marks: bool = False  # and of what depends on them
    # Whether a unit has what it is about
    applies: Callable[[Claim, "Model"], bool] = lambda claim, model: True


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a prover takes: an AIGER file with one output per property of :data:`PROPERTIES`."""

    aiger: bytes
    overflow: bytes | None  # likewise, for NO_OVERFLOW; None if there are no accumulators
    slice: Slice


VALID_FIRST = Property(
    name="valid_first", statement="o valid does not wait for ready in the same cycle"
)
NO_OVERFLOW = Property(
    name="no_overflow",
    statement="accumulators hold every sum of the declared length, for beats within their bounds",
    applies=lambda claim, model: model.overflow is not None,
)
# In the order of the bits of ``violated``
PROPERTIES = (
    Property(
        name="valid_held",
        statement="o valid stays until ready",
    ),
    Property(
        name="payload_held",
        statement="the payload on o does not change until ready",
    ),
    Property(
        name="silent_after_reset",
        statement="nothing is valid after a reset before an input was taken",
    ),
    Property(
        name="nothing_doubled",
        statement="no result without the input that completes it",
        needs_contract=True,
    ),
    Property(
        name="nothing_lost",
        statement="every result comes within the latency, even if the consumer waits for valid",
        needs_contract=True,
    ),
    Property(
        name="no_deadlock",
        statement="whoever offers a beat is served, whatever order valid and ready come in",
        needs_contract=True,
    ),
    Property(
        name="in_order",
        statement="a result depends on its own beats: none reordered, none from before a reset",
        needs_contract=True,
        of_data=True,
        follows_marks=True,
    ),
    Property(
        name="configuration_in_order",
        statement="a configuration changes no result of beats accepted before it",
        needs_contract=True,
        applies=lambda claim, model: claim.layouts.cfg.width > 0,
        follows_marks=True,
    ),
    Property(
        name="invalid_ignored",
        statement="a payload that is not valid reaches no result",
        of_data=True,
        follows_marks=True,
    ),
    Property(
        name="clocks_stop",
        statement="no gated clock ticks while nothing moves",
        needs_contract=True,
        applies=lambda claim, model: bool(model.slice.ticks),
    ),
    Property(
        name="masked_clocks_stop",
        statement="a masked lane costs no clock energy",
        needs_contract=True,
        applies=lambda claim, model: bool(claim.contract and claim.contract.masked_clocks),
    ),
)


def build_model(claim: Claim) -> Model:
    """Build the model of a unit.

    Raises:
        ToolError: If Yosys does not read the Verilog, or it has cells that are not known here.
    """
    with work_folder("model") as folder:
        (folder / "design.v").write_text(claim.text)
        (folder / "flatten.ys").write_text(_FLATTEN.format(top=claim.top))
        yosys = ["yosys", "-q", "-s"]
        run_tool("yosys", [*yosys, "flatten.ys"], _LIMITS, folder=folder).check()
        found = sliced((folder / "flat.json").read_text(), claim.top)
        properties = resources.files(__package__).joinpath("stream_properties.v").read_text()
        (folder / "unit.json").write_text(found.text)
        (folder / "harness.v").write_text(properties + _harness(claim, found, _MARKED))
        (folder / "build.ys").write_text(_BUILD.format(top=claim.top))
        run_tool("yosys", [*yosys, "build.ys"], _LIMITS, folder=folder).check()
        aiger = (folder / "model.aig").read_bytes()
        return Model(aiger=aiger, slice=found, overflow=_overflow(claim, folder))


def build_exact_model(claim: Claim, found: Slice) -> bytes:
    """Build a model in which a mark is a difference between two copies of the unit.

    Both are given the same but for the data of what is marked, and registers hold 0 at the start,
    so that a counterexample is one of the unit. It is large: for short runs only.

    Raises:
        ToolError: If Yosys fails.
    """
    with work_folder("model") as folder:
        (folder / "unit.json").write_text(found.exact)
        properties = resources.files(__package__).joinpath("stream_properties.v").read_text()
        (folder / "harness.v").write_text(properties + _harness(claim, found, _COPIED))
        (folder / "build.ys").write_text(_BUILD.format(top=claim.top))
        run_tool("yosys", ["yosys", "-q", "-s", "build.ys"], _LIMITS, folder=folder).check()
        return (folder / "model.aig").read_bytes()


def _overflow(claim: Claim, folder: Path) -> bytes | None:
    """Build the model of the unit's accumulators from the flat design in a folder."""
    accumulators = claim.contract.accumulators if claim.contract else ()
    if not accumulators:
        return None
    design = Design(json.loads((folder / "flat.json").read_text()), claim.top)
    netlist = accumulator_netlist(design, accumulators)
    (folder / "cut.json").write_text(netlist)
    (folder / "overflow.v").write_text(overflow_harness(accumulators, netlist, claim.top))
    (folder / "overflow.ys").write_text(_BUILD_OVERFLOW)
    run_tool("yosys", ["yosys", "-q", "overflow.ys"], _LIMITS, folder=folder).check()
    return (folder / "overflow.aig").read_bytes()


def _harness(claim: Claim, found: Slice, instances: str) -> str:
    """Return the module around unit and promises, with neighbours that do what they like."""
    contract, layouts = claim.contract or Contract(), claim.layouts
    latency_cycles = claim.latency_cycles
    ports = layouts.ports
    configured = ports.cfg_width > 0
    fields = "".join(
        f"  wire [{item.width - 1}:0] i_{item.name.replace('.', '_')}"
        f" = i_payload[{item.offset} +: {item.width}];\n"
        for item in layouts.i.fields
        if item.lane is None and item.name != PLAIN
    )
    wait = latency_cycles if contract.wait_cycles is None else contract.wait_cycles
    place = max(1, (contract.group_beats - 1).bit_length())
    cfg_ports = "".join(
        f"    .cfg__{name}(cfg_{name}),\n" for name in ("valid", "ready", "payload") if configured
    )
    offsets = {item.label: item.offset for item in layouts.i.fields}
    masked = [
        f"(masked[{offsets[label]}] && ({' || '.join(f'toggled[{at}]' for at in places)}))"
        for label, clock in contract.masked_clocks.items()
        if (places := [at for at, name in enumerate(found.ticks) if name == clock])
    ]
    made = instances.format(
        cfg_ports=cfg_ports,
        other_cfg_ports=cfg_ports.replace("(cfg_payload)", "(other_cfg)").replace(
            "(cfg_ready)", "()"
        ),
        i_data=_mask(found.i_data, ports.i_width),
        cfg_data=_mask(found.cfg_data, ports.cfg_width),
        i_high=ports.i_width - 1,
        cfg_high=max(1, ports.cfg_width) - 1,
        o_high=ports.o_width - 1,
    )
    return f"""
module consilico_harness(output [{len(PROPERTIES) - 1}:0] violated);
  (* gclk *) wire step;
  reg clk = 0;
  always @(posedge step) clk <= !clk;

  wire [{ports.i_width - 1}:0] some_i = $anyseq;
  wire [{max(1, ports.cfg_width) - 1}:0] some_cfg = $anyseq;
  wire some_i_valid = $anyseq, some_cfg_valid = $anyseq, some_ready = $anyseq;
  wire some_reset = $anyseq, some_mark = $anyseq;
  wire [1:0] marks = $anyconst;

  reg rst = 1, i_valid = 0, cfg_valid = 0, o_ready = 0;
  reg i_mark = 0, cfg_mark = 0, marked = 0;
  reg [{ports.i_width - 1}:0] i_payload;
  reg [{max(1, ports.cfg_width) - 1}:0] cfg_payload;
  wire i_ready, o_valid, o_tag;
  wire [{ports.o_width - 1}:0] o_payload;
{fields}  wire cfg_ready{"" if configured else " = 1"};
  wire [{max(1, len(found.ticks)) - 1}:0] ticks;

  // a producer holds its offer until it is taken or a reset comes; one offer may be marked
  always @(posedge clk) begin
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

{made}

  wire [8:0] broken;
  wire quiet;
  wire [{place - 1}:0] position;
  consilico_stream_properties #(
    .O_WIDTH({ports.o_width}),
    .LATENCY({latency_cycles}),
    .WAIT({wait}),
    .COUNT({contract.most_due.bit_length()}),
    .GROUP({contract.group_beats}),
    .PLACE({place}),
    .TIME({(max(latency_cycles, wait) + 2).bit_length()})
  ) properties (
    .clk(clk),
    .rst(rst),
    .i_valid(i_valid),
    .i_ready(i_ready),
    .i_tag(i_mark),
    .completes({contract.completes}),
    .position(position),
    .cfg_valid(cfg_valid),
    .cfg_ready(cfg_ready),
    .cfg_tag(cfg_mark),
    .o_valid(o_valid),
    .o_ready(o_ready),
    .o_payload(o_payload),
    .o_tag(o_tag),
    .marks(marks),
    .violated(broken),
    .quiet(quiet)
  );

  // a tick is a change from one step to the next; what was quiet, or masked, was so before the edge
  reg [{max(1, len(found.ticks)) - 1}:0] ticks_before;
  reg [{ports.i_width - 1}:0] masked = 0;
  always @(posedge step) ticks_before <= ticks;
  always @(posedge clk) masked <= i_valid && i_ready && !rst ? i_payload : 0;
  wire [{max(1, len(found.ticks)) - 1}:0] toggled = ticks ^ ticks_before;
  assign violated[8:0] = clk ? 0 : broken;
  assign violated[9] = quiet && |toggled;
  assign violated[10] = clk && ({" || ".join(masked) or "0"});
endmodule
"""


def _mask(places: Sequence[int], width: int) -> str:
    """Return a Verilog constant with ones at these places."""
    return f"{max(1, width)}'h{sum(1 << place for place in places):x}"
