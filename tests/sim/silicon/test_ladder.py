"""The ladder from cells to a layout: what each rung adds, and that its netlist is still right."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.silicon import ladder
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.implementation import RUNGS, Implementation
from consilico.sim.silicon.layout.layout import PhysicalLayout
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.netlist.edit import NetlistEdit
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit
from tests.sim.silicon.test_implement import UNIT, DelayConfig


class Running(wiring.Component):
    """Each bit becomes the parity of all bits up to it, in a chain; then a register."""

    def __init__(self, config: DelayConfig) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(config.width))),
                "o": Out(stream.Signature(unsigned(config.width))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        taken = stream.Signature(unsigned(len(self.i.payload))).create()
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += [taken.valid.eq(self.i.valid), taken.payload.eq(self.i.payload)]
        m.d.sync += self.o.valid.eq(taken.valid)
        parity = taken.payload[0]
        for bit in range(len(self.i.payload)):
            parity = parity ^ taken.payload[bit] if bit else parity
            m.d.sync += self.o.payload[bit].eq(parity)
        return m


def draw(config: DelayConfig, beats: int) -> Stimulus:
    """Random payloads."""
    values = np.random.default_rng(1).integers(0, 1 << config.width, beats)
    builder = CHAIN.builder(config)
    builder.data({"payload": values}, beats)
    return builder.build()


def parities(config: DelayConfig, accepted: Accepted) -> GoldenResults:
    """Return what the chain makes of what was accepted."""
    data = accepted.data["payload"]
    found, parity = np.zeros_like(data), np.zeros_like(data)
    for bit in range(config.width):
        parity = parity ^ ((data >> bit) & 1)
        found = found | (parity << bit)
    return GoldenResults(beats={"payload": found})


CHAIN = Unit(
    name="test/chain",
    summary="parities in a chain",
    config=DelayConfig,
    component=Running,
    golden=parities,
    vectors=lambda config, seed: draw(config, 64),
    sources={"random": draw},
    coverage=(),
    latency=lambda config: 2,
)


def climbed(unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Implementation:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))
    config = DelayConfig(width=8)
    return implement(unit, config, "nangate45", 1.0, prove=False, flow=Flow(rung="layout"))


def test_glitches_of_a_chain_cost_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = climbed(CHAIN, tmp_path, monkeypatch)
    assert tuple(each.rung for each in found.ladder) == RUNGS
    cells, wires, clock, layout = found.ladder
    assert cells.energy_pj < wires.energy_pj <= clock.energy_pj  # few pins need no buffer
    # half of the later bits change several times per cycle
    assert layout.energy_pj > 1.05 * clock.energy_pj
    assert (found.area_um2, found.path_ns, found.energy_pj) == (
        layout.area_um2, layout.path_ns, layout.energy_pj,
    )  # fmt: skip
    assert (layout.area_um2, layout.path_ns) == (clock.area_um2, clock.path_ns)
    assert found.gate_level.mismatches == 0
    assert found.clock_tree is not None
    assert found.clock_tree.sinks == 18
    assert found.hold is not None
    assert found.hold.violations == 0
    assert found.assumptions["clock"] == "through its tree"
    assert found.assumptions["glitches"] == "counted"


def test_a_register_without_logic_has_no_glitches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = climbed(UNIT, tmp_path, monkeypatch)
    clock, layout = found.ladder[2:]
    assert layout.energy_pj == pytest.approx(clock.energy_pj, rel=0.02)


@pytest.mark.parametrize("step", ["closed", "clocked"])
def test_a_netlist_that_layout_made_wrong_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    right = getattr(ladder, step)

    def wrong(*arguments: Any) -> PhysicalLayout:
        layout: PhysicalLayout = right(*arguments)
        design = layout.placement.design
        flops = [
            index
            for index, each in enumerate(design.netlist.instances)
            if each.cell.startswith("DFF")
        ]
        one, other = flops[0], flops[1]
        pins = [design.netlist.instances[index].pins["D"] for index in (one, other)]
        edit = NetlistEdit(design.netlist, design.library)
        edit.reconnect(one, "D", pins[1])
        edit.reconnect(other, "D", pins[0])
        placement = replace(layout.placement, design=design.changed(edit.done()))
        return replace(layout, placement=placement)

    monkeypatch.setattr(ladder, step, wrong)
    with pytest.raises(CheckFailed, match=r"^the netlist of test/chain is wrong: "):
        climbed(CHAIN, tmp_path, monkeypatch)


def test_a_rung_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="rung must be one of cells, wires, clock, layout, not"):
        Flow(rung="moon")
    with pytest.raises(UserError, match="utilization, aspect and seed are for a layout, not for"):
        Flow(rung="cells", placement=PlacementOptions())
