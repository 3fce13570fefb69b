"""One function for all buffers, its command, and the facts of the report."""

import json
import math
import re
from typing import Any

import pytest

from consilico.cli import main
from consilico.reports.memories.charts import buffer_charts
from consilico.reports.memories.facts import BufferFacts, buffer_facts
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.memories.cost import KINDS, PORTS, buffer_cost, buffer_costs
from consilico.sim.estimate.memories.sram_estimate import QUANTITIES
from tests.reports.section import html_of


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_alike(kind: str) -> None:
    cost = buffer_cost(64, 24, kind)
    for name in QUANTITIES:
        assert getattr(cost, name).low > 0, name
    assert cost.basis == ("estimated" if kind == "sram" else "calibrated")
    assert cost.source
    assert (cost.pdk, cost.node_nm, cost.voltage_v) == ("nangate45", 45, 1.1)


def test_a_measured_size_is_measured_and_a_size_between_calibrated() -> None:
    exact, between = buffer_cost(32, 8, "flop"), buffer_cost(33, 8, "flop")
    assert exact.basis == "measured"
    assert exact.area_um2.is_exact
    assert between.basis == "calibrated"
    assert between.area_um2.low < between.area_um2.high
    assert between.area_um2.value == pytest.approx(exact.area_um2.value, rel=0.1)


