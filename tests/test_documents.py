"""Every figure in README.md and docs/ comes from data: see scripts/documents.py."""

import importlib.util
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from scripts import documents, evidence, operators_study

ROOT = documents.ROOT
FIGURE = re.compile(
    r"\d[\d.,]*\s?(?:[um]m[²2]|[mpnu]?J|[mpn]?s|[KMGT]i?B|[um]?W|%)(?![\w/])"  # with a unit
    r"|(?<![\w.])\d+\.\d+(?![\w.])"  # a decimal number
)
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)|arXiv \d+\.\d+", re.S | re.M)
# Documents whose figures may only stand in parts made from data, with the figures that are no
# measurement of ours, and why.
ALLOWED: dict[str, dict[str, str]] = {
    "README.md": {
        "16 GB": "the card that people have",
        "3.11": "Python",
        "3.14": "Python",
        "2.0": "the licence",
    },
    "consmax.md": {"0.6 %": "the bound that the defaults were searched for"},
    "softmax.md": {"0.568": "constant of SOLE", "0.818": "constant of SOLE"},
    "accuracy.md": {},
    "consmax_training.md": {
        "0.5": "beta at first, arXiv 2402.10930",
        "2.5": "beta at first, arXiv 2402.10930",
    },
    "compare.md": {},
    "dot.md": {"99.6 %": "of zero points, from the language model itself"},
    "systolic.md": {},
    "your-own-design.md": {},
    "your-own-testbench.md": {},
    "requantization.md": {},
    "training.md": {},
    "kits.md": {"3.3": "supply of a corner, V"},
    "memory.md": {
        "4.57": "version of transformers",
        "4.48": "version of transformers",
        "0.50": "version of bitsandbytes",
        "8.1 MiB": "cuBLAS's workspace, from PyTorch's source: sim/memory/gpus.py",
        "32 MiB": "the same on Hopper",
        "15 s": "time that a user waits for a model that is executed, rounded up",
        "8.0": "compute capability",
        "0.1 %": "limit of `make verify-full`",
    },
    "estimate.md": {
        "1 %": "limit in tests/sim/estimate/operators/test_census.py",
        "3.5 %": "limit in tests/sim/estimate/operators/test_census.py",
        "5 %": "limit in tests/sim/estimate/operators/test_census.py",
        "90 %": "the level of intervals, LEVEL in sim/estimate/operators/fit.py",
    },
    "scaling.md": {
        "93.65": "coefficient in sim/estimate/nodes/scaling.toml",
        "93.63": "the same coefficient in another transcription",
        "0.3 %": "93.65 against 93.63",
        "30 %": "limit in sim/estimate/nodes/scaling.py",
        "1.1": "supply of nangate45, V",
        "1.04": "end of the published fit, V",
        "1.8": "supply of sky130hd, V",
        "1.3": "supply of the paper's 130 nm, V",
    },
    "verification.md": {},
    "power.md": {
        "3.1": "version of OpenSTA",
        "70 %": "assumption of the clock tree",
        "64 MB": "limit of counts in memory",
    },
    "claims.md": {},
    "memories.md": {"5 %": "bitline swing in technology.toml", "2 MB": "range of the SRAM model"},
    "implementation.md": {
        "0.23": "version of Yosys",
        "0.01": "default of --resolution",
        "1 %": "the same",
        "300 s": "limit of a proof, PROOF_S in sim/silicon/implement.py",
        "15 %": "what is claimed of an energy of the last rung",
        "4 %": "limit of the router test, tests/sim/silicon/layout/test_router.py",
        "1.22": "metadata of OpenROAD-flow-scripts, published",
        "1.37": "the same",
        "28 %": "the same",
    },
    "training_hardware.md": {
        "4.4": "section of a paper",
        "5.1": "algorithm of a paper",
        "32 KiB": "macro of the SRAM model's, sim/accelerator/costs.py",
        "0.362": "LAZY in sim/memory/step_time.py, published",
    },
    "system.md": {},
    "explore.md": {},
    "tile.md": {},
    "qgalore.md": {
        "1.0": "version of q-galore-torch",
        "0.949": "worked example of the zero point",
        "0.1": "worked example of the zero point",
    },
}
PARTS = [
    pytest.param(path, match[2], id=f"{path.name}: {match[2]}")
    for path in documents.documents()
    for match in documents._PART.finditer(path.read_text())
]


