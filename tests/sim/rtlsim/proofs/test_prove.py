"""Proofs: each property holds for a sound unit, and fails for one that is broken in its way."""

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilico.golden.matmul.dot import DotConfig
from consilico.sim.base.errors import UserError
from consilico.sim.base.results import computed_anew
from consilico.sim.rtlsim.proofs import prove
from consilico.sim.rtlsim.proofs.aiger import output_number
from consilico.sim.rtlsim.proofs.engines import ProverAnswer, follow, induct
from consilico.sim.rtlsim.proofs.model import build_model
from consilico.sim.rtlsim.proofs.promises import (
    NO_OVERFLOW,
    PROPERTIES,
    VALID_FIRST,
    StreamPromises,
)
from consilico.sim.rtlsim.proofs.prove import Proof, prove_verilog
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.contract import MOVES, Contract
from tests.sim.rtlsim import toy

UNIT = replace(toy.unit(), contract=lambda config: Contract(ready={"i": MOVES, "cfg": "1"}))
# What breaks each property: text of the toy, and what stands there instead
TWINS = {
    "valid_first": ("o__valid = full1;", "o__valid = full1 & o__ready;"),
    "valid_held": ("if (free1) begin", "begin"),
    "payload_held": ("      result <= product;\n    end", "    end\n    result <= product;"),
    "silent_after_reset": ("      full1 <= 1'b0;\n", ""),
    "nothing_doubled": ("full0 <= i__valid", "full0 <= i__valid | full0"),
    "nothing_lost": ("free1 = o__ready | ~full1", "free1 = o__ready"),
    "no_deadlock": ("free1 | ~full0", "(free1 | ~full0) & cfg__valid"),
    "in_order": ("enable(free0 & i__valid)", "enable(i__valid)"),
    "configuration_in_order": ("result <= product;", "result <= product ^ k;"),
    "invalid_ignored": ("result <= product;", "result <= product ^ i__payload;"),
    "clocks_stop": ("enable(free0 & i__valid)", "enable(free0)"),
    "served_at_once": ("cfg__ready = 1'b1", "cfg__ready = free1"),
}


def decided(text: str, *only: str) -> dict[str, Proof]:
    found = prove_verilog(UNIT, toy.ToyConfig(), text, only=only)
    return {proof.name: proof for proof in found.proofs}


def test_every_property_of_a_sound_unit_is_proved_for_runs_of_any_length() -> None:
    proofs = decided("\n".join(toy.sources()))
    assert {proof.verdict for proof in proofs.values()} == {"proved"}
    assert all(proof.depth_cycles is None for proof in proofs.values())
    assert set(proofs) == set(TWINS)


def test_every_property_has_a_broken_twin() -> None:
    # the toy has no masks and no accumulator: their twins are the last tests
    others = {"masked_clocks_stop", "no_overflow"}
    assert {each.name for each in (VALID_FIRST, *PROPERTIES, NO_OVERFLOW)} == set(TWINS) | others


# half a minute each: marks of data have to travel as far as the data
DEAR = ("in_order", "configuration_in_order")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.exhaustive] if name in DEAR else []) for name in TWINS],
)
def test_a_broken_twin_fails(name: str) -> None:
    proof = decided("\n".join(toy.sources(*TWINS[name])), name)[name]
    assert proof.verdict == "failed"
    if name == "valid_first":  # that is seen in the netlist, without a run
        assert (proof.depth_cycles, proof.trace) == (None, None)
        return
    assert proof.trace is not None
    assert proof.trace.confirmed  # by a simulation
    assert proof.depth_cycles == len(proof.trace.rows) - 1


def test_a_counterexample_can_be_seen_again_without_consilico(tmp_path: Path) -> None:
    text = "\n".join(toy.sources(*TWINS["nothing_lost"]))
    only = ("nothing_lost",)
    (proof,) = prove_verilog(UNIT, toy.ToyConfig(), text, only=only, failures=tmp_path).proofs
    assert proof.trace is not None
    waveform = tmp_path / "toy_multiply-nothing_lost.vcd"
    assert proof.trace.waveform == str(waveform)
    assert "o_valid" in waveform.read_text()
    build, run = proof.trace.replay.split(" && ")
    subprocess.run(shlex.split(build), check=True, cwd=tmp_path)
    shown = subprocess.run(
        shlex.split(run), check=True, cwd=tmp_path, capture_output=True, text=True
    ).stdout
    last = [line.split()[1:-1] for line in shown.splitlines() if line.startswith("consilico")]
    assert tuple(last[len(proof.trace.rows) - 1]) == proof.trace.rows[-1][1:]


