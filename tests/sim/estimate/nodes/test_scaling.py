"""Scaling between nodes: the published tables, and what is made of them between their nodes."""

import csv
import math
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.nodes.scaling import (
    QUANTITIES,
    VARIANTS,
    Technology,
    area_table,
    fit_value,
    node_fits,
    scaling_data,
    scaling_factor,
    technology,
)

Ratios = tuple[tuple[float, ...], ...]


def _at(node: str, voltage_v: float | None = None, variant: str = "hp") -> Technology:
    return technology(node, voltage_v, variant)


# The tables


def test_tables_are_those_of_the_transcription(shared: Path) -> None:
    lines = (shared / "anchors" / "scaling.csv").read_text().splitlines()
    nodes, ratios = area_table()
    fits = {
        (row.node_nm, variant): row.delay + row.energy + row.power
        for variant in VARIANTS
        for row in node_fits(variant)
    }
    compared = 0
    for kind, node, *values in csv.reader(line for line in lines if not line.startswith("#")):
        numbers = [float(value) for value in values] if kind != "table" else []
        if kind == "area":
            assert list(ratios[nodes.index(int(node))]) == numbers
            compared += 1
        elif kind == "dep":
            size, _, variant = node.partition(" ")
            for name in [variant.lower()] if variant else VARIANTS:
                assert list(fits.pop((int(size), name))) == numbers
            compared += 1
    assert compared == 11 + 18
    assert not fits


def test_worked_example_of_the_authors_corrigendum_comes_out() -> None:
    example = scaling_data()["corrigendum"]
    known, asked = (
        _at(str(example[end]["node_nm"]), example[end]["voltage_v"]) for end in ("from", "to")
    )
    assert round(fit_value("energy", known).value, 3) == example["from"]["energy_factor"]
    assert round(fit_value("energy", asked).value, 4) == example["to"]["energy_factor"]
    factor = scaling_factor("energy", known, asked).value
    assert factor == pytest.approx(example["energy_pj"], abs=1e-4)


def _contradictions(ratios: Ratios) -> int:
    """Pairs and triples that no unrounded ratios could have given: entries have two digits."""

    def ends(value: float) -> tuple[float, float]:
        half = 0 if value == 1 else 0.5 * 10.0 ** (math.floor(math.log10(value) + 1e-9) - 1)
        return value - half, value + half

    size = range(len(ratios))
    return sum(
        not (
            ends(ratios[i][j])[0] * ends(ratios[j][k])[0] <= ends(ratios[i][k])[1]
            and ends(ratios[i][j])[1] * ends(ratios[j][k])[1] >= ends(ratios[i][k])[0]
        )
        for i in size
        for j in size
        for k in size
    )


def test_area_ratios_agree_with_each_other_within_their_two_digits() -> None:
    _, ratios = area_table()
    assert all(row[index] == 1 for index, row in enumerate(ratios))
    assert _contradictions(ratios) == 0
    wrong = [list(row) for row in ratios]
    wrong[4][10] *= 1.1  # 45 to 7 nm
    assert _contradictions(tuple(tuple(row) for row in wrong)) > 0


def test_area_is_the_tables_own_entry() -> None:
    nodes, ratios = area_table()
    for i, row in enumerate(nodes):
        for j, column in enumerate(nodes):
            factor = scaling_factor("area", _at(str(row)), _at(f"{column}nm"))
            assert (factor.value, factor.method) == (ratios[i][j], "tabulated")


# Between and beyond the tables' nodes


def test_a_node_between_two_is_linear_in_the_logarithms() -> None:
    weight = math.log(22 / 32) / math.log(20 / 32)
    area = scaling_factor("area", _at("45"), _at("22nm"))
    assert area.value == pytest.approx(0.46 * (0.21 / 0.46) ** weight)
    assert area.method == "interpolated"
    back = scaling_factor("area", _at("22nm"), _at("45"))
    assert back.value == pytest.approx(2.2 * (4.7 / 2.2) ** weight)
    for quantity in ("delay", "energy", "power"):
        at_22, at_32, at_20 = (fit_value(quantity, _at(node, 0.8)) for node in ("22", "32", "20"))
        assert at_22.value == pytest.approx(at_32.value ** (1 - weight) * at_20.value**weight)
        assert (at_22.method, at_20.method) == ("interpolated", "tabulated")


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_there_and_back_is_the_same(quantity: str, variant: str) -> None:
    for node in ("130", "28", "22", "12", "5"):
        ends = _at("65"), _at(node, None, variant)
        there = scaling_factor(quantity, ends[0], ends[1]).value
        back = scaling_factor(quantity, ends[1], ends[0]).value
        assert there * back == pytest.approx(1, rel=0.1 if quantity == "area" else 1e-9)


