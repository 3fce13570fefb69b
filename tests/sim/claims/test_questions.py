"""Questions answer what the commands behind them show."""

import re
import shlex
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest

import consilico
from consilico.sim.base.errors import UserError
from consilico.sim.claims import training_question
from consilico.sim.claims.catalogue import claims
from consilico.sim.claims.check import check_claims
from consilico.sim.claims.claim import Claim, read_claims
from consilico.sim.claims.comparison_question import ComparisonQuestion
from consilico.sim.claims.estimate_question import EstimateQuestion
from consilico.sim.claims.figure import ClaimAnswer, Figure
from consilico.sim.claims.memory_question import MemoryQuestion
from consilico.sim.claims.training_question import TrainingQuestion
from consilico.sim.comparison import table
from consilico.sim.estimate.nodes.measure import measured_table
from consilico.sim.memory.settings import Settings
from consilico.sim.training import consmax_measure, consmax_table
from consilico.sim.training.consmax_table import ConsmaxRun, ConsmaxTable, read_consmax_table
from tests.sim.claims.test_claim_files import ESTIMATE, RIGHT, SHORT, file_of
from tests.sim.comparison.small_table import small_rows

FLAGS: dict[str, tuple[str, Any]] = {
    item.metadata["flag"] or name.replace("_", "-"): (name, type(item.default))
    for name, item in Settings.__dataclass_fields__.items()
}


def run_of(command: str) -> Any:
    """Return the run that a command line of ``consilico memory`` asks for."""
    words = shlex.split(command)
    assert words[:2] == ["consilico", "memory"]
    given: dict[str, Any] = {}
    position = 2
    while position < len(words):
        flag = words[position].removeprefix("--")
        if flag in ("model", "method", "recipe", "gpu"):
            given[flag], position = words[position + 1], position + 2
            continue
        name, kind = FLAGS[flag.removeprefix("no-")]
        if kind is bool:
            given[name], position = not flag.startswith("no-"), position + 1
        else:
            given[name], position = kind(words[position + 1]), position + 2
    given.pop("gpu", None)
    return consilico.training_run(**given)


ASKED = [
    pytest.param(condition.question, id=f"{name}: {condition.given}")
    for name, claim in claims().items()
    for condition in claim.conditions
    if isinstance(condition.question, MemoryQuestion)
]


@pytest.mark.parametrize("question", ASKED)
def test_the_command_behind_a_memory_question_asks_the_same_run(question: MemoryQuestion) -> None:
    runs = [question.run, *([question.against] if question.against else [])]
    assert [run_of(command) for command in question.commands] == runs


def test_a_recipe_is_part_of_the_command(tmp_path: Path) -> None:
    run = '{ model = "llama-60m", recipe = "hf-qlora", rank = 8 }'
    text = SHORT.replace('"%"', '"MB"') + (
        f'given = "g"\nkind = "memory"\nquantity = "peak"\nrun = {run}\n'
    )
    (claim,) = read_claims(file_of(tmp_path, text))
    question = claim.conditions[0].question
    assert isinstance(question, MemoryQuestion)
    assert "--recipe hf-qlora" in question.commands[0]
    assert run_of(question.commands[0]) == question.run


def one(name: str) -> Claim:
    return claims()[name]


def test_needed_memory_is_that_of_the_command() -> None:
    claim = one("q-galore/7b-in-16gb")
    question = claim.conditions[0].question
    assert isinstance(question, MemoryQuestion)
    figure = question.answer("GiB").figure
    fit = consilico.memory(question.run, gpu=question.gpu).fit
    assert figure is not None
    assert fit is not None
    needed = fit.needed_bytes
    wanted = (needed.value, needed.low, needed.high)
    assert (figure.value, figure.low, figure.high) == tuple(size / 2**30 for size in wanted)


