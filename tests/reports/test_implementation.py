"""The section on implementation says what the facts say, and of what is missing how to get it."""

from dataclasses import replace
from typing import Any

import pytest

from consilico.reports.implementation.facts import (
    ImplementationFacts,
    Implemented,
    UnitSweep,
    implemented,
)
from consilico.reports.implementation.judgements import judge_implementation
from consilico.reports.page.measure import KitFacts, implement_job
from consilico.reports.page.section import Chosen
from consilico.sim.silicon.power.report import Power
from consilico.sim.silicon.sweep import ClockSweep, FastestClock, ParetoNetlist
from consilico.sim.silicon.synthesis.yosys_compare import comparison
from tests.reports.section import charts_of, text_of
from tests.reports.small_implementation import small_implementation

LOG2 = Implemented(
    unit="consmax/log2", settings=(), kit="nangate45", command="consilico implement consmax/log2",
    corner="typical", voltage_v=1.1, clock_ns=2.0, source="model", area_um2=1200.0, path_ns=1.2,
    meets_clock=True, cells=730, power_mw=0.5, operation="result", energy_per_operation_pj=1.5,
    modules_kept_um2=1250.0,
    purpose_um2={"registers": 300.0, "memories": 0.0, "multipliers": 600.0, "rest": 350.0},
    largest_modules="lane0 900, finish0 100", results_compared=8192, proof="equivalent",
    proved_points=244,
)  # fmt: skip
MISSING = Implemented(
    unit="matmul/dot", settings=("lanes=4",), kit="asap7", purpose_um2={},
    command="consilico implement matmul/dot --set lanes=4 --pdk asap7",
)  # fmt: skip


def facts() -> ImplementationFacts:
    """One unit that was measured and one that was not, with plain numbers."""
    sweep = ClockSweep(
        pdk="nangate45", corner="typical", voltage_v=1.1, assumptions={}, tools={},
        verilog_sha256="ab" * 32, points=(),
        pareto=(
            ParetoNetlist(path_ns=0.8, area_um2=1500.0, recipe="clock; gates", clock_ns=0.9),
            ParetoNetlist(path_ns=1.2, area_um2=1200.0, recipe="area", clock_ns=4.0),
        ),
        fastest=FastestClock(
            clock_ns=0.8, missed_ns=0.793, resolution=0.01, area_um2=1500.0,
            recipe="clock; gates", mapped_for_ns=0.9, syntheses=5,
        ),
    )  # fmt: skip
    return ImplementationFacts(
        rows=(LOG2, MISSING),
        curves=(UnitSweep(unit="consmax/log2", settings=("lanes=4",), found=sweep),),
        kit=KitFacts(
            name="nangate45", title="NanGate", node_nm=45, corner="typical", voltage_v=1.1,
            sha256="ef" * 32,
        ),
        tools={"yosys": "0.23", "sta": "2.0.17"},
        chosen=False,
        yosys=comparison(),
    )  # fmt: skip


def text(found: ImplementationFacts) -> str:
    return text_of("implementation", found)


def test_a_unit_stands_with_its_conditions_and_figures() -> None:
    said = text(facts())
    assert (
        "consmax/log2 default nangate45, typical, 1.1 V 2 cells 1,200 1.200 730 model 0.5000 "
        "result 1.500 8,192 RIGHT" in said
    )


def test_what_is_not_measured_is_named_with_its_command() -> None:
    said = text(facts())
    assert (
        "matmul/dot lanes=4 asap7 not measured yet: "
        "consilico implement matmul/dot --set lanes=4 --pdk asap7" in said
    )


def test_a_failure_stands_in_its_row_and_fails_the_report() -> None:
    found = replace(facts(), rows=(LOG2, replace(MISSING, failure="yosys was killed")))
    assert "matmul/dot lanes=4 asap7 yosys was killed FAILED" in text(found)
    assert [check.met for check in judge_implementation(found).checks] == [True, False]


