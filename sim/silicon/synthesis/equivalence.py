"""Proof that a mapped netlist does what its RTL says, register by register.

Both descriptions are cut at their registers and latches: every stored bit becomes an input, and
what it is fed with (data, clock or enable) an output. What is left is combinational, and ABC
compares it output by output (``cec``: structural hashing, simulation, SAT). If all are equal, then
by induction over the cycles both behave alike from any state in which the bits that
:mod:`consilico.sim.silicon.synthesis.register_pairs` has paired hold the same. Library cells count
as their Liberty says; the initial state is not compared, as a netlist has none.

Source of the comparison: A. Mishchenko, S. Chatterjee, R. Brayton, N. Een, "Improvements to
combinational equivalence checking", ICCAD 2006.
"""

import math
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.processes import Ending, Limits, run_tool, work_folder
from consilico.sim.base.results import digest
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.liberty.cellmodels import cell_models
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.and_graph import (
    AndGraph,
    CombinationalLoop,
    blif_model,
    read_and_graph,
    undriven,
)
from consilico.sim.silicon.synthesis.register_pairs import pair_registers
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist
from consilico.sim.silicon.synthesis.yosys import run_yosys, yosys_version

__all__ = ["EquivalenceProof", "cached_proof", "prove_netlist"]

# Word-level cells become AND gates, inverters and stored bits; negative edges and levels become
# inverters. Names stay: no -purge. The netlist's alternative names are what registers match by.
_SCRIPT = """
read_verilog -sv {source}.v
hierarchy -check -top {top}
proc
flatten
memory_collect
memory_map
techmap
opt_expr
dffunmap
simplemap
techmap -map states.v
aigmap
setundef -zero
opt_clean
write_json {source}.json
design -reset
"""
_LATCHES = r"""
module \$_DLATCH_N_ (input E, D, output Q); \$_DLATCH_P_ _TECHMAP_REPLACE_ (.E(~E), .D(D), .Q(Q));
endmodule
"""
_FLOP = r"""
module \$_DFF_{edge}_ (input C, D, output Q);
  \$_DFF_P_ _TECHMAP_REPLACE_ (.C({clock}), .D(D), .Q(Q));
endmodule
"""
_RESET_FLOP = r"""
module \$_DFF_{edge}{level}{value}_ (input C, R, D, output Q);
  \$_DFF_PP{value}_ _TECHMAP_REPLACE_ (.C({clock}), .R({reset}), .D(D), .Q(Q));
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class EquivalenceProof(Facts):
    """Outcome of a proof. A point is a bit of an output port, or an input of a stored bit."""

    verdict: str  # "equivalent", "different" or "not proven"
    proved_points: int
    unproved_points: int
    unproved: tuple[str, ...]  # a point that differs, stored bits without a counterpart, or why
    seconds_limit: float  # processor seconds that the comparison was given


def cached_proof(
    verilog: str, found: MappedNetlist, top: str, kit: Kit, limit_s: float
) -> EquivalenceProof:
    """Return what :func:`prove_netlist` says of a synthesized netlist, from the cache if known.

    Args:
        verilog: The RTL, with all its modules.
        found: What :func:`~consilico.sim.silicon.synthesis.synthesize.synthesize` made of it.
        top: Its top module.
        kit: The process kit of the netlist.
        limit_s: Processor seconds that the comparison may take.

    Raises:
        UserError: If Yosys or its ABC is missing.
        ToolError: If one of them fails.
    """
    netlist = found.netlist.read_text()
    key = digest(
        verilog,
        netlist,
        top,
        kit.sha256,
        yosys_version(),
        limit_s,
        code_digest(__name__),
    )

    def compute() -> EquivalenceProof:
        library = read_liberty((kit.mapping_liberty,))
        return prove_netlist(verilog, netlist, top, library, found.cells_by_type, limit_s)

    return cached_facts(EquivalenceProof, "proof", key, compute)


def prove_netlist(
    verilog: str, netlist: str, top: str, library: Library, cells: Iterable[str], limit_s: float
) -> EquivalenceProof:
    """Compare a netlist with its RTL.

    Args:
        verilog: The RTL, with all its modules.
        netlist: What it was mapped to, flat Verilog.
        top: Top module of both.
        library: The netlist's cells.
        cells: Names of those in it.
        limit_s: Processor seconds that the comparison may take.

    Returns:
        "different" where all stored bits have a counterpart and ABC found values for which an
        output or a register's input differs; "not proven" where a stored bit has no counterpart or
        one that had to be guessed, or time was up.

    Raises:
        UserError: If Yosys or its ABC is missing, or the library does not say what a cell does.
        ToolError: If Yosys cannot read one of them.
    """
    files = {
        "rtl.v": verilog,
        "gates.v": netlist + "\n" + cell_models(library.cells, cells),
        "states.v": _states(),
        "script.ys": "".join(_SCRIPT.format(source=name, top=top) for name in ("rtl", "gates")),
    }
    made = run_yosys(files)
    try:
        cut = _cut(*(read_and_graph(made[f"{name}.json"], top) for name in ("rtl", "gates")))
    except CombinationalLoop as loop:
        return _verdict([], "not proven", [str(loop)], limit_s)
    if cut.unpaired:
        return _verdict(cut.points, "not proven", cut.unpaired, limit_s)
    wrong = _compare(cut, limit_s)
    if wrong is None:
        return _verdict(cut.points, "not proven", [f"no answer within {limit_s:g} s"], limit_s)
    verdict = "equivalent" if not wrong else "not proven" if cut.guessed else "different"
    return _verdict(cut.points, verdict, wrong, limit_s)


def _states() -> str:
    """Return a technology map to flip-flops and latches that are active high."""
    text = _LATCHES + _FLOP.format(edge="N", clock="~C")
    for edge, level in (("N", "P"), ("P", "N"), ("N", "N")):
        clock, reset = ("C" if edge == "P" else "~C"), ("R" if level == "P" else "~R")
        for value in "01":
            text += _RESET_FLOP.format(
                edge=edge, level=level, value=value, clock=clock, reset=reset
            )
    return text


@dataclass(frozen=True, kw_only=True)
class _CutDesigns:
    models: tuple[str, str]  # BLIF with the same inputs, and an output for each point
    points: list[str]
    unpaired: list[str]  # stored bits without a counterpart, and nets that nothing drives
    guessed: bool  # some have one that may be wrong


def _cut(rtl: AndGraph, gates: AndGraph) -> _CutDesigns:
    """Cut both designs at their stored bits, and pair the points to compare."""
    pairs = pair_registers(rtl, gates)
    ports = sorted(rtl.inputs.keys() | gates.inputs.keys())
    drivers = {name: f"i{index}" for index, name in enumerate(ports)}
    left = {bit: drivers[name] for name, bit in rtl.inputs.items()}
    right = {bit: drivers[name] for name, bit in gates.inputs.items()}
    for number, stored in enumerate(gates.stored, start=len(ports)):
        right[stored.output] = "~" * (stored.output in pairs.inverted) + f"i{number}"
    for stored in rtl.stored:
        left[stored.output] = right.get(pairs.of_rtl.get(stored.output, "0"), "0").lstrip("~")
    points = sorted(rtl.outputs.keys() | gates.outputs.keys())
    ends = [rtl.outputs.get(name, "0") for name in points]
    gate_ends = [gates.outputs.get(name, "0") for name in points]
    partner_of = {stored.output: stored for stored in gates.stored}
    names = {bit: name for name, bit in rtl.names.items()}
    for stored in rtl.stored:
        partner = partner_of.get(pairs.of_rtl.get(stored.output, ""))
        for pin, bit in stored.pins.items() if partner else [("D", stored.pins["D"])]:
            points.append(f"{names[stored.output]} ({pin})")
            ends.append(bit)
            inverted = partner is not None and partner.output in pairs.inverted and pin == "D"
            gate_ends.append("~" * inverted + (partner.pins[pin] if partner else "0"))
    return _CutDesigns(
        models=(blif_model(rtl, left, ends), blif_model(gates, right, gate_ends)),
        points=points,
        unpaired=pairs.unpaired + [f"{name} is not driven" for name in undriven(gates)],
        guessed=pairs.guessed,
    )


def _compare(cut: _CutDesigns, limit_s: float) -> list[str] | None:
    """Return the points at which ABC found a difference; None if time was up.

    Raises:
        UserError: If there is no ABC.
        ToolError: If it fails for another reason than time.
    """
    abc = shutil.which("yosys-abc") or shutil.which("berkeley-abc")
    if abc is None:
        raise UserError("yosys-abc is not installed; get it with: apt-get install yosys")
    # processor time: what a busy machine proves must not be less
    limits = Limits(wall_s=60 + 10 * limit_s, cpu_s=math.ceil(limit_s))
    with work_folder("proof") as folder:
        for file, text in zip(("rtl.blif", "gates.blif"), cut.models, strict=True):
            (folder / file).write_text(text)
        command = [abc, "-q", "cec -T 1000000 -C 1000000000 rtl.blif gates.blif"]
        run = run_tool("abc", command, limits, folder=folder)
    if run.ending is Ending.TIMED_OUT:
        return None
    run.check()
    if "UNDECIDED" in run.stdout:
        return None
    if "Networks are equivalent" in run.stdout:
        return []
    differing = re.findall(r"\bo(\d+)\b", run.stdout)
    if "NOT EQUIVALENT" not in run.stdout or not differing:
        raise ToolError(f"abc compared nothing: {(run.stdout + run.stderr).strip()[-300:]}")
    return [cut.points[int(index)] for index in dict.fromkeys(differing)]


def _verdict(
    points: list[str], verdict: str, unproved: list[str], limit_s: float
) -> EquivalenceProof:
    proved = len(points) if verdict == "equivalent" else 0
    return EquivalenceProof(
        verdict=verdict,
        proved_points=proved,
        unproved_points=len(points) - proved,
        unproved=tuple(unproved[:8]),
        seconds_limit=limit_s,
    )