def strangers(text: str, allowed: Iterable[str]) -> list[str]:
    """Return the figures of a document that stand outside of its parts and are not allowed."""
    found = FIGURE.findall(_CODE.sub(" ", documents.without_parts(text)))
    return [figure for figure in found if figure not in allowed]


@pytest.mark.parametrize(("path", "name"), PARTS)
def test_a_part_is_what_its_data_give(path: Path, name: str) -> None:
    part = next(m for m in documents._PART.finditer(path.read_text()) if m[2] == name)
    assert part[0] == documents.rewritten(part[0]), "run: make documents"


def test_every_part_stands_in_a_document() -> None:
    assert {param.values[1] for param in PARTS} == set(documents.PARTS)


def page(name: str) -> str:
    return (ROOT / name if name == "README.md" else ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("name", ALLOWED)
def test_figures_stand_only_in_parts(name: str) -> None:
    assert strangers(page(name), ALLOWED[name]) == []


@pytest.mark.parametrize("name", ALLOWED)
def test_no_figure_is_allowed_in_vain(name: str) -> None:
    assert sorted(set(ALLOWED[name]) - set(strangers(page(name), ()))) == []


def test_constants_of_the_documents_are_those_of_the_code() -> None:
    from consilico.sim.accelerator.costs import MACRO_BITS, MACRO_WORDS
    from consilico.sim.estimate.nodes import scaling
    from consilico.sim.estimate.operators.fit import LEVEL
    from consilico.sim.memory.step_time import LAZY
    from consilico.sim.silicon import implement
    from consilico.sim.silicon.power import clock_tree

    for name, words in (
        ("training_hardware.md", f"macros of {MACRO_WORDS * MACRO_BITS // 8192} KiB"),
        ("training_hardware.md", f"leaves {LAZY} of them"),
        ("estimate.md", f"a {LEVEL:.0%} level".replace("%", " %")),
        ("scaling.md", f"more than {1 - scaling._TURNED:.0%}".replace("%", " %")),
        ("implementation.md", f"({implement.PROOF_S:g} s of processor time"),
        ("implementation.md", f"up to {implement._QUICK_CELLS:,} cells"),
        ("power.md", f"filling {clock_tree._UTILIZATION:.0%}".replace("%", " %")),
    ):
        assert words in page(name), name


def test_the_study_of_operators_is_of_this_calibration() -> None:
    from consilico.sim.estimate.operators.tables import read_calibration

    study = json.loads((ROOT / "docs" / "operators_study.json").read_text())
    assert study["calibrated"] == read_calibration(operators_study.KIT).date
    for row, known in zip(operators_study.rows(), study["rows"], strict=True):
        assert (row.unit, row.config) == (known["unit"], known["config"])
        assert (row.area_um2, row.path_ns, row.energy_beat_pj) == tuple(known["measured"].values())
        formulas = operators_study.by_formulas(row)
        assert formulas == pytest.approx(known["formulas"], rel=1e-6), row.unit


def test_evidence_is_kept_for_the_same_verilog_only() -> None:
    old = {"unit": "a", "settings": [], "verilog_sha256": "1", "mutants": {"killed": 3}}
    lost = {"nothing_lost": {"verdict": "proved", "depth_cycles": None}}
    new = {"unit": "a", "settings": [], "verilog_sha256": "1", "proofs": lost}
    assert evidence.put([old], new) == [{**old, **new}]
    changed = {**new, "verilog_sha256": "2"}
    assert evidence.put([old], changed) == [changed]


def test_the_table_of_evidence_says_what_was_measured_with_other_verilog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "_is_current", lambda row: row["unit"] != "sole")
    assert "the Verilog of `sole` has changed" in " ".join(evidence.evidence_part().split())


def test_every_page_is_looked_at() -> None:
    pages = {path.name for path in documents.documents()}
    assert pages - set(ALLOWED) == {"json.md", "python.md"}  # keys, and calls that tests run


def test_a_figure_outside_of_a_part_is_found() -> None:
    text = (
        "Area 12 um²\n<!-- from data: x -->\n3.5 pJ\n<!-- end -->\nand 0.2 % at 14.9 GB, a factor "
        "of 1.4, 40 J, `0.7 W`, 3 simulations"
    )
    assert strangers(text, ["0.2 %"]) == ["12 um²", "14.9 GB", "1.4", "40 J"]


def test_an_edited_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PARTS", {"x": lambda: "area 12 um²"})
    right = "<!-- from data: x -->\narea 12 um²\n<!-- end -->"
    assert documents.rewritten(right) == right
    assert documents.rewritten(right.replace("12", "13")) == right


