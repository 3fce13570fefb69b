"""The example of docs/your-own-design.md: right as it stands, and each planted fault is found."""

from pathlib import Path

import pytest

from consilico import configure, verify_rtl
from consilico.sim.rtlsim.verify import Verification

FOLDER = Path(__file__).resolve().parents[4] / "examples" / "own_design"
SETTINGS: dict[str, int | str | bool] = {
    "output": "fixed",
    "fixed_width": 7,
    "fixed_fraction": 7,
}
FAULTS = {
    "FAULT_PRODUCT": "the product is a bit too narrow",
    "FAULT_TABLE": "a write to one table also lands in the other",
    "FAULT_SATURATION": "a result that is too large wraps",
    "FAULT_ROUNDING": "a result that rounding makes too large wraps",
    "FAULT_EXPONENT": "the exponent wraps",
    "FAULT_MASK": "a masked score is not masked",
    "FAULT_VALID": "a result is lost where no other one follows",
    "FAULT_NIBBLE": "the signed nibble is taken as unsigned",
}


def verified(name: str, *defines: str) -> Verification:
    return verify_rtl(
        [FOLDER / name],
        "consmax_lut",
        "consmax/split",
        configure("consmax/split", **SETTINGS),
        mapping=FOLDER / "map.toml",
        defines=dict.fromkeys(defines, ""),
        simulators=["icarus"],
    )


@pytest.mark.parametrize("name", ["consmax_lut.v", "consmax_lut.sv"])
def test_the_design_is_right(name: str) -> None:
    found = verified(name)
    assert found.problems == ()
    assert found.runs[0].checked > 8000


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_in_verilog_is_found(fault: str) -> None:
    assert not verified("consmax_lut.v", fault).passed


@pytest.mark.parametrize("fault", ["FAULT_PRODUCT", "FAULT_VALID"])
def test_a_fault_in_systemverilog_is_found(fault: str) -> None:
    assert not verified("consmax_lut.sv", fault).passed


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"FAULT_PRODUCT", "FAULT_VALID"}))
def test_every_fault_in_systemverilog_is_found(fault: str) -> None:
    assert not verified("consmax_lut.sv", fault).passed


def test_all_faults_are_in_both_texts() -> None:
    for name in ("consmax_lut.v", "consmax_lut.sv"):
        text = (FOLDER / name).read_text()
        assert all(f"`ifdef {fault}" in text for fault in FAULTS), name