def test_latches_are_smaller_than_flip_flops_and_sram_than_both() -> None:
    flop, latch, sram = (buffer_cost(128, 32, kind, ports="1r1w").area_um2.value for kind in KINDS)
    assert sram < latch < flop


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64, 8, "dram"), r"^kind must be one of flop, latch, sram, not 'dram'$"),
        ((64, 8, "flop", "nangate45", "2rw"), r"^ports must be one of 1rw, 1r1w, not '2rw'$"),
        ((64, 8, "flop", "tsmc5"), r"^unknown process kit 'tsmc5'; there are: "),
        ((64, 8, "flop", "nangate45:hot"), r"^process kit nangate45 has no corner 'hot'; it has"),
        ((4096, 8, "flop"), r"^words of a flop buffer must be 4 to 128, which is what is calib"),
        ((64, 128, "latch"), r"^bits of a latch buffer must be 4 to 64, which is what is calib"),
        ((64, 8, "flop", "gf180mcu"), r"^flop buffers are not calibrated for gf180mcu, corner "),
        ((64, 16, "sram", "osu035"), r"^the SRAM model holds from 32 to 180 nm, not at 350$"),
    ],
)
def test_what_cannot_be_answered_is_one_clear_line(
    arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        buffer_cost(*arguments)


def test_an_sram_cannot_be_measured() -> None:
    with pytest.raises(UserError, match=r"^an SRAM cannot be measured: "):
        buffer_cost(64, 16, "sram", measure=True)


def test_kinds_that_are_not_known_for_a_size_are_refused_by_name() -> None:
    found = buffer_costs(4096, 32)
    assert [item.kind for item in found.buffers] == ["sram"]
    assert set(found.refused) == {"flop", "latch"}
    with pytest.raises(UserError, match=r"^words of a flop .* 4 to 128.*; .*SRAM must be 16 to "):
        buffer_costs(2, 2)
    with pytest.raises(UserError, match=r"^ports must be one of 1rw, 1r1w, not '3r'$"):
        buffer_costs(16, 16, ports="3r")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cycle_takes_what_switches_and_what_leaks_in_it(kind: str) -> None:
    fast, slow = (buffer_cost(64, 16, kind, ports="1r1w", clock_ns=clock) for clock in (4, 8))
    assert fast.read_pj == slow.read_pj  # old keys: without leakage, whatever the clock
    for cost, clock_ns in ((fast, 4.0), (slow, 8.0)):
        cycle = cost.per_cycle
        leaked_pj = cost.leakage_w.value * clock_ns * 1e-9 * 1e12
        assert cycle.clock_ns == clock_ns
        assert cycle.leakage_pj.value == pytest.approx(leaked_pj)
        assert cycle.read_pj.value == pytest.approx(cost.read_pj.value + leaked_pj)
        assert cycle.write_pj.high == pytest.approx(cost.write_pj.high + cycle.leakage_pj.high)
        assert cycle.read_write_pj is not None
        clock_pj = 0.0 if cost.rest_pj is None else cost.rest_pj.value
        switched = cost.read_pj.value + cost.write_pj.value - clock_pj
        assert cycle.read_write_pj.value == pytest.approx(switched + leaked_pj)


def test_what_a_memory_has_not_is_not_a_number() -> None:
    single, double = (buffer_cost(64, 16, "sram", ports=ports).per_cycle for ports in PORTS)
    assert single.read_write_pj is None
    assert double.read_write_pj is not None
    assert double.rest_pj is None
    latches = buffer_cost(64, 16, "latch", ports="1rw").per_cycle
    assert latches.read_write_pj is not None


def test_a_clock_that_a_buffer_cannot_follow_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert buffer_cost(64, 16, "latch").per_cycle.meets_clock
    assert not buffer_cost(64, 16, "latch", clock_ns=0.3).per_cycle.meets_clock
    assert main(["buffer", "--words", "64", "--bits", "16", "--clock-ns", "0.3"]) == 0
    assert re.search(r"latch: needs 0\.\d+ ns, the clock is 0\.3 ns", capsys.readouterr().out)


@pytest.mark.parametrize("clock_ns", [0.0, -1.0, math.inf, math.nan])
def test_a_clock_without_a_period_is_refused(clock_ns: float) -> None:
    with pytest.raises(UserError, match=r"^clock_ns must be above 0, not "):
        buffer_cost(64, 16, "latch", clock_ns=clock_ns)


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["buffer", "--words", "64", "--bits", "16", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["kind"] for item in found["buffers"]] == list(KINDS)
    assert found["refused"] == {}
    options = ["--kind", "sram", "--pdk", "nangate45", "--json", "-"]
    assert main(["buffer", "--words", "1024", "--bits", "64", *options]) == 0
    assert json.loads(capsys.readouterr().out)["basis"] == "estimated"


def test_the_command_shows_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["buffer", "--words", "1024", "--bits", "64"]) == 0
    printed = capsys.readouterr().out
    assert "not modelled" in printed
    assert "no memory compiler" in " ".join(printed.split())
    assert "flop: words of a flop buffer must be 4 to 128" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "dram"], "kind must be one of flop, latch, sram, not 'dram'"),
        (["--measure"], "--measure needs --kind flop or --kind latch"),
        (["--kind", "flop", "--pdk", "gf180mcu"], "flop buffers are not calibrated for gf180mcu"),
    ],
)
def test_the_command_explains_what_is_wrong(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["buffer", "--words", "64", "--bits", "16", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def facts() -> BufferFacts:
    return BufferFacts.from_json(json.loads(json.dumps(buffer_facts().to_json())))


def test_crossovers_are_where_costs_cross(facts: BufferFacts) -> None:
    (row,) = [row for row in facts.crossovers if (row.bits, row.quantity) == (32, "area_um2")]
    words = row.sram_below_latch
    assert row.sram_from == 16
    assert words is not None
    for count in range(words, 129, 16):
        sram, latch = (buffer_cost(count, 32, kind, ports="1r1w") for kind in ("sram", "latch"))
        assert sram.area_um2.value < latch.area_um2.value
    surely = row.sram_surely_below_latch
    assert surely is None or surely >= words


def test_the_report_section_shows_every_check_and_the_figure(facts: BufferFacts) -> None:
    charts = buffer_charts(facts)
    assert [series.name for series in charts[0].panels[0].series] == [
        "flip-flops", "latches", "SRAM (estimated)",
    ]  # fmt: skip
    bars = {panel.title: panel.series[1].y for panel in charts[0].panels[1:]}
    whole, leaked = bars["Cycle with a read and a write"], bars["Of it, leakage"]
    assert all(0 < part < all_of_it for part, all_of_it in zip(leaked, whole, strict=True))
    page = html_of("memories", facts)
    for row in facts.checks:
        assert row.name in page
    assert "None of its figures comes from a memory compiler" in page
