"""The example of docs/your-own-design.md: right, and each planted fault is found and explained."""

import shlex
from functools import cache
from pathlib import Path

import pytest

from consilico import configure, verify_rtl
from consilico.cli import main
from consilico.sim.rtlsim.verify import Verification

FOLDER = Path(__file__).resolve().parents[4] / "examples" / "own_design"
SETTINGS: dict[str, int | str | bool] = {
    "output": "fixed",
    "fixed_width": 7,
    "fixed_fraction": 7,
}
FAULTS = {  # macro: a field in which the fault must show
    "FAULT_PRODUCT": "lane0/data",  # the product is a bit too narrow
    "FAULT_TABLE": "lane0/data",  # a write to one table also lands in the other
    "FAULT_SATURATION": "lane0/data",  # a result that is too large wraps
    "FAULT_ROUNDING": "overflow",  # a result that rounding makes too large wraps
    "FAULT_EXPONENT": "overflow",  # the exponent wraps
    "FAULT_MASK": "lane0/data",  # a masked score is not masked
    "FAULT_VALID": "lane0/data",  # a result is lost where none follows: a later one is in its place
    "FAULT_NIBBLE": "lane0/data",  # the signed nibble is taken as unsigned
}
LONGEST_STIMULUS = 80  # items: two tables have 32 entries


@cache
def verified(name: str, *defines: str, replay: Path | None = None) -> Verification:
    return verify_rtl(
        [FOLDER / name],
        "consmax_lut",
        "consmax/split",
        configure("consmax/split", **SETTINGS),
        mapping=FOLDER / "map.toml",
        defines=dict.fromkeys(defines, ""),
        simulators=["icarus"],
        replay=replay,
    )


def check_found_and_explained(name: str, fault: str) -> Verification:
    found = verified(name, fault)
    assert not found.passed
    first = found.failures[0]
    assert first.items <= LONGEST_STIMULUS
    assert Path(first.waveform).stat().st_size > 1000
    fields = {field for each in found.failures for field in each.fields}
    assert FAULTS[fault] in fields
    words = shlex.split(first.replay)
    assert words[:4] == ["consilico", "verify", "--rtl", str(FOLDER / name)]
    assert words[-2:] == ["--replay", first.stimulus]
    return found


@pytest.mark.parametrize("name", ["consmax_lut.v", "consmax_lut.sv"])
def test_the_design_is_right(name: str) -> None:
    found = verified(name)
    assert found.problems == ()
    assert found.runs[0].checked > 6000


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_in_verilog_is_found(fault: str) -> None:
    check_found_and_explained("consmax_lut.v", fault)


def test_a_fault_in_systemverilog_is_found_and_its_stimulus_shows_it_again() -> None:
    found = check_found_and_explained("consmax_lut.sv", "FAULT_PRODUCT")
    stimulus = Path(found.failures[0].stimulus)
    again = verified("consmax_lut.sv", "FAULT_PRODUCT", replay=stimulus)
    assert again.failures[0].fields == found.failures[0].fields
    assert verified("consmax_lut.sv", replay=stimulus).passed


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"FAULT_PRODUCT"}))
def test_every_fault_in_systemverilog_is_found(fault: str) -> None:
    check_found_and_explained("consmax_lut.sv", fault)


def test_the_document_shows_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (FOLDER.parents[1] / "docs" / "your-own-design.md").read_text()
    mapping = (FOLDER / "map.toml").read_text()
    assert mapping[mapping.index("clock") :] in page
    settings = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    arguments = ["map", "--rtl", str(FOLDER / "consmax_lut.v"), "--top", "consmax_lut"]
    arguments += ["--as", "consmax/split", *settings, "-o", str(tmp_path / "map.toml")]
    assert main(arguments) == 0
    assert capsys.readouterr().out.replace(f"{tmp_path}/", "") in page
    first = verified("consmax_lut.v", "FAULT_SATURATION").failures[0]
    assert f"at {first.time_ns} ns, cycle {first.cycle}, of a stimulus of {first.items}" in page
    assert (
        f"{first.results_wrong:,} results are wrong like this, by up to {first.worst_ulp}" in page
    )


def test_all_faults_are_in_both_texts() -> None:
    for name in ("consmax_lut.v", "consmax_lut.sv"):
        text = (FOLDER / name).read_text()
        assert all(f"`ifdef {fault}" in text for fault in FAULTS), name
