"""Proofs of anyone's design: with the unit's streams, and with a wrapper around it."""

from dataclasses import replace
from pathlib import Path

import pytest

from consilico import configure, prove_rtl
from consilico.sim.rtlsim.foreign.design import read_design
from consilico.sim.rtlsim.foreign.prove import prove_design
from consilico.sim.units.contract import Contract
from tests.sim.rtlsim import toy

UNIT = replace(toy.unit(), contract=lambda config: Contract())
OWN = Path(__file__).resolve().parents[4] / "examples" / "own_design"


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [("", "", "proved"), ("free1 = o__ready | ~full1", "free1 = o__ready", "failed")],
)
def test_a_design_with_the_streams_is_proved_and_its_twin_is_not(
    tmp_path: Path, old: str, new: str, verdict: str
) -> None:
    file = tmp_path / "mine.v"
    file.write_text("\n".join(toy.sources(old, new)))
    design = read_design([file], toy.TOP)
    found = prove_design(
        design, None, UNIT, toy.ToyConfig(), 20, only=("nothing_lost",), failures=tmp_path
    )
    assert [proof.verdict for proof in found.proofs] == [verdict]
    assert (tmp_path / "toy_multiply-nothing_lost.vcd").exists() == (verdict == "failed")


def test_a_design_behind_a_wrapper_is_proved() -> None:
    settings: dict[str, int | str | bool] = {
        "output": "fixed",
        "fixed_width": 7,
        "fixed_fraction": 7,
    }
    found = prove_rtl(
        [OWN / "consmax_lut.v"],
        "consmax_lut",
        "consmax/split",
        configure("consmax/split", **settings),
        mapping=OWN / "map.toml",
        limit_s=3,
        only=("valid_held", "silent_after_reset", "no_deadlock"),
    )
    verdicts = {proof.name: proof.verdict for proof in found.proofs}
    assert verdicts["valid_held"] == verdicts["silent_after_reset"] == "proved"
    # a configuration that was accepted along with data that a reset drops once waited forever,
    # which showed in cycle 33
    (served,) = [proof for proof in found.proofs if proof.name == "no_deadlock"]
    assert served.verdict == "proved" or (served.depth_cycles or 0) > 33