def test_a_counterexample_is_shown_whatever_names_the_source_has() -> None:
    """Escaped names may hold dots and brackets, as those of paths and of words of memories do."""
    text = "\n".join(toy.sources(*TWINS["nothing_doubled"]))
    for plain, odd in {
        " product": r" \o__payload.product[0] ",
        "reg full0": r"reg [15:0] \a.memory [0:1]; reg full0",
        "result <= ": r"\a.memory [full1] <= result; result <= \a.memory [full0] ^ ",
    }.items():
        assert plain in text
        text = text.replace(plain, odd)
    proof = decided(text, "nothing_doubled")["nothing_doubled"]
    assert proof.trace is not None, proof.note
    assert proof.trace.confirmed
    testbench = Path(proof.trace.testbench).read_text()
    for path in (r"\o__payload.product[0] ", r"\a.memory [1]"):
        assert f"harness.unit.{path}" in testbench


def test_a_lemma_helps_a_proof_and_is_proved_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    only = ("nothing_doubled",)
    # the toy needs none: let what is tried first, without them, find nothing
    nothing = ProverAnswer(verdict="not proved", engine=None, steps=None, seconds=0.0)
    monkeypatch.setattr(
        prove, "induct",
        lambda model, output, limit_s: nothing if limit_s == prove.QUICK_S
        else induct(model, output, limit_s),
    )  # fmt: skip

    sound, broken = ("\n".join(toy.sources(*edit)) for edit in ((), TWINS["nothing_doubled"]))

    def proof(*lemmas: str, text: str = sound) -> Proof:
        unit = replace(toy.unit(), contract=lambda config: Contract(lemmas=lemmas))
        (found,) = prove_verilog(unit, toy.ToyConfig(), text, only=only).proofs
        return found

    assert "with the lemmas" in proof("due <= 3").note
    # one that is wrong neither breaks a sound unit nor saves a broken one
    wrong = proof("due == 0")
    assert (wrong.verdict, wrong.note) == ("proved", "")
    assert proof("due <= 3", text=broken).verdict == "failed"
    assert proof("due == 0", text=broken).verdict == "failed"


def test_lemmas_that_follow_by_themselves_are_given_to_a_proof_of_what_they_do_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nets = {name: name for name in ("full0", "full1")}
    contract = Contract(lemmas=("due + 0 == full0 + full1",), lemma_nets=nets)
    unit = replace(toy.unit(), contract=lambda config: contract)
    asked = []

    def after_the_first(model: Path, output: int, limit_s: int) -> ProverAnswer:
        if limit_s == prove.QUICK_S:  # without lemmas
            return ProverAnswer(verdict="not proved", engine=None, steps=None, seconds=0.0)
        asked.append(output)
        return induct(model, output, limit_s)

    monkeypatch.setattr(prove, "induct", after_the_first)
    notes = {}
    for edit in ((), TWINS["in_order"]):  # which breaks no lemma
        text = "\n".join(toy.sources(*edit))
        with computed_anew("prove"):
            (found,) = prove_verilog(unit, toy.ToyConfig(), text, 6, only=("in_order",)).proofs
        notes[edit] = found.verdict == "proved", "with the lemmas" in found.note
    assert [*notes.values()] == [(True, True), (False, False)]
    claim = StreamPromises(
        text="\n".join(toy.sources()), top=toy.TOP, latency_cycles=2, contract=contract,
        layouts=UNIT.layouts(toy.ToyConfig()),
    )  # fmt: skip
    number = [each.name for each in PROPERTIES].index("in_order")
    assert asked[0] == output_number(build_model(claim).aiger, f"given[{number}]")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "forgotten",
    [
        "",
        "~ last3;",  # a sum goes on with the next row
        "~ hidden0;",  # a masked score shows the one before, which its registers hold
    ],
)
def test_where_a_row_ends_and_what_is_masked_decide_what_a_result_depends_on(
    forgotten: str,
) -> None:
    unit = find_unit("online_softmax")
    config = unit.config.from_text([])
    text = verilog(unit, config)
    assert forgotten in text
    broken = text.replace(forgotten, "1'h1;") if forgotten else text
    (found,) = prove_verilog(unit, config, broken, 20, only=("in_order",)).proofs
    assert (found.verdict == "proved") == (not forgotten)