def test_states_weights_and_adapters_are_all_that_lives_on(tmp_path: Path) -> None:
    parts = {}
    for quantity in ("persistent", "weights", "moments", "states", "weights and states"):
        text = SHORT.replace('"%"', '"MB"') + (
            f'given = "g"\nkind = "memory"\nquantity = "{quantity}"\n'
            'run = { model = "llama-60m", method = "q-galore" }\n'
        )
        (claim,) = read_claims(file_of(tmp_path, text))
        figure = claim.conditions[0].question.answer("MB").figure
        assert figure is not None
        parts[quantity] = figure.value
    assert parts["weights"] + parts["states"] == pytest.approx(parts["persistent"])
    assert parts["weights and states"] == pytest.approx(parts["persistent"])
    assert 0 < parts["moments"] < parts["states"]


def test_trained_parameters_of_full_training_are_all(tmp_path: Path) -> None:
    text = SHORT.replace('"%"', '"x"') + (
        'given = "g"\nkind = "memory"\nquantity = "trained parameters"\nform = "share"\n'
        'run = { model = "llama-60m" }\nagainst = { model = "llama-60m", method = "lomo" }\n'
    )
    (claim,) = read_claims(file_of(tmp_path, text))
    figure = claim.conditions[0].question.answer("x").figure
    assert figure is not None
    assert figure.value == 1.0
    run = consilico.training_run("llama-60m", "lora", rank=4)
    sides = sum(
        (p.rows + p.columns) * p.count
        for p in run.architecture.parameters()
        if p.role in ("attention", "mlp")
    )
    text = (
        text.replace("lomo", "lora")
        .replace("share", "times less")
        .replace('"lora"', '"lora", rank = 4')
    )
    (claim,) = read_claims(file_of(tmp_path, text))
    figure = claim.conditions[0].question.answer("x").figure
    assert figure is not None
    assert figure.value == pytest.approx(4 * sides / run.architecture.parameter_count)


def measured(name: str) -> Any:
    (row,) = [row for row in measured_table() if (row.unit, row.pdk) == (name, "nangate45")]
    return row


def estimate(text: str, unit: str, folder: Path) -> EstimateQuestion:
    whole = SHORT.replace('"%"', f'"{unit}"') + ESTIMATE + text
    question = read_claims(file_of(folder, whole))[0].conditions[0].question
    assert isinstance(question, EstimateQuestion)
    return question


def test_a_measured_unit_answers_with_what_was_measured(tmp_path: Path) -> None:
    answer = estimate('quantity = "area"', "um2", tmp_path).answer("um2")
    assert answer.figure is not None
    assert answer.figure.value == answer.figure.high == measured("consmax/log2").area_um2


def test_power_follows_the_clock_and_leakage_does_not(tmp_path: Path) -> None:
    row = measured("consmax/log2")
    for clock_ns in (1.0, 2.0):
        text = f'quantity = "power"\nclock_ns = {clock_ns}'
        answer = estimate(text, "mW", tmp_path).answer("mW")
        dynamic_w = (row.internal_w + row.switching_w) * row.clock_ns / clock_ns
        assert answer.figure is not None
        assert answer.figure.value == pytest.approx(1e3 * (dynamic_w + row.leakage_w))


def test_another_node_is_what_scale_says(tmp_path: Path) -> None:
    area = measured("consmax/log2").area_um2
    answer = estimate('quantity = "area"\nnode = "22nm"', "um2", tmp_path).answer("um2")
    scaled = consilico.scale("nangate45", "22nm", {"area_um2": area}).figures["area_um2"]
    assert scaled.by_our_units is not None
    assert answer.figure is not None
    assert answer.figure.value == pytest.approx(scaled.value)
    assert answer.figure.high == pytest.approx(scaled.by_our_units.high)
    assert re.search(r"consilico scale --from nangate45 --to 22nm --area-um2 \d", answer.command)


def test_a_configuration_that_was_not_measured_is_estimated(tmp_path: Path) -> None:
    question = estimate('quantity = "area"\nsettings = ["lanes=3"]', "um2", tmp_path)
    answer = question.answer("um2")
    config = consilico.configure("consmax/log2", lanes=3)
    area = consilico.estimate("consmax/log2", config).area_um2
    assert answer.figure is not None
    assert (answer.figure.value, answer.figure.low, answer.figure.high) == (
        area.value, area.low, area.high,
    )  # fmt: skip
    assert answer.command == "consilico estimate consmax/log2 --set lanes=3 --pdk nangate45"


