"""Targets of the ConSmax units: which netlist is judged, and on what."""

from dataclasses import replace
from typing import Any

import pytest

from consilico.reports.consmax.error_curve import error_curve
from consilico.reports.consmax.facts import ConsmaxFacts, lanes_of
from consilico.reports.consmax.judgements import judge_consmax
from consilico.reports.consmax.limits import ENERGY_CLOCK_NS
from consilico.reports.consmax.targets import (
    JudgedTarget,
    OtherNetlist,
    beyond_together,
    judge_targets,
    representative,
)
from consilico.sim.silicon.implementation import Implementation

AREA, PATH, ENERGY = "area, one lane", "longest path", "energy per result at 250 MHz"


@pytest.fixture
def netlists(facts: dict[str, Any]) -> tuple[Implementation, ...]:
    """Every netlist of the ConSmax units; all targets are met."""
    found: ConsmaxFacts = facts["consmax"]
    return found.netlists


def _with_log2(
    netlists: tuple[Implementation, ...], tight_ns: float, tight: Any, slow: Any
) -> tuple[Implementation, ...]:
    """Change log2's netlists of one lane: those mapped for ``tight_ns`` or less, and the others."""
    return tuple(
        replace(it, **(tight if it.clock_ns <= tight_ns else slow))
        if it.unit == "consmax/log2" and lanes_of(it) == 1
        else it
        for it in netlists
    )


def _row(rows: list[JudgedTarget], quantity: str, architecture: str) -> JudgedTarget:
    return next(
        row
        for row in rows
        if (row.target.quantity, row.target.architecture) == (quantity, architecture)
    )


def test_area_and_path_are_of_one_netlist(netlists: tuple[Implementation, ...]) -> None:
    changed = tuple(  # only the netlist for 1.1 ns keeps both limits
        replace(it, area_um2=1200.0, path_ns=1.3)
        if it.unit == "consmax/log2" and lanes_of(it) == 1 and it.clock_ns != 1.1
        else it
        for it in _with_log2(netlists, 1.1, {"area_um2": 1650.0, "path_ns": 1.09}, {})
    )
    rows = judge_targets(changed)
    area, path = (_row(rows, name, "consmax/log2") for name in (AREA, PATH))
    assert (area.clock_ns, path.clock_ns) == (1.1, 1.1)
    assert (area.measured, path.measured) == (1650.0, 1.09)
    assert area.met
    assert path.met
    assert area.others == (OtherNetlist(clock_ns=4.0, value=1200.0, met=True),)
    assert path.others == (OtherNetlist(clock_ns=4.0, value=1.3, met=False),)


def test_no_netlist_within_both_limits_is_a_miss(netlists: tuple[Implementation, ...]) -> None:
    fast, slow = {"area_um2": 1800.0, "path_ns": 1.0}, {"area_um2": 1200.0, "path_ns": 1.6}
    rows = judge_targets(_with_log2(netlists, 1.1, fast, slow))
    area, path = (_row(rows, name, "consmax/log2") for name in (AREA, PATH))
    assert not (area.met and path.met)
    assert area.clock_ns == path.clock_ns


def test_nearest_netlist_to_the_limits_represents(netlists: tuple[Implementation, ...]) -> None:
    chosen = representative(netlists, "consmax/split")
    assert chosen is not None
    assert chosen.clock_ns == ENERGY_CLOCK_NS
    assert representative([], "consmax/split") is None


def test_energy_of_a_tight_netlist_is_given_at_250_mhz(
    netlists: tuple[Implementation, ...],
) -> None:
    changed = tuple(
        replace(it, path_ns=1.05 if it.clock_ns == 1.1 else 1.3)
        if it.unit == "consmax/log2" and lanes_of(it) == 1
        else it
        for it in netlists
    )
    (other,) = _row(judge_targets(changed), ENERGY, "consmax/log2").others
    leakage_pj = 3e-5 * (4.0 - 1.1) * 1e-9 * 1e12 * 9000 / 8192
    assert (other.clock_ns, other.met) == (1.1, True)
    assert other.value == pytest.approx(1.5 + leakage_pj)


def test_targets_met_only_by_different_netlists_are_told(
    netlists: tuple[Implementation, ...],
) -> None:
    assert beyond_together(judge_targets(netlists)) == {"consmax/split": (), "consmax/log2": ()}
    wide = next(it for it in netlists if it.unit == "consmax/log2" and lanes_of(it) == 16)
    changed = (  # fast and hungry, or slow
        *(
            replace(
                it,
                path_ns=1.05 if it.clock_ns == 1.1 else 1.3,
                energy_pj=1.9 if it.clock_ns == 1.1 else 1.5,
            )
            if it.unit == "consmax/log2" and lanes_of(it) == 1
            else it
            for it in netlists
        ),
        replace(wide, clock_ns=1.1),
    )
    rows = judge_targets(changed)
    assert all(row.met for row in rows)
    together = beyond_together(rows)
    assert together["consmax/split"] == ()
    assert len(together["consmax/log2"]) == 1


def test_ratio_over_one_is_a_miss(netlists: tuple[Implementation, ...]) -> None:
    changed = [replace(it, energy_pj=4.1) if it.unit == "consmax/split" else it for it in netlists]
    row = _row(judge_targets(changed), ENERGY, "consmax/split")
    assert row.met is False
    assert row.ratio == pytest.approx(4.1 / 4.0)


def test_error_curve_stays_within_the_certificates() -> None:
    curve = error_curve(8 / 127, -6.1)
    greatest = {name: max(map(abs, errors)) for name, errors in curve.relative_error.items()}
    assert greatest["rounded"] <= 1 / 256
    assert greatest["rounded"] < greatest["log2"] <= 0.006
    assert greatest["rounded"] < greatest["split"] <= 0.0093
    assert curve.score[127] == pytest.approx(-8 / 127)


def test_a_target_is_no_miss_before_all_netlists_are_there(facts: dict[str, Any]) -> None:
    it: ConsmaxFacts = facts["consmax"]
    slow = {"path_ns": 1.3}
    it = replace(it, netlists=_with_log2(it.netlists, 0.0, {}, slow))

    def path(found: ConsmaxFacts) -> bool | None:
        checks = {check.what: check.met for check in judge_consmax(found).checks}
        return checks["log2: longest path"]

    assert path(it) is False
    assert path(replace(it, swept=("consmax/split",))) is None


def test_the_card_of_the_error_says_how_to_get_it_where_it_is_not_measured(
    facts: dict[str, Any],
) -> None:
    it: ConsmaxFacts = facts["consmax"]
    card = judge_consmax(it).cards[0]
    assert (card.value, card.good) == ("0.54% log2, 0.76% split", True)
    card = judge_consmax(replace(it, certificates=())).cards[0]
    assert (card.value, card.note, card.good) == (
        "not measured", "consilico report certifies it", None,
    )  # fmt: skip