def test_a_store_is_proved_with_lemmas_about_what_it_holds() -> None:
    unit = find_unit("matmul/quantize")
    config = unit.config.from_text([("lanes", "4"), ("group", "32")])
    (found,) = prove_verilog(unit, config, verilog(unit, config), only=("nothing_doubled",)).proofs
    assert (found.verdict, found.depth_cycles) == ("proved", None)


ROWS = [("row", "16"), ("lanes", "4")]  # a buffer of four words
OF_RESULTS = ("nothing_doubled", "nothing_lost", "no_deadlock")


@pytest.mark.parametrize("name", ["ita", "softmax"])  # one prepares for cycles, one has constants
def test_promises_of_a_unit_for_rows_follow_from_where_its_words_belong(name: str) -> None:
    unit = find_unit(name)
    config = unit.config.from_text(ROWS)
    found = prove_verilog(unit, config, verilog(unit, config), only=OF_RESULTS).proofs
    assert {(each.verdict, each.engine) for each in found} == {("proved", "abc ind")}


def test_a_row_that_is_too_long_is_followed_as_well() -> None:
    unit = find_unit("sole")
    config = unit.config.from_text(ROWS)
    assert unit.contract is not None
    wrong = replace(unit.contract(config), completes="i_last ? beats + 1 : 0", lemmas=())
    other = replace(unit, contract=lambda config: wrong)
    only = ("nothing_doubled",)
    (failed,) = prove_verilog(other, config, verilog(unit, config), only=only).proofs
    assert failed.verdict == "failed"


def test_induction_alone_takes_no_word_for_a_lemma(tmp_path: Path) -> None:
    """One that says too little proves nothing, and one that is wrong does not, either."""
    number = [each.name for each in PROPERTIES].index("nothing_doubled")
    nets = {name: name for name in ("full0", "full1")}
    found = {}
    for lemma in ("due <= 3", "due == 0", "due + 0 == full0 + full1"):
        contract = Contract(lemmas=(lemma,), lemma_nets=nets)
        claim = StreamPromises(
            text="\n".join(toy.sources()), top=toy.TOP, latency_cycles=2, contract=contract,
            layouts=UNIT.layouts(toy.ToyConfig()),
        )  # fmt: skip
        model = build_model(claim).aiger
        (tmp_path / "model.aig").write_bytes(model)
        output = output_number(model, f"helped[{number}]")
        assert output is not None
        found[lemma] = follow(tmp_path / "model.aig", output, 10).verdict
    assert [*found.values()] == ["not proved", "not proved", "proved"]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("settings", "completes"),
    [
        # a tile that has fewer rows than the array has beats in a pass that bring weights only
        ({"dataflow": "weight_stationary", "block": "2"}, "loaded && k_last"),
        # a tile that has fewer rows than the array has fewer results
        ({"dataflow": "output_stationary"}, "k_last ? 2 : 0"),
    ],
    ids=["weight_stationary", "output_stationary"],
)
def test_the_counters_of_a_job_say_which_beats_complete_results(
    settings: dict[str, str], completes: str
) -> None:
    """Sizes of a job may be anything within their limits, and so may be what comes in between."""
    unit = find_unit("matmul/systolic")
    sizes = {"rows": "2", "columns": "2", "extent": "7", "depth": "7"}
    config = unit.config.from_text([*sizes.items(), *settings.items()])
    text = verilog(unit, config)
    names = ("nothing_doubled", "nothing_lost", "no_deadlock")
    assert prove_verilog(unit, config, text, only=names).proved == len(names)
    assert unit.contract is not None
    wrong = replace(unit.contract(config), completes=completes, lemmas=())
    other = replace(unit, contract=lambda config: wrong)
    (failed,) = prove_verilog(other, config, text, only=("nothing_lost",)).proofs
    assert failed.verdict == "failed"


