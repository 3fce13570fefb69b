"""Comparisons: what is built for each definition, and what ratios are made of."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import exactly
from consilico.sim.comparison import compare as module
from consilico.sim.comparison.compare import candidate, compare
from consilico.sim.comparison.facts import Comparison
from consilico.sim.estimate.memories.cost import buffer_cost
from consilico.sim.silicon.synthesis.outside_memories import OutsideMemory

LEAKAGE_W = 1e-5
CLOCK_NS = 4.0
KINDS = ("none", "sram", "latch")


def implemented(build: Any, **_: Any) -> Any:
    """Stand for an implementation: 1,000 um2 of logic, 2 pJ per score; latches 500 um2 more."""
    config = build.config
    buffer = getattr(config, "buffer", None)
    words = getattr(config, "beats", 0)
    area = {None: 100.0, "sram": 1000.0, "latch": 1500.0, "flop": 2000.0}[buffer]
    memory = OutsideMemory(instance="buffer.memory", words=words, bits=9 * config.lanes)
    return SimpleNamespace(
        area_um2=area,
        path_ns=1.5,
        meets_clock=True,
        clock_ns=CLOCK_NS,
        energy_pj=0.5 if buffer is None else 2.0,
        power=SimpleNamespace(leakage_w=LEAKAGE_W),
        activity=SimpleNamespace(cycles=3000, results=2000),
        memories=(memory,) if buffer == "sram" else (),
        verilog_sha256="ab" * 32,
    )


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Comparison:
    monkeypatch.setattr(module, "_implemented", implemented)
    return compare(
        [candidate("consmax/base2"), candidate("softermax")],
        rows=[64, 256],
        buffers=KINDS,
        workers=1,
    )


def row(compared: Comparison, unit: str, length: int, buffer: str | None) -> Any:
    (found,) = [
        each
        for each in compared.rows
        if (each.unit, each.row, each.buffer) == (unit, length, buffer)
    ]
    return found


def test_a_unit_without_a_buffer_is_there_once_per_row(compared: Comparison) -> None:
    assert [(each.unit, each.row, each.buffer) for each in compared.rows] == [
        ("consmax/base2", 64, None),
        ("consmax/base2", 256, None),
        *(("softermax", length, buffer) for length in (64, 256) for buffer in KINDS),
    ]


def test_the_buffer_stands_apart_from_the_logic(compared: Comparison) -> None:
    assert row(compared, "softermax", 64, "none").area_um2.buffer is None
    latch = row(compared, "softermax", 64, "latch")
    assert (latch.area_um2.logic, latch.area_um2.buffer) == (1000.0, exactly(500.0))
    sram = row(compared, "softermax", 64, "sram")
    model = buffer_cost(64, 9, "sram", "nangate45", "1r1w")
    assert sram.area_um2.buffer == model.area_um2
    assert compared.conditions.sram == model.source


def test_energy_has_what_leaks_in_the_cycles_of_the_row(compared: Comparison) -> None:
    alone = row(compared, "softermax", 256, "none")
    assert alone.cycles_row == 256 + 3 + 0 + 2  # docs/softmax.md: B + g + p + 2
    # recorded: 1.5 cycles per score
    leaks = LEAKAGE_W * CLOCK_NS * 1e3
    expected = 2.0 - leaks * (1.5 - alone.cycles_row / 256)
    assert alone.energy_pj_score.value == pytest.approx(expected)
    assert alone.energy_pj_row.value == pytest.approx(256 * expected)
    model = buffer_cost(256, 9, "sram", "nangate45", "1r1w")
    access = model.read_pj.value + model.write_pj.value
    memory = access + model.leakage_w.value * CLOCK_NS * 1e3 * alone.cycles_row / 256
    sram = row(compared, "softermax", 256, "sram").energy_pj_score
    assert sram.value == pytest.approx(expected + memory)
    assert sram.low < sram.value < sram.high


def test_ratios_are_to_the_first_unit_under_each_definition(compared: Comparison) -> None:
    found = {(each.row, each.buffer): each for each in compared.ratios}
    assert found.keys() == {(length, buffer) for length in (64, 256) for buffer in KINDS}
    latch = found[256, "latch"]
    assert (latch.unit, latch.to, latch.area) == ("softermax", "consmax/base2", exactly(15.0))
    copies = (256 + 5) / 256
    assert latch.area_at_equal_throughput.value == pytest.approx(15.0 * copies)
    assert found[256, "none"].area == exactly(10.0)


def test_a_unit_in_front_adds_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_implemented", implemented)
    names = ("consmax/log2", "softermax", "softermax+base2_scores")
    found = compare([candidate(name) for name in names], buffers=["latch"], workers=1)
    alone, whole = (row(found, name, 256, "latch") for name in names[1:])
    assert {each.unit for each in found.rows} == set(names)  # what is in front is no row of its own
    assert whole.area_um2.logic == alone.area_um2.logic + 100.0
    assert whole.area_um2.buffer == alone.area_um2.buffer
    leaks = LEAKAGE_W * CLOCK_NS * 1e3
    # of 1.5 recorded cycles per score, and then of as many as the whole takes
    front = 0.5 - leaks * (1.5 - alone.cycles_row / 256)
    assert whole.energy_pj_score.value == pytest.approx(alone.energy_pj_score.value + front)
    assert whole.latency_cycles == alone.latency_cycles + 1
    ratio = {each.unit: each for each in found.ratios}
    assert ratio["softermax+base2_scores"].area == exactly(16.0)


def test_a_unit_for_rows_stands_in_front_of_none() -> None:
    with pytest.raises(UserError, match="ita normalizes rows, and stands in front of none"):
        candidate("softermax+ita")


def test_power_is_energy_at_the_throughput_of_each(compared: Comparison) -> None:
    (found,) = [each for each in compared.ratios if (each.row, each.buffer) == (256, "latch")]
    copies = found.area_at_equal_throughput.value / found.area.value
    assert found.power.value == pytest.approx(found.energy.value / copies)


def test_only_a_unit_that_normalizes_has_errors(compared: Comparison) -> None:
    assert row(compared, "consmax/base2", 64, None).error is None
    error = row(compared, "softermax", 64, "latch").error
    assert error.rows == 24
    assert 0.01 < error.max_error < 0.5


def test_what_a_unit_is_not_built_in_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_implemented", implemented)
    both = [candidate("consmax/base2"), candidate("ita:fraction=0")]
    found = compare(both, rows=[4096], buffers=["latch", "none"], workers=1)
    (left,) = found.left_out
    assert (left.unit, left.row, left.buffer) == ("ita:fraction=0", 4096, "latch")
    assert "buffer must be sram for 4096 words" in left.why
    with pytest.raises(UserError, match="buffer must be sram for 4096 words"):
        compare(both, rows=[4096], buffers=["latch"], workers=1)


@pytest.mark.parametrize(
    ("units", "options", "message"),
    [
        (["softermax"], {}, "a comparison needs two units, not softermax"),
        (["ita", "softermax", "ita"], {}, "ita is named twice; accepted: once"),
        (["ita", "softermax"], {"buffers": ["dram"]}, "--buffer must be of none, sram, latch"),
        (["ita", "softermax"], {"traffic": "real"}, "ita has no traffic 'real'; it has: normal"),
        (["ita", "attention/tile"], {}, "attention/tile takes no attention scores; accepted: the"),
        (["ita", "matmul/dot"], {}, "matmul/dot takes no attention scores; accepted: the family"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(
    units: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        compare([candidate(unit) for unit in units], **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("softremax", "softremax"),
        ("ita:fractions=0", "unknown field 'fractions'"),
        ("ita:row=64", "ita:row=64: row is varied; accepted: --row"),
    ],
)
def test_a_candidate_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        candidate(text)


def test_a_comparison_is_drawn(compared: Comparison) -> None:
    from consilico.reports.comparison.charts import compare_plot

    chart = compare_plot(compared)
    area = chart.panels[0]
    assert area.series[0].name == "softermax"
    places = list(area.series[0].x)
    assert places[0] == "logic alone, row 64, 1 lane"
    assert area.series[0].y[places.index("latch, row 64, 1 lane")] == 15.0
    other = replace(compared, ratios=())
    assert all(not panel.series for panel in compare_plot(other).panels)
