"""``consilico scale``: what it prints, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consilico.cli import main

ROOT = Path(__file__).resolve().parents[2]


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["scale", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_json_has_value_factor_bar_method_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", "nangate45", "--to", "asap7", "--area-um2", "1000", "--delay-ns", "2"]
    assert main(["scale", *arguments, "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    area, delay = result["area_um2"], result["delay_ns"]
    assert (area["given"], area["factor"]) == (1000, 0.059)
    assert area["value"] == pytest.approx(59)
    bar = area["by_our_units"]
    assert bar["low"] < bar["median"] < bar["high"]
    assert delay["value"] == pytest.approx(2 * delay["factor"])
    assert (area["method"], result["basis"]) == ("tabulated", "estimated")
    assert (result["from"]["voltage_v"], result["to"]["voltage_v"]) == (1.1, 0.7)
    assert "Stillmaker and B. Baas" in result["sources"][0]
    assert "energy_pj" not in result


def test_nodes_supplies_and_variants_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", "65nm", "--to", "22", "--energy-pj", "1", "--json", "-"]
    factors = []
    for more in ([], ["--voltage-to", "0.7"], ["--variant-to", "lp"], ["--voltage-from", "1.3"]):
        assert main(["scale", *arguments, *more]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["energy_pj"]["method"] == "interpolated"
        factors.append(result["energy_pj"]["factor"])
    assert len(set(factors)) == 4
    assert factors[1] < factors[0]


def test_people_see_the_error_bar_and_the_notes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "--from", "nangate45", "--to", "5nm", "--delay-ns", "1"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "extrapolated" in out
    assert "not known" in out
    assert "note: 1.1 V is above 1.04 V" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "45", "--to", "7"], "nothing to scale: give --area-um2"),
        (["--from", "45", "--to", "7", "--area-um2", "0"], "area_um2 must be above 0, not 0"),
        (["--from", "45", "--to", "7", "--power-w", "nan"], "power_w must be above 0, not nan"),
        (["--from", "45", "--to", "7", "--delay-ns", "1", "--voltage-to", "-1"],
         "voltage_to must be above 0, not -1"),
        (["--from", "osu035", "--to", "7", "--area-um2", "1"],
         "--from osu035 is at 350 nm; scaling covers 5 to 180 nm"),
        (["--from", "45", "--to", "3nm", "--area-um2", "1"], "--to 3nm is at 3 nm"),
        (["--from", "45", "--to", "tsmc", "--area-um2", "1"], "--to takes a node such as 22nm"),
        (["--from", "45", "--to", "7", "--delay-ns", "1", "--voltage-to", "1.2"],
         "7 at 1.2 V: the polynomials of 7 nm HP are accepted from 0.35 to 1.05 V"),
        (["--from", "45", "--to", "7", "--delay-ns", "1", "--variant-to", "x"],
         "the variant of --to must be hp or lp, not 'x'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in _refused(capsys, *arguments)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom consilico.cli import main\nmain(['scale', '--help'])\n"
        "print(sorted({'torch', 'numpy', 'amaranth'} & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stderr == "[]\n"
    assert "--voltage-from" in run.stdout
