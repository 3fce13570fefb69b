"""Build what is proved: the sliced unit, arbitrary neighbors, and the promises about streams.

A step of a model is a cycle; what it looks at is what signals are at the end of that cycle, when
they have settled.
"""

import json
from pathlib import Path

from consilico.sim.base.processes import work_folder
from consilico.sim.rtlsim.proofs.accumulators import (
    OVERFLOW_MODULE,
    accumulator_netlist,
    overflow_harness,
)
from consilico.sim.rtlsim.proofs.aiger import flat_json, write_aiger
from consilico.sim.rtlsim.proofs.clocking import in_cycles
from consilico.sim.rtlsim.proofs.design import FlatModule
from consilico.sim.rtlsim.proofs.harness import HARNESS, Around, harness
from consilico.sim.rtlsim.proofs.promises import Model, StreamPromises
from consilico.sim.rtlsim.proofs.slicing import Slice, sliced

__all__ = ["build_exact_model", "build_model"]

_UNIT = "consilico_unit"


def build_model(claim: StreamPromises) -> Model:
    """Build the model of a unit.

    Raises:
        ToolError: If Yosys does not read the Verilog, or it has cells that are not known here.
        UnknownClock: If its clocks or latches have no meaning at the level of cycles.
    """
    with work_folder("model") as folder:
        flat = flat_json(claim.text, claim.top, folder)
        clocked = in_cycles(FlatModule(json.loads(flat), claim.top), claim.top)
        nets = claim.contract.lemma_nets if claim.contract else {}
        found = sliced(clocked, nets=nets, powered=claim.powered)
        aiger = _around(claim, found, found.text, Around(module=_UNIT, marked=True, ticks=True))
        return Model(aiger=aiger, slice=found, overflow=_overflow(claim, flat, folder))


def build_exact_model(claim: StreamPromises, found: Slice) -> bytes:
    """Build a model in which a mark is a difference between two copies of the unit.

    Registers hold their initial values at the start, or 0, so that both copies hold the same, and a
    counterexample is one of the unit. The model is large: for short runs only.

    Raises:
        ToolError: If Yosys fails.
    """
    return _around(claim, found, found.exact, Around(module=_UNIT, marked=False, ticks=True))


def _around(claim: StreamPromises, found: Slice, netlist: str, around: Around) -> bytes:
    with work_folder("model") as folder:
        (folder / "unit.json").write_text(netlist)
        (folder / "harness.v").write_text(harness(claim, found, around))
        read = (
            "read_json unit.json",
            f"rename {claim.top} {_UNIT}",
            "read_verilog -formal -sv harness.v",
            f"hierarchy -check -top {HARNESS}",
            "proc",
            *([] if around.marked else ["setundef -init -zero"]),
        )
        return write_aiger(read, folder)


def _overflow(claim: StreamPromises, flat: str, folder: Path) -> bytes | None:
    """Build the model of the unit's accumulators."""
    accumulators = claim.contract.accumulators if claim.contract else ()
    if not accumulators:
        return None
    netlist = accumulator_netlist(FlatModule(json.loads(flat), claim.top), accumulators)
    (folder / "cut.json").write_text(netlist)
    (folder / "overflow.v").write_text(overflow_harness(accumulators, netlist, claim.top))
    read = (
        "read_json cut.json",
        "read_verilog -formal -sv overflow.v",
        f"hierarchy -check -top {OVERFLOW_MODULE}",
        "proc",
    )
    return write_aiger(read, folder)
