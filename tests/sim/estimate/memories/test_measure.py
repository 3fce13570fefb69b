"""Buffers measured by synthesis and gate-level simulation, and formulas fitted to them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consilico.golden.buffer import BufferConfig
from consilico.hw.buffer import Buffer
from consilico.hw.verilog import convert
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.estimate.memories import measure as module
from consilico.sim.estimate.memories.calibration import (
    QUANTITIES,
    SIZES,
    calibrated_kits,
    calibration,
    fit,
)
from consilico.sim.estimate.memories.measure import (
    BufferActivity,
    MeasuredBuffer,
    buffer_stimulus,
    measure_buffer,
)
from consilico.sim.estimate.memories.technology import kit_inverter, smallest_inverter
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.stimulus import Stimulus

WORDS = np.array([size[0] for size in SIZES])
BITS = np.array([size[1] for size in SIZES])


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILICO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("storage", ["flop", "latch"])
def test_a_buffer_holds_its_bits_and_the_table_what_is_measured_now(storage: str) -> None:
    config = BufferConfig(words=4, bits=4, storage=storage)
    found = measure_buffer(config, "nangate45")
    kit = find_kit("nangate45")
    cells = read_liberty(kit.liberty).cells
    bit = cells["DFF_X1" if storage == "flop" else kit.roles["latch_high"].cell].area_um2
    assert 16 * bit < found.area_um2 < 60 * bit
    assert found.checked > 512
    assert 0 < found.rest_pj < found.read_pj
    assert found.rest_pj < found.write_pj
    assert measure_buffer(config, "nangate45") == found  # from the cache
    assert isinstance(found, MeasuredBuffer)
    table = calibration("nangate45")
    assert table is not None
    known = table.measured(storage, 4, 4)
    assert known is not None
    for name in QUANTITIES:  # the calibration drifts with tools and with our own flow
        assert getattr(found, name) == pytest.approx(getattr(known, name), rel=0.03), name


def test_a_read_and_a_write_in_one_cycle_take_what_cycles_are_added_up_to() -> None:
    config = BufferConfig(words=8, bits=4, storage="latch")
    kit = find_kit("nangate45")
    library = read_liberty(kit.liberty)
    mapped = synthesize(convert(Buffer(config), name="buffer"), "buffer", kit, 4.4)
    power = {
        name: module._replay(config, name, mapped, kit, library)[0]
        for name in ("rest", "read", "write", "both")
    }
    switched = {name: found.internal_w + found.switching_w for name, found in power.items()}
    added = switched["read"] + switched["write"] - switched["rest"]
    assert added == pytest.approx(switched["both"], rel=0.05)
    assert added + switched["rest"] != pytest.approx(switched["both"], rel=0.02)


def test_a_wrong_word_of_the_netlist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(config: BufferConfig, activity: BufferActivity) -> Stimulus:
        right = buffer_stimulus(config, activity)
        expected = right.expected.copy()
        expected[-1] ^= 1
        return replace(right, expected=expected)

    monkeypatch.setattr(module, "buffer_stimulus", wrong)
    with pytest.raises(CheckFailed, match=r"^the netlist of the buffer is wrong: 1 of "):
        measure_buffer(BufferConfig(words=2, bits=2, storage="flop"), "nangate45")


def test_a_missing_kit_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    monkeypatch.delenv("FLOW_HOME", raising=False)
    with pytest.raises(UserError, match=r"^process kit sky130hd is not on this machine; "):
        measure_buffer(BufferConfig(), "sky130hd")


def test_a_fit_finds_the_formula_that_made_the_points() -> None:
    measured = 10 + 2 * BITS + 3 * WORDS + 5 * WORDS * BITS
    formula = fit("area_um2", WORDS, BITS, measured)
    assert formula.coefficients == pytest.approx((10, 2, 3, 5), rel=1e-6)
    assert formula.error < 1e-6
    assert formula([4, 128], 64) == pytest.approx([10 + 128 + 12 + 1280, 10 + 128 + 384 + 40960])


def test_what_the_formula_cannot_follow_shows_in_its_error() -> None:
    measured = 10.0 + 5 * WORDS * BITS
    measured[7] *= 1.3
    assert fit("area_um2", WORDS, BITS, measured).error > 0.2


def test_too_few_points_do_not_make_a_formula() -> None:
    with pytest.raises(ValueError, match=r"^4 points do not fit 4 coefficients of area_um2$"):
        fit("area_um2", WORDS[:4], BITS[:4], WORDS[:4])


# In sky130hd a latch's area is 20 to 26 um2 a bit, in steps: the mapper finds the better
# multiplexers in large buffers only. The interval says so.
LIMITS = {"sky130hd": (0.2, 0.45)}


@pytest.mark.parametrize("pdk", calibrated_kits())
def test_tables_are_whole_and_their_formulas_close(pdk: str) -> None:
    table = calibration(pdk)
    assert table is not None
    assert len(table.table.points) == 2 * len(SIZES)
    assert table.table.pdk == pdk
    assert table.table.tools["yosys"]
    for storage, formulas in table.formulas.items():
        area, any_other = LIMITS.get(pdk, (0.1, 0.35))
        assert formulas["area_um2"].error < area
        assert all(formula.error < any_other for formula in formulas.values())
        for point in table.points(storage):
            for name, formula in formulas.items():
                predicted = float(formula(point.words, point.bits))
                assert predicted == pytest.approx(getattr(point, name), rel=formula.error + 1e-9)


def test_inverters_are_those_of_the_libraries() -> None:
    known = kit_inverter("nangate45")
    assert known is not None
    found = smallest_inverter(find_kit("nangate45").liberty)
    assert found == replace(known, corner="")
    assert found.cell == "INV_X1"
    assert found.leakage_w == pytest.approx(1.435e-8, rel=1e-3)
    assert kit_inverter("tsmc5") is None


def test_a_library_without_an_inverter_is_named(tmp_path: Path) -> None:
    library = tmp_path / "none.lib"
    library.write_text(
        "library (none) { nom_voltage : 1; capacitive_load_unit (1, ff); cell (A) { area : 1; } }\n"
    )
    with pytest.raises(UserError, match=r"none\.lib has no inverter with a leakage power$"):
        smallest_inverter((library,))