@pytest.mark.parametrize(
    "change", [{"mismatches": 1}, {"results_compared": 0}, {"proof": "different"}]
)
def test_a_wrong_netlist_fails_the_report(change: dict[str, Any]) -> None:
    found = replace(facts(), rows=(replace(LOG2, **change),))
    (check,) = judge_implementation(found).checks
    assert check.must
    assert check.met is False
    assert "WRONG" in text(found)


def test_units_that_were_named_lead_the_page_with_their_figures() -> None:
    assert list(judge_implementation(facts()).cards) == []
    (card,) = judge_implementation(replace(facts(), chosen=True)).cards
    assert (card.label, card.value, card.good) == ("consmax/log2", "1,200 µm², 1.200 ns", True)
    assert card.note == (
        "1.5 pJ per result. nangate45, typical, 1.1 V; clock: 2 ns;"
        " activity: model traffic; cells: mapped cells, ideal wires and clock, no glitches"
    )
    slow = replace(facts(), chosen=True, rows=(replace(LOG2, meets_clock=False),))
    assert judge_implementation(slow).cards[0].good is False


def test_the_fastest_clock_stands_next_to_the_smallest_netlist() -> None:
    said = text(facts())
    assert "consmax/log2 lanes=4 1,200 1.200 0.800 1,250 0.793 1,500 +25.0 % 2" in said


def test_area_kept_apart_stands_next_to_the_flat_one() -> None:
    said = text(facts())
    assert (
        "consmax/log2 nangate45 1,250 +4.2 % 24.0 % 0.0 % 48.0 % 28.0 % lane0 900, finish0 100 "
        "PROVED 244 0" in said
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("different", "DIFFERENT 0 244"), ("not proven", "not proved 0 244"), ("", "not proved")],
)
def test_a_netlist_that_is_not_proved_is_not_called_so(verdict: str, words: str) -> None:
    row = replace(LOG2, proof=verdict, proved_points=0, unproved_points=244)
    said = text(replace(facts(), rows=(row,)))
    assert f"lane0 900, finish0 100 {words}" in said
    assert "PROVED" not in said


def test_the_versions_compared_are_named_with_their_ratios() -> None:
    found = facts()
    said = text(found)
    assert found.yosys is not None
    for row in found.yosys.ratios:
        ratios = [f"{100 * (value - 1):+.1f} %" for value in (row.area_um2, row.path_ns, row.cpu_s)]
        assert f"{row.recipe} {row.units} {' '.join(ratios)}" in said


def test_figures_show_what_was_measured() -> None:
    drawn = charts_of("implementation", facts())
    (series,) = drawn["area_delay_curves"].panels[0].series
    assert series.name == "consmax/log2 (lanes=4)"
    assert series.y == pytest.approx([1.25, 1.0])
    bars = drawn["area_by_purpose"].panels[0].series
    assert [list(bar.y) for bar in bars] == [[24.0], [0.0], [48.0], [28.0]]


def test_nothing_measured_draws_nothing() -> None:
    nothing = replace(facts(), rows=(MISSING,), curves=())
    assert charts_of("implementation", nothing) == {}
    assert "Area by purpose" not in text(nothing)


def test_a_row_holds_what_implement_found() -> None:
    job = implement_job(Chosen(name="matmul/dot"), "asap7", 2.0, "model")
    found = small_implementation(
        "matmul/dot", "model", pdk="asap7", clock_ns=2.0, path_ns=2.5, operation="MAC",
        power=Power(1e-3, 1e-3), area_by_purpose_um2={"registers": 4.0},
        area_by_module_um2={"top": 12.0, "a": 1.0, "b": 3.0, "b/c": 2.0, "d": 2.0, "e": 0.5},
    )  # fmt: skip
    row = implemented(Chosen(name="matmul/dot"), "asap7", job, found, "")
    assert row.largest_modules == "b 3, d 2, a 1, 1 more"
    assert row.purpose_um2 == {
        "registers": 4.0, "memories": 0.0, "multipliers": 0.0, "rest": 0.0,
    }  # fmt: skip
    assert (row.power_mw, row.proof, row.results_compared) == (2.0, "", 8192)
    assert row.command == (
        "consilico implement matmul/dot --pdk asap7 --clock-ns 2 --traffic model --rung cells"
    )