def test_a_property_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="no property is called liveness: valid_first, valid_held"):
        decided("\n".join(toy.sources()), "liveness")


def test_a_clock_that_proofs_do_not_follow_decides_nothing() -> None:
    text = "\n".join(toy.sources("always @(posedge clk) begin", "always @(negedge clk) begin"))
    proof = decided(text, "valid_held")["valid_held"]
    assert (proof.verdict, proof.engine) == ("not proved", None)
    assert "falling edge" in proof.note


def test_a_beat_that_is_taken_though_there_is_no_place_for_it_is_found() -> None:
    text = "\n".join(toy.sources("i__ready = free0", "i__ready = 1'b1"))
    assert decided(text, "nothing_lost")["nothing_lost"].verdict == "failed"


def test_a_beat_that_survives_a_reset_is_found() -> None:
    text = "\n".join(toy.sources("      full0 <= 1'b0;\n", ""))
    assert decided(text, "silent_after_reset")["silent_after_reset"].verdict == "failed"


def test_a_beat_that_is_taken_in_a_reset_is_found() -> None:
    """Producers of simulations offer nothing then, those of proofs do."""
    text = "\n".join(toy.sources("      full0 <= 1'b0;\n", "      full0 <= i__valid;\n"))
    assert decided(text, "silent_after_reset")["silent_after_reset"].verdict == "failed"


def test_a_unit_without_a_contract_says_what_is_not_stated() -> None:
    unit = replace(UNIT, contract=None)
    names = ("valid_held", "nothing_lost")
    found = prove_verilog(unit, toy.ToyConfig(), "\n".join(toy.sources()), only=names)
    assert [proof.verdict for proof in found.proofs] == ["proved", "not stated"]
    assert "does not state" in found.proofs[1].note
    assert found.passed


def test_a_masked_lane_whose_clock_ticks_is_found() -> None:
    unit = find_unit("consmax/log2")
    config = unit.config()
    text = verilog(unit, config)
    only = ("masked_clocks_stop",)
    assert prove_verilog(unit, config, text, only=only).proved == 1
    enable = re.compile(r"(module consmax_log2_lane.*? = )~ mask;", re.S)
    ignored = enable.sub(r"\g<1>1'h1;", text, count=1)
    assert ignored != text
    assert not prove_verilog(unit, config, ignored, only=only).passed


@pytest.mark.parametrize("lanes", [2, 20])  # of one block, and of two
def test_an_accumulator_that_is_one_bit_too_narrow_is_found(lanes: int) -> None:
    unit = find_unit("matmul/dot")
    only = ("no_overflow",)
    config = DotConfig(lanes=lanes, depth=1_000_000)
    narrow = DotConfig(lanes=lanes, depth=500_000)
    assert config.sum_width == narrow.sum_width + 1
    assert prove_verilog(unit, config, verilog(unit, config), only=only).proved == 1
    (failed,) = prove_verilog(unit, config, verilog(unit, narrow), only=only).proofs
    assert failed.verdict == "failed"
    assert re.search(r"beat0 = -?\d+, fresh0 = [01], total0 = -?\d+", failed.note)


@pytest.mark.parametrize(
    ("name", "settings", "longer"),
    [
        ("matmul/sparse_dot", {"lanes": 2}, {"depth": 1 << 14}),
        ("matmul/fused_dot", {"lanes": 2}, {"depth": 1 << 14}),
        ("matmul/group_dot", {"lanes": 4, "group": 32}, {"group": 128}),
        ("matmul/systolic", {"rows": 2, "columns": 2, "depth": 7}, {"depth": 20}),
    ],
)
def test_the_accumulators_that_contracts_name_are_there_and_wide_enough(
    name: str, settings: dict[str, Any], longer: dict[str, Any]
) -> None:
    unit = find_unit(name)
    config, only = unit.config(**settings), ("no_overflow",)
    text = verilog(unit, config)
    assert prove_verilog(unit, config, text, only=only).proved == 1
    longest = unit.config(**{**settings, **longer})
    assert not prove_verilog(unit, longest, text, only=only).passed
