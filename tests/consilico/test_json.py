"""docs/json.md says what every command's JSON holds: compared with what comes out."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import consilico
from consilico.cli import main

ROOT = Path(__file__).resolve().parents[2]
BENCH = str(ROOT / "examples/testbench/bench_plain.py")
UNIT = "training/stochastic_round"  # its stimuli need no language model
Fake = Callable[[str, Any], list[tuple[Any, ...]]]
COMMANDS = [
    ["list"],
    ["generate", UNIT],
    ["verify", UNIT, "--set", "lanes=2", "--sim", "icarus"],
    ["prove", UNIT],
    ["test", BENCH, "--unit", "consmax/log2", "--set", "lanes=4", "--testcase", "random_scores"],
    ["regress", "--units", UNIT, "--configs", "default", "--sim", "icarus", "--resume"],
    ["mutate", UNIT, "--count", "20"],
    ["implement", UNIT, "--set", "lanes=2", "--clock-ns", "2", "--traffic", "normal", "--no-prove"],
    ["sweep", UNIT, "--set", "lanes=2", "--clocks", "4,1.4", "--no-fastest", "--jobs", "1"],
    ["estimate", UNIT],
    ["compare", "consmax/base2", "base2_scores", "--rung", "cells", "--jobs", "1"],
    ["memory", "--model", "llama-60m"],
    ["memory", "--model", "llama-60m", "--gpu", "rtx4060ti-16gb"],
    ["memory-sweep", "--model", "llama-60m", "--batches", "1,2"],
    ["training-hw", "--model", "llama-60m"],
    ["system", "--model", "llama-60m", "--context", "64"],
    ["explore", str(Path(__file__).with_name("small_space.toml"))],
    [
        *("explore", str(Path(__file__).with_name("small_space.toml"))),
        *("--objectives", "area,perplexity"),
    ],
    ["buffer", "--words", "64", "--bits", "8"],
    ["scale", "--from", "nangate45", "--to", "asap7", "--area-um2", "1000", "--delay-ns", "1"],
    ["pdk", "list"],
    ["cache"],
    ["doctor"],
]


def documented(text: str) -> dict[str, dict[str, bool]]:
    """Return for each schema of the document its keys, and whether they are always there."""
    found: dict[str, dict[str, bool]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name = section.splitlines()[0].strip()
        rows = re.findall(r"^\| `([\w\[\].]+)` \| .+? \| ?(.*?) ?\|$", section, flags=re.MULTILINE)
        found[name] = {key: when == "" for key, when in rows}
    return found


def differences(answer: Mapping[str, Any], keys: Mapping[str, bool]) -> list[str]:
    """Return where an answer and the document of its keys do not agree."""
    found = dict.fromkeys(answer, True)
    for key in {key.split("[].")[0] for key in keys if "[]." in key}:
        for item in answer.get(key, []):
            found |= {f"{key}[].{name}": True for name in item}
    del found["schema"], found["version"]
    undocumented = [f"not documented: {key}" for key in found if key not in keys]
    absent = [
        f"not there: {key}"
        for key, always in keys.items()
        # the items of an empty or absent list have no keys
        if always and key not in found and (array := key.split("[].")[0]) in (key, *found)
        if array == key or answer[array]
    ]
    return undocumented + absent


DOCUMENT = documented((ROOT / "docs" / "json.md").read_text())


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_an_answer_has_the_keys_that_the_document_says(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    assert list(answer)[:2] == ["schema", "version"]
    assert answer["version"] == consilico.__version__
    assert differences(answer, DOCUMENT[answer["schema"]]) == []


def test_each_claim_has_the_keys_that_the_document_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["claims", "fira", "lost", "--json", "-"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["claim"] for answer in answers] == [
        "fira/states-against-galore", "fira/states-against-adam", "lost/memory",
    ]  # fmt: skip
    for answer in answers:
        assert list(answer)[:2] == ["schema", "version"]
        assert differences(answer, DOCUMENT[answer["schema"]]) == []


def test_power_has_the_keys_that_the_document_says(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from consilico.sim.silicon.kits.kit import find_kit

    folder = shared / "reference" / "power" / "e2_nangate45"
    arguments = [
        *("power", "--netlist", str(folder / "netlist.v"), "--top", "e2"),
        *("--liberty", str(find_kit("nangate45").liberty[0]), "--clock", "clk"),
        *("--activity", str(folder / "activity.vcd.gz"), "--scope", "tb/dut", "--period-ns", "2"),
    ]
    assert main([*arguments, "--json", "-"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert differences(plain, DOCUMENT["consilico.power/1"]) == []
    more = ["--window-ns", "20", "--clock-tree", "0.1", "--top-consumers", "3", "--json", "-"]
    assert main([*arguments, *more]) == 0
    full = json.loads(capsys.readouterr().out)
    assert set(full) - set(plain) == {"profile", "clock_tree", "top_consumers"}
    assert differences(full, DOCUMENT["consilico.power/1"]) == []


def test_a_key_too_many_and_one_too_few_are_found() -> None:
    keys = {"a": True, "b": False, "rows": True, "rows[].x": True}
    head = {"schema": "s", "version": "v"}
    assert differences({**head, "a": 1, "rows": [{"x": 1}]}, keys) == []
    assert differences({**head, "a": 1, "rows": []}, keys) == []
    assert differences({**head, "a": 1, "rows": [{}]}, keys) == ["not there: rows[].x"]
    assert differences({**head, "rows": [{"x": 1}]}, keys) == ["not there: a"]
    assert differences({**head, "a": 1, "c": 1, "rows": [{"x": 1, "y": 2}]}, keys) == [
        "not documented: c",
        "not documented: rows[].y",
    ]
    assert differences({**head, "a": 1, "rows": [{}]}, keys) == ["not there: rows[].x"]