def test_the_table_of_units_says_which_were_measured_with_other_verilog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "_is_current", lambda row: row.unit != "consmax/log2")
    documents.default_layout.cache_clear()
    assert "the Verilog of `consmax/log2` has changed" in documents.units_part()
    documents.default_layout.cache_clear()


def test_links_between_documents_lead_somewhere() -> None:
    broken: list[Any] = [
        (path.name, target)
        for path in documents.documents()
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def commands(text: str) -> list[str]:
    """Return the command lines of ``consilico`` in a document, without comments."""
    lines = re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )?consilico [^\n`]*", text, re.M)
    inline = re.findall(r"`(consilico [a-z][^`]*)`", text)
    found = [re.sub(r"^(\$ )?([A-Z_]+=\S+ )?", "", line) for line in (*lines, *inline)]
    return [line.split("  ")[0].split(" #")[0].strip() for line in found]


def refusal(line: str) -> str | None:
    """Return what is wrong with a command line; None where command and options exist."""
    from typer.main import get_command

    from consilico.cli import app

    words = shlex.split(line)[1:]
    if words and words[0] in ("--version", "--install-completion"):
        return None
    known: Any = get_command(app)
    while hasattr(known, "commands"):
        if not words:
            return None
        name = words.pop(0)
        if name not in known.commands:
            return f"no command {name!r}"
        known = known.commands[name]
    options = {name for each in known.params for name in (*each.opts, *each.secondary_opts)}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word not in options]
    return f"no option {unknown[0]}" if unknown else None


COMMANDS = [
    pytest.param(line, id=f"{path.name}: {line}")
    for path in (*documents.documents(), ROOT / "CONTRIBUTING.md")
    for line in commands(path.read_text())
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_in_a_document_exists(line: str) -> None:
    assert refusal(line) is None


def test_a_command_that_does_not_exist_is_found() -> None:
    text = (
        "```\n$ consilico forecast x\nconsilico scale --form a  # words\n```\n`consilico pdk show`"
    )
    assert [refusal(line) for line in commands(text)] == [
        "no command 'forecast'",
        "no option --form",
        "no command 'show'",
    ]


def unknown_options(text: str) -> list[str]:
    """Return the options that a document speaks of, such as `--pdk`, and no command has."""
    from typer.main import get_command

    from consilico.cli import app

    known = {"--version", "--install-completion", "--help"}
    for command in vars(get_command(app))["commands"].values():
        known |= {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    plugin = ROOT / "sim" / "rtlsim" / "testing" / "pytest_plugin.py"
    known |= set(re.findall(r'"(--[\w-]+)"', plugin.read_text()))  # options of pytest
    spoken = [word for span in re.findall(r"`(--[^`]*)`", text) for word in span.split()]
    return [word for word in spoken if word.startswith("--") and word not in known]


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: path.name)
def test_an_option_that_a_document_speaks_of_exists(path: Path) -> None:
    assert unknown_options(path.read_text()) == []


def test_an_option_that_does_not_exist_is_found() -> None:
    assert unknown_options("`--pdk` and `--speed 3` and `--precision int8`") == ["--speed"]


def missing(text: str) -> list[str]:
    """Return the files, modules and targets of make that a document names in vain."""
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(
        r"`((?:golden|hw|rtl|sim|reports|consilico|scripts|tests|docs)/[\w./-]*)`", text
    )
    found = [name for name in named if not re.search("[A-Z]{3}", name)]  # KIT stands for any
    found = [name for name in found if not (ROOT / name).exists()]
    for module in re.findall(r"python -m (consilico[\w.]*)", text):
        if importlib.util.find_spec(module) is None:
            found.append(module)
    targets = re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^make ([a-z-]+)", text, re.M)
    found += [f"make {name}" for name in targets if f"\n{name}:" not in makefile]
    return found


@pytest.mark.parametrize(
    "path", [*documents.documents(), ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_files_modules_and_targets_in_a_document_exist(path: Path) -> None:
    assert [name for name in missing(path.read_text()) if name not in LATER] == []


# Files that a command of the document makes.
LATER = ("sim/memory/evidence/measured_gpu.json",)


def test_a_file_that_does_not_exist_is_found() -> None:
    text = "`sim/nothing.py`, `sim/base/errors.py`, `make coffee`, `python -m consilico.nothing x`"
    assert missing(text) == ["sim/nothing.py", "consilico.nothing", "make coffee"]
