"""The whole flow on units small enough to count by hand."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.config import Config, integer
from consilico.sim.base.errors import CheckFailed, ToolError, UserError
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.implementation import EquivalenceCheck, GateLevelCheck, Implementation
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist, synthesize
from consilico.sim.silicon.timing.opensta import NOT_MEASURED, opensta_power
from consilico.sim.silicon.timing.sdc import Sdc, read_sdc
from consilico.sim.units.accepted import GoldenResults
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit


@dataclass(frozen=True, kw_only=True)
class DelayConfig(Config):
    """A register of some bits."""

    width: int = integer(8, 1, 64, "bits")


class DelayLine(wiring.Component):
    """Payload and valid bit delayed by one cycle; never stalls."""

    def __init__(self, config: DelayConfig) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(config.width))),
                "o": Out(stream.Signature(unsigned(config.width))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


def alternate(config: DelayConfig, beats: int) -> Stimulus:
    """All bits 0, all bits 1, and so on: every bit toggles every cycle."""
    values = np.where(np.arange(beats) % 2, (1 << config.width) - 1, 0)
    builder = UNIT.builder(config)
    builder.data({"payload": values}, beats)
    return builder.build()


UNIT = Unit(
    name="test/delay",
    summary="one register",
    config=DelayConfig,
    component=DelayLine,
    golden=lambda config, accepted: GoldenResults(beats=accepted.data),
    vectors=lambda config, seed: alternate(config, 64),
    sources={"alternating": alternate},
    coverage=(),
    latency=lambda config: 1,
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Implementation]:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))

    def call(
        unit: Unit = UNIT,
        clock_ns: float = 4.0,
        prove: bool | None = None,
        rung: str = "cells",
        sdc: Sdc | None = None,
        placed: Path | None = None,
        output: Path | None = None,
        **fields: int,
    ) -> Implementation:
        config, flow = DelayConfig(**fields), Flow(rung=rung, sdc=sdc, placed=placed)
        return implement(unit, config, "nangate45", clock_ns, prove=prove, flow=flow, output=output)

    return call


def test_area_of_a_register_is_that_of_its_flip_flops(run: Callable[..., Implementation]) -> None:
    flop = read_liberty(find_kit("nangate45").liberty).cells["DFF_X1"].area_um2
    result = run(width=12)
    # 12 payload bits without reset value logic, one valid bit; the resets need a gate each
    assert result.area_by_class_um2["flip-flops"] == pytest.approx(13 * flop)
    assert result.area_um2 == pytest.approx(sum(result.area_by_class_um2.values()))
    assert result.cells == sum(result.cells_by_type.values())
    assert result.gate_level == GateLevelCheck(checked=8192, mismatches=0, power_up="unknown")
    assert 0 < result.path_ns < 0.5


def test_an_implementation_from_the_cache_is_the_same(run: Callable[..., Implementation]) -> None:
    first = run(width=12)
    assert isinstance(first, Implementation)
    assert run(width=12) == first


def test_sources_of_one_traffic_share_a_measurement_but_not_its_name(
    run: Callable[..., Implementation],
) -> None:
    first = run(width=12)
    other = replace(UNIT, sources={"toggling": alternate}, measured_with=("toggling",))
    second = run(other, width=12)
    assert first.activity.source == "alternating"
    assert second == replace(first, activity=replace(first.activity, source="toggling"))


def test_energy_follows_from_power_clock_and_results(run: Callable[..., Implementation]) -> None:
    result = run(width=12)
    activity, power = result.activity, result.power
    energy = power.total_w * 4e-9 * activity.cycles / activity.results * 1e12
    assert result.energy_pj == pytest.approx(energy)
    assert power.total_w == pytest.approx(power.internal_w + power.switching_w + power.leakage_w)
    assert result.unannotated_pins == 0


def test_dynamic_power_doubles_at_half_the_period(run: Callable[..., Implementation]) -> None:
    slow, fast = run(width=4), run(width=4, clock_ns=2.0)
    assert slow.area_um2 == fast.area_um2  # else the comparison means nothing
    for part in ("internal_w", "switching_w"):
        assert getattr(fast.power, part) == pytest.approx(2 * getattr(slow.power, part))
    assert fast.power.leakage_w == pytest.approx(slow.power.leakage_w)


def test_wrong_results_of_the_netlist_are_an_error(run: Callable[..., Implementation]) -> None:
    def wrong(config: DelayConfig, beats: int) -> Stimulus:
        right = alternate(config, beats)
        expected = right.expected.copy()
        expected[100] ^= 1
        return replace(right, expected=expected)

    with pytest.raises(CheckFailed, match=r"^the netlist of test/delay is wrong: 1 of 8192"):
        run(replace(UNIT, sources={"alternating": wrong}), width=4)


def swapped(run: Callable[..., Implementation], monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the netlist of four bits has two of them swapped."""
    right = synthesize

    def wrong(*arguments: Any) -> MappedNetlist:
        found = right(*arguments)
        text = found.netlist.read_text()
        for old, new in (("[0]", "[?]"), ("[1]", "[0]"), ("[?]", "[1]")):
            text = text.replace(f"(i__payload{old})", f"(i__payload{new})")
        assert text != found.netlist.read_text()
        netlist = found.netlist.with_name("wrong.v")
        netlist.write_text(text)
        return replace(found, netlist=netlist)

    monkeypatch.setattr("consilico.sim.silicon.implement.synthesize", wrong)


