"""The SRAM model: what follows from physics, and published figures within its bar."""

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.memories.sram import sram_macro
from consilico.sim.estimate.memories.sram_estimate import (
    QUANTITIES,
    checks,
    error_factors,
    sram_figures,
)
from consilico.sim.estimate.memories.technology import kinds_at, sram_technology

TECH = sram_technology(45, 1.1, "lop")


def test_more_words_take_more_area_leakage_and_time() -> None:
    macros = [sram_macro(2**power, 32, TECH) for power in range(5, 17)]
    for name in ("area_um2", "leakage_w", "read_pj"):
        values = [getattr(macro, name) for macro in macros]
        assert values == sorted(values), name
    assert macros[-1].access_ns > macros[0].access_ns


@pytest.mark.parametrize(("words", "bits"), [(16, 32), (100, 17), (1024, 64), (65536, 128)])
def test_a_macro_holds_its_words_and_is_larger_than_its_cells(words: int, bits: int) -> None:
    macro = sram_macro(words, bits, TECH)
    assert macro.rows * macro.mux * macro.down >= words
    assert macro.columns * macro.across >= bits * macro.mux
    assert words * bits * 146 * 0.045**2 == pytest.approx(macro.cell_share * macro.area_um2)
    assert 0.05 < macro.cell_share < 0.9
    assert macro.cycle_ns >= macro.access_ns > 0


def test_a_second_port_costs_area_energy_and_leakage() -> None:
    one, two = (sram_macro(512, 32, TECH, ports) for ports in ("1rw", "1r1w"))
    for name in ("area_um2", "read_pj", "leakage_w"):
        assert getattr(two, name) > 1.1 * getattr(one, name), name


def test_a_lower_supply_is_slower_and_takes_less_energy() -> None:
    low = sram_macro(1024, 32, sram_technology(45, 0.8, "lop"))
    high = sram_macro(1024, 32, TECH)
    assert low.access_ns > high.access_ns
    assert 0.4 < low.read_pj / high.read_pj < 0.85


def test_low_standby_power_leaks_less_and_is_slower() -> None:
    fast, frugal = (sram_macro(1024, 32, sram_technology(65, 1.1, kind)) for kind in ("hp", "lstp"))
    assert frugal.leakage_w < fast.leakage_w / 1000
    assert frugal.access_ns > 1.5 * fast.access_ns


def test_tables_between_nodes_are_interpolated() -> None:
    assert kinds_at(90) == ("hp", "lop", "lstp")
    assert kinds_at(130) == ("hp",)
    middle = sram_technology(55, 1.0, "hp")
    ends = sram_technology(45, 1.0, "hp"), sram_technology(65, 1.0, "hp")
    assert middle.gate_f_per_um == pytest.approx(
        (ends[0].gate_f_per_um + ends[1].gate_f_per_um) / 2
    )
    assert min(end.off_a_per_um for end in ends) < middle.off_a_per_um


def test_areas_are_close_to_those_that_cacti_gives() -> None:
    ratios = [
        check.ratio for check in checks() if check.kind == "CACTI" and check.quantity == "area_um2"
    ]
    assert len(ratios) == 3
    assert all(0.8 < ratio < 1.25 for ratio in ratios)


def test_the_bar_covers_every_published_figure() -> None:
    factors = error_factors()
    assert set(factors) == set(QUANTITIES)
    for check in checks():
        low, high = factors[check.quantity]
        assert low <= check.published / check.model <= high
    assert any(check.ratio > 1.2 or check.ratio < 0.8 for check in checks())  # nothing is tuned


def test_every_bar_holds_its_value() -> None:
    for node_nm, volts in ((45, 1.1), (130, 1.2), (32, 0.9), (180, 1.8)):
        for name, figure in sram_figures(256, 32, node_nm, volts, None).items():
            assert figure.low > 0, (node_nm, name)


@pytest.mark.parametrize(
    ("words", "bits", "node_nm", "volts", "message"),
    [
        (8, 64, 45, 1.1, r"^words of an SRAM must be 16 to 262,144, not 8$"),
        (64, 600, 45, 1.1, r"^bits of an SRAM must be 4 to 512, not 600$"),
        (16, 8, 45, 1.1, r"^an SRAM must hold 512 to 16,777,216 bits; 16 words of 8 bits are 128$"),
        (262144, 512, 45, 1.1, r"^an SRAM must hold 512 to 16,777,216 bits; "),
        (64, 64, 350, 3.3, r"^the SRAM model holds from 32 to 180 nm, not at 350$"),
        (64, 64, 45, 0.2, r"^a supply of 0.2 V is outside 0.\d+ to \d.\d+ V of the SRAM model "),
    ],
)
def test_what_the_model_does_not_hold_for_is_refused(
    words: int, bits: int, node_nm: float, volts: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sram_figures(words, bits, node_nm, volts, None)


def test_below_the_tables_leakage_needs_a_known_kit() -> None:
    with pytest.raises(UserError, match=r"^the leakage of an SRAM at 7 nm follows from a kit"):
        sram_figures(64, 64, 7, 0.7, None)