def test_a_unit_that_does_not_exist_names_the_claim_file(tmp_path: Path) -> None:
    question = estimate('quantity = "area"\nsettings = ["lanes=x"]', "um2", tmp_path)
    with pytest.raises(UserError, match=r"paper\.toml: claim 1\.condition 1 is not accepted: "):
        question.answer("um2")


COMPARISON = ComparisonQuestion(
    unit="consmax/log2", against="softermax", quantity="area", buffer="latch", lanes=1, row=256,
    clock_ns=4.0,
)  # fmt: skip


def test_a_comparison_is_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "measured_rows", small_rows)
    assert COMPARISON.answer("x") == ClaimAnswer(
        figure=Figure(value=15.0, low=15.0, high=15.0),
        command="consilico compare consmax/log2 softermax --lanes 1 --row 256 --buffer latch"
        " --clock-ns 4",
    )
    power = replace(COMPARISON, quantity="power", buffer="none").answer("x").figure
    assert power is not None
    assert power.value == pytest.approx(4 * 256 / 261)


def test_a_comparison_that_was_not_measured_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "measured_rows", small_rows)
    for other in ({"lanes": 16}, {"buffer": "flop"}, {"against": "ita"}, {"clock_ns": 2.0}):
        found = replace(COMPARISON, **other).answer("x")
        assert found.figure is None
        assert found.why.startswith("the table of measured comparisons has no such layouts")
        assert found.command.startswith("consilico compare consmax/log2 ")


def test_a_table_that_contradicts_itself_is_found() -> None:
    (found,) = check_claims([one("consmax-iccad/energy-of-table")])
    assert found.verdict == "not supported"
    values = [item.measured.value for item in found.conditions if item.measured]
    assert values == pytest.approx([0.4, 0.16])


def test_a_paper_that_counts_in_its_own_way_is_conditional() -> None:
    (found,) = check_claims([one("fira/states-against-galore")])
    assert found.verdict == "conditional"
    assert [item.met for item in found.conditions] == [False, True]
    assert RIGHT.count("verdict") == 0  # nothing in a file says one


def trained(size: str, seed: int, normalizer: str, loss: float) -> ConsmaxRun:
    row = read_consmax_table().rows[0]
    return replace(row, size=size, seed=seed, normalizer=normalizer, loss=loss)


def test_a_training_is_compared_with_softmax_of_the_same_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = (
        trained("small", 1, "softmax", 2.0), trained("small", 1, "consmax", 2.0 + log(1.01)),
        trained("small", 2, "softmax", 1.5), trained("small", 2, "consmax", 1.5 + log(1.04)),
        trained("small", 3, "consmax", 9.9),  # nothing to compare it with
        trained("quick", 1, "softmax", 2.0), trained("quick", 1, "consmax_rows", 2.0 + log(1.5)),
    )  # fmt: skip
    monkeypatch.setattr(consmax_table, "read_consmax_table", lambda: ConsmaxTable(rows=rows))
    found = TrainingQuestion(size="small", normalizer="consmax").answer("%").figure
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((2.5, 1.0, 4.0))
    rows_found = TrainingQuestion(size="quick", normalizer="consmax_rows").answer("x").figure
    assert rows_found is not None
    assert rows_found.value == pytest.approx(0.5)
    open_ = TrainingQuestion(size="paper", normalizer="consmax").answer("%")
    assert open_.figure is None
    assert open_.why == "the table of trainings has none of size paper; the command runs them"
    assert open_.command.endswith("consmax_measure --sizes paper")


def test_sizes_and_normalizers_of_trainings_are_those_of_the_study() -> None:
    assert set(training_question.SIZES) == set(consmax_measure.SIZES) - {"search"}
    assert set(training_question.NORMALIZERS) < set(consmax_measure.NORMALIZERS)