def test_a_small_netlist_is_proved_and_simulated(run: Callable[..., Implementation]) -> None:
    found = run(width=4).equivalence
    assert found.method == "proof"
    assert found.proof is not None
    assert found.proof.verdict == "equivalent"
    assert found.proof.proved_points >= 2 * 5 + 6  # registers, outputs
    assert found.results_compared == 8192


def test_a_proof_sees_what_this_traffic_does_not(
    run: Callable[..., Implementation], monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped(run, monkeypatch)
    with pytest.raises(CheckFailed, match=r"is not what its RTL says: \S+ \(D\) differs"):
        run(width=4)


def test_without_a_proof_the_simulation_is_what_counts(
    run: Callable[..., Implementation], monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped(run, monkeypatch)
    found = run(width=4, prove=False).equivalence  # all bits are alike in this traffic
    assert found == EquivalenceCheck(method="simulation", proof=None, results_compared=8192)

    def counting(config: DelayConfig, beats: int) -> Stimulus:
        values = np.arange(beats) % (1 << config.width)
        builder = UNIT.builder(config)
        builder.data({"payload": values}, beats)
        return builder.build()

    with pytest.raises(CheckFailed, match=r"^the netlist of test/delay is wrong: 4096 of 8192"):
        run(replace(UNIT, sources={"alternating": counting}), width=4, prove=False)


def test_area_is_split_by_module_and_by_purpose(run: Callable[..., Implementation]) -> None:
    result = run(width=12)
    assert result.area_by_module_um2 == {"test_delay": result.area_of_modules_kept_um2}
    flops = result.area_by_class_um2["flip-flops"]
    assert result.area_by_purpose_um2 == {
        "registers": pytest.approx(flops), "memories": 0.0, "multipliers": 0.0,
        "rest": pytest.approx(result.area_by_class_um2["combinational"]),
    }  # fmt: skip


def test_wires_load_what_they_connect(run: Callable[..., Implementation]) -> None:
    """A register of eight bits: each bit toggles once per cycle, and so does its wire."""
    cells, laid = run(), run(rung="wires")
    assert (cells.rung, laid.rung) == ("cells", "wires")
    assert [step.rung for step in cells.ladder] == ["cells"]
    assert [step.rung for step in laid.ladder] == ["cells", "wires"]
    assert replace(laid.ladder[0], core_um2=None) == cells.ladder[0]
    assert cells.wirelength_um is None
    assert laid.wirelength_um is not None
    assert laid.utilisation is not None
    assert laid.ladder[1].core_um2 == pytest.approx(laid.area_um2 / laid.utilisation)
    assert laid.path_ns == laid.ladder[1].path_ns
    wire_f = laid.wirelength_um * 0.104578e-15
    toggled_pj = 0.5 * wire_f * laid.voltage_v**2 * 1e12  # per cycle, which has one result
    # those from the ports are driven from outside, valid and reset rest
    assert 0.3 * toggled_pj < laid.energy_pj - cells.energy_pj < toggled_pj


def test_how_far_to_go_is_checked_before_any_work(run: Callable[..., Implementation]) -> None:
    with pytest.raises(
        UserError, match="rung must be one of cells, wires, clock, layout, not 'moon'"
    ):
        run(rung="moon")
    bare = replace(find_kit("nangate45"), wires=None)
    with pytest.raises(UserError, match=r"kit nangate45 has no \[wires\], which a layout needs"):
        implement(UNIT, DelayConfig(), bare, 4.0, flow=Flow(rung="wires"))


def test_a_placement_made_elsewhere_is_taken(
    run: Callable[..., Implementation], tmp_path: Path
) -> None:
    ours = run(rung="wires", output=tmp_path / "out")
    file = tmp_path / "out" / "placement.def"
    # the mapped netlist is closed on its wires once more, from where it ended
    again = run(rung="wires", placed=file).wirelength_um
    assert again == pytest.approx(ours.wirelength_um, rel=0.05)
    # the same cells further apart, in a core of twice the width
    text = file.read_text()
    core = re.search(r"DIEAREA \( 0 0 \) \( (\d+) (\d+) \)", text)
    assert core is not None
    wide = 2 * int(core[1])
    apart = re.sub(
        r"PLACED \( (\d+) ", lambda found: f"PLACED ( {2 * int(found[1])} ",
        re.sub(r"DO (\d+) ", lambda found: f"DO {2 * int(found[1])} ", text),
    ).replace(f"DIEAREA ( 0 0 ) ( {core[1]} ", f"DIEAREA ( 0 0 ) ( {wide} ")  # fmt: skip
    file.write_text(apart)
    loose = run(rung="wires", placed=file)
    assert ours.wirelength_um is not None
    assert loose.wirelength_um is not None
    assert 1.2 < loose.wirelength_um / ours.wirelength_um < 2
    assert loose.utilisation == pytest.approx(0.5 * (ours.utilisation or 0))
    file.write_text(re.sub(r"PLACED \( \d+ \d+ \) (N|FS)", r"PLACED ( 0 0 ) \1", text))
    with pytest.raises(UserError, match="two cells overlap; accepted: a legal placement"):
        run(rung="wires", placed=file)
    with pytest.raises(UserError, match=r"placement.def is for a layout, not for --rung cells"):
        run(placed=file)


def test_own_constraints_name_the_clock(run: Callable[..., Implementation], tmp_path: Path) -> None:
    file, kit = tmp_path / "own.sdc", find_kit("nangate45")
    file.write_text(
        "create_clock -period 4 [get_ports clk]\nset_output_delay 1 -clock clk [all_outputs]\n"
    )
    sdc = read_sdc(file, kit)
    assert run(sdc=sdc).path_ns == pytest.approx(1 + run().path_ns, abs=0.1)
    with pytest.raises(UserError, match="has a clock of 4 ns, not of 3 ns"):
        run(sdc=sdc, clock_ns=3.0)
    file.write_text("create_clock -period 4 [get_ports rst]\n")
    with pytest.raises(UserError, match="clock on the port rst; accepted: clk, the clock of"):
        run(sdc=read_sdc(file, kit))


def test_unknown_kit_is_named() -> None:
    with pytest.raises(UserError, match=r"^unknown process kit 'tsmc5'; there are: "):
        implement(UNIT, DelayConfig(), "tsmc5", 4.0)


def fake_sta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, output: str) -> None:
    program = tmp_path / "sta"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -version ]; then echo {version}; else cat <<X\n{output}\nX\nfi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def cross_check() -> dict[str, float] | str:
    return opensta_power(Path("n.v"), "top", [Path("a.lib")], Path("a.vcd"), "tb/dut", 4.0)


def test_old_opensta_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_sta(tmp_path, monkeypatch, "2.0.17", "")
    assert cross_check() == NOT_MEASURED


def test_recent_opensta_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = '{"Total": {"internal": 1e-3, "switching": 2e-3, "leakage": 3e-6, "total": 3.003e-3}}'
    fake_sta(tmp_path, monkeypatch, "3.1.0", total)
    expected = {
        "internal_w": 1e-3, "switching_w": 2e-3, "leakage_w": 3e-6, "total_w": 3.003e-3,
    }  # fmt: skip
    assert cross_check() == expected


def test_error_of_opensta_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_sta(tmp_path, monkeypatch, "2.6.0", "Error: n.v line 3, syntax error")
    with pytest.raises(ToolError, match=r"^OpenSTA failed: Error: n\.v line 3"):
        cross_check()