def test_below_7_nm_is_extrapolated_and_said_to_be_so() -> None:
    weight = math.log(5 / 10) / math.log(7 / 10)
    area = scaling_factor("area", _at("45"), _at("5nm"))
    assert area.value == pytest.approx(0.1 * (0.059 / 0.1) ** weight)
    assert area.method == "extrapolated"
    assert scaling_factor("energy", _at("45"), _at("5nm")).method == "extrapolated"
    assert scaling_factor("area", _at("5"), _at("5")).value == 1


@pytest.mark.parametrize("name", ["osu035", "350", "181nm", "4.9nm", "3"])
def test_outside_of_the_range_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="scaling covers 5 to 180 nm"):
        technology(name)


@pytest.mark.parametrize("name", ["nangate", "45um", "", "-7", "nm", "hp"])
def test_what_is_neither_kit_nor_node_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"takes a node such as 22nm or a kit .*nangate45"):
        technology(name)


# Supplies and variants


def test_kits_have_their_own_supply_and_nodes_their_nominal_one() -> None:
    kit, node, given = technology("asap7"), technology("7 NM"), technology("asap7", 0.8)
    assert (kit.node_nm, kit.voltage_v, kit.voltage_from) == (7, 0.7, "kit")
    assert (node.node_nm, node.voltage_v, node.voltage_from) == (7, 0.7, "nominal")
    assert (given.voltage_v, given.voltage_from) == (0.8, "given")
    assert technology("nangate45").voltage_v == 1.1
    assert technology("45").voltage_v == 1.0
    assert technology("22").voltage_v == 0.9
    assert 0.75 < technology("12").voltage_v < 0.8


def test_energy_rises_and_delay_falls_with_the_supply() -> None:
    slow, fast = _at("7", 0.5), _at("7", 0.8)
    assert scaling_factor("energy", slow, fast).value > 1.5
    assert scaling_factor("delay", slow, fast).value < 0.7
    assert scaling_factor("area", slow, fast).value == 1


def test_low_power_transistors_are_slower() -> None:
    for node in ("45", "32", "22", "7"):
        hp, lp = (_at(node, 0.9 if node != "7" else 0.7, variant) for variant in VARIANTS)
        assert fit_value("delay", lp).value > 1.4 * fit_value("delay", hp).value
    assert fit_value("delay", _at("90")) == fit_value("delay", _at("90", None, "lp"))
    with pytest.raises(UserError, match="the variant of --to must be hp or lp, not 'ulp'"):
        technology("45", None, "ulp", "--to")


@pytest.mark.parametrize(
    ("node", "voltage_v", "accepted"),
    [("45", 1.3, "45 nm HP .* 0.5 to 1.28 V"), ("45", 0.4, "0.5 to 1.28 V"),
     ("130", 2.0, "130 nm .* 0.65 to 1.9 V"), ("22", 1.3, "32 nm HP .* 0.45 to 1.16 V")],
)  # fmt: skip
def test_a_supply_where_polynomials_mean_nothing_is_refused(
    node: str, voltage_v: float, accepted: str
) -> None:
    with pytest.raises(UserError, match=accepted):
        scaling_factor("delay", _at("65"), _at(node, voltage_v))


def test_polynomials_are_sound_wherever_a_supply_is_accepted() -> None:
    for variant in VARIANTS:
        for row in node_fits(variant):
            low_v, high_v = row.accepted_v
            assert low_v < row.nominal_v < high_v
            for step in range(101):
                volts = min(high_v, low_v + (high_v - low_v) * step / 100)
                place = _at(str(row.node_nm), volts, variant)
                assert all(fit_value(name, place).value > 0 for name in QUANTITIES[1:])


def test_a_supply_past_the_delays_polynomial_is_noted() -> None:
    factor = scaling_factor("delay", technology("nangate45"), technology("asap7"))
    assert len(factor.notes) == 1
    assert "1.1 V is above 1.04 V" in factor.notes[0]
    assert scaling_factor("energy", technology("nangate45"), technology("asap7")).notes == ()
    assert scaling_factor("delay", technology("45"), technology("asap7")).notes == ()
