"""Questions to the simulator of a chip answer what the commands behind them print."""

import json
import shlex
from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.claims.claim import read_claims
from consilico.sim.claims.figure import ClaimAnswer

HEAD = """\
paper = "A paper"
source = "arXiv 0000.00000"
[[claim]]
name = "speed"
says = "It is faster."
where = "abstract"
published = 2
unit = "x"
tolerance = 1
[[claim.condition]]
given = "it runs"
kind = "system"
"""
RUNS = """\
run = { model = "llama-60m", context = 64, tiles = 1, transforms = "2:4 ffn-skip:0.25" }
against = { model = "llama-60m", context = 64, tiles = 1 }
"""


def asked(folder: Path, text: str) -> ClaimAnswer:
    path = folder / "paper.toml"
    path.write_text(HEAD + text)
    (claim,) = read_claims(path)
    return claim.conditions[0].question.answer("x")


@pytest.mark.parametrize(
    ("quantity", "key"), [("latency", "latency_s"), ("energy", "energy_j.total")]
)
def test_a_ratio_is_that_of_the_commands(
    quantity: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(tmp_path, f'quantity = "{quantity}"\nform = "times less"\n{RUNS}')
    values = []
    for command in found.command.split(" && "):
        assert main([*shlex.split(command)[1:], "--json", "-"]) == 0
        value = json.loads(capsys.readouterr().out)
        for part in key.split("."):
            value = value[part]
        values.append(value["value"])
    assert found.figure is not None
    assert found.figure.value == pytest.approx(values[1] / values[0])
    assert found.figure.value > 1


def test_what_is_refused_in_cycles_is_in_the_bytes(tmp_path: Path) -> None:
    runs = RUNS.replace("2:4 ffn-skip:0.25", "owl:0.5")
    times = [
        asked(tmp_path, f'quantity = "{quantity}"\nform = "times less"\n{runs}').figure
        for quantity in ("latency", "weight bytes")
    ]
    assert times[0] is not None
    assert times[0].value == 1
    assert times[1] is not None
    assert times[1].value > 1.2


def test_a_normalizers_share_is_of_the_cycles_of_attention(tmp_path: Path) -> None:
    text = 'quantity = "normaliser\'s share of attention"\nrun = { model = "llama-60m",'
    softmax, online = (
        asked(tmp_path, f'{text} context = 1024, normaliser = "{name}" }}\n').figure
        for name in ("softmax", "online_softmax")
    )
    assert softmax is not None
    assert online is not None
    assert 0 < online.value < softmax.value < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'quantity = "area"\n{RUNS}', "quantity must be one of latency, energy"),
        (f'quantity = "latency"\nform = "amount"\n{RUNS}', "form must be one of times less"),
        ('quantity = "latency"\nrun = { model = "llama-60m" }', "against must be given"),
        ('quantity = "latency"\nrun = { model = "none" }\nagainst = {}', "run is not accepted"),
        (f'quantity = "latency"\n{RUNS.replace("tiles", "tilings")}', "run.tilings is unknown"),
        (f'quantity = "latency"\n{RUNS.replace("tiles = 1", "tiles = 0")}', "tiles must be"),
    ],
)
def test_what_is_not_accepted_names_the_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        asked(tmp_path, text)


@pytest.mark.parametrize("lanes", [16, 256])
def test_shares_of_latency_are_those_of_the_command(
    lanes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = f'run = {{ model = "llama-60m", phase = "prefill", context = 256, lanes = {lanes} }}\n'
    own = asked(tmp_path, f'quantity = "normaliser\'s share of latency"\n{run}')
    on_lanes = asked(tmp_path, f'quantity = "share of latency of softmax on vector lanes"\n{run}')
    assert main([*shlex.split(own.command)[1:], "--json", "-"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert own.figure is not None
    assert own.figure.value == pytest.approx(value["normaliser"]["share_of_latency"])
    assert on_lanes.figure is not None
    # 8 layers of 8 heads; a query sees the keys up to its own; a cycle of 2 ns
    softmax_s = 5 * 8 * 8 * 256 * 257 / 2 / lanes * 2e-9
    share = softmax_s / (value["latency_s"]["value"] + softmax_s)
    assert on_lanes.figure.value == pytest.approx(share)
