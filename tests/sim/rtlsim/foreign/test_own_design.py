"""The example of docs/your-own-design.md: right, and each planted fault is found and explained."""

import re
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from consilico import configure, unit, verify_rtl
from consilico.cli import main
from consilico.sim.rtlsim.failures import Failure
from consilico.sim.rtlsim.foreign.design import read_design
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.mapping import read_mapping
from consilico.sim.rtlsim.judge import Found, Judge
from consilico.sim.rtlsim.plan import FULL_SPEED, at_full_speed
from consilico.sim.rtlsim.simulators import find_simulator
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
def verified(
    name: str,
    *defines: str,
    replay: Path | None = None,
    simulator: str = "icarus",
    golden: str | None = None,
) -> Verification:
    return verify_rtl(
        [FOLDER / name],
        "consmax_lut",
        "consmax/split",
        configure("consmax/split", **SETTINGS),
        mapping=FOLDER / "map.toml",
        defines=dict.fromkeys(defines, ""),
        simulators=[simulator],
        replay=replay,
        golden=golden,
    )


@cache
def at_full_speed_alone(name: str, fault: str) -> Found:
    """Return what the first replay of a verification finds: the others would find it again."""
    config = configure("consmax/split", **SETTINGS)
    design = read_design([FOLDER / name], "consmax_lut", defines={fault: ""})
    fitted = fit(design, read_mapping(FOLDER / "map.toml"), unit("consmax/split"), config)
    text, icarus = fitted.wrapped(design.form().verilog), find_simulator("icarus")
    others = {"a symptom", "another"}  # explained already, which leaves two of four to explain
    judge = Judge(fitted.unit, config, text, icarus, 1, others, None)
    judge.replay(at_full_speed(FULL_SPEED, fitted.unit.vectors(config, 1)))
    return judge.found


def check_explained(failures: Sequence[Failure], fault: str) -> None:
    first = failures[0]
    assert first.items <= LONGEST_STIMULUS
    assert Path(first.waveform).stat().st_size > 1000
    assert FAULTS[fault] in {field for each in failures for field in each.fields}


@pytest.mark.parametrize(
    "name",
    ["consmax_lut.v", pytest.param("consmax_lut.sv", marks=pytest.mark.exhaustive, id="sv")],
)
def test_the_design_is_right(name: str) -> None:
    found = verified(name)
    assert found.problems == ()
    assert found.runs[0].checked > 6000


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_in_verilog_is_found_and_explained(fault: str) -> None:
    check_explained(at_full_speed_alone("consmax_lut.v", fault).failures, fault)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=[] if fault == "FAULT_SATURATION" else pytest.mark.exhaustive)
        for fault in FAULTS
    ],
)
def test_each_fault_in_systemverilog_is_found_and_explained(fault: str) -> None:
    check_explained(at_full_speed_alone("consmax_lut.sv", fault).failures, fault)


@pytest.mark.exhaustive
def test_a_fault_in_systemverilog_fails_and_its_stimulus_shows_it_again() -> None:
    found = verified("consmax_lut.sv", "FAULT_SATURATION")
    assert not found.passed
    check_explained(found.failures, "FAULT_SATURATION")
    first = found.failures[0]
    words = shlex.split(first.replay)
    assert words[:4] == ["consilico", "verify", "--rtl", str(FOLDER / "consmax_lut.sv")]
    assert words[-2:] == ["--replay", first.stimulus]
    stimulus = Path(first.stimulus)
    again = verified("consmax_lut.sv", "FAULT_SATURATION", replay=stimulus)
    assert again.failures[0].fields == first.fields
    assert verified("consmax_lut.sv", replay=stimulus).passed


@pytest.mark.exhaustive
def test_the_design_is_right_on_verilator_and_to_a_model_of_ones_own() -> None:
    found = verified(
        "consmax_lut.v", simulator="verilator", golden=f"{FOLDER / 'model.py'}:consmax"
    )
    assert found.problems == ()
    assert found.coverage["every_product"] > 0


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
    first = at_full_speed_alone("consmax_lut.v", "FAULT_SATURATION").failures[0]
    assert f"at {first.time_ns} ns, cycle {first.cycle}, of a stimulus of {first.items}" in page
    part = first.fields["lane0/data"]
    assert re.search(rf"lane0/data +{part.got} +{part.expected} +{part.ulp}\n", page)
    # how many of the stimuli of the unit are like this changes with them
    assert re.search(
        rf"[\d,]+ results are wrong like this, by up to {first.worst_ulp} ulp, [\d.]+ in the mean",
        page,
    )


def test_all_faults_are_in_both_texts() -> None:
    for name in ("consmax_lut.v", "consmax_lut.sv"):
        text = (FOLDER / name).read_text()
        assert all(f"`ifdef {fault}" in text for fault in FAULTS), name
