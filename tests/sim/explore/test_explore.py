"""An exploration: stages, resuming, and the same answer whoever computes it."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import consilico
from consilico.sim.accuracy.table import MeasuredAccuracies, MeasuredAccuracy
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.explore import evaluate, known
from consilico.sim.explore.exploration import Exploration
from consilico.sim.explore.explore import explore
from consilico.sim.explore.perplexity import perplexities
from consilico.sim.explore.space import FIGURES, DesignPoint, read_space
from tests.sim.accuracy.small_accuracy import found

SPACE = """
model = "llama-60m"
context = 128
[fields]
tile = ["32x32", "48x48"]
tiles = [1, 2, 4]
gemv_lanes = [0, 128]
sram_kib = [256, 1024]
normaliser = ["consmax/log2", "online_softmax", "softmax"]
"""
REFUSED = {"softmax": 12, "online_softmax": 12}  # they have no 48 lanes


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))


def run(folder: Path, text: str = SPACE, **options: Any) -> Exploration:
    path = folder / "space.toml"
    path.write_text(text)
    return explore(read_space(path), **({"workers": 1} | options))


def test_points_have_the_figures_of_the_whole_answer(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert len(found.points) == 72
    for item in found.points[::5]:
        point = item.point
        if item.figures.refused:
            continue
        rows, columns = map(int, point.tile.split("x"))
        chip = consilico.chip(
            rows=rows, columns=columns, tiles=point.tiles, gemv_lanes=point.gemv_lanes,
            sram_kib=point.sram_kib,
        )  # fmt: skip
        whole = consilico.system("llama-60m", chip, context=128, normaliser=point.normaliser)
        figures = (whole.latency_s, whole.total_j, whole.total_um2)
        for name, figure in zip(FIGURES.values(), figures, strict=True):
            own = item.figures.figure(name)
            for end in ("low", "value", "high"):
                assert getattr(own, end) == pytest.approx(getattr(figure, end), rel=1e-12)


def test_the_front_dominates_all_others(tmp_path: Path) -> None:
    found = run(tmp_path)
    values = {
        item.index: [item.figures.figure(name).value for name in FIGURES.values()]
        for item in found.points
        if item.within
    }
    front = {item.index for item in found.front}
    assert 1 < len(front) < len(values)
    for index, own in values.items():
        better = [
            other
            for other, its in values.items()
            if its != own and all(a <= b for a, b in zip(its, own, strict=True))
        ]
        assert (index in front) == (not better)
        by = found.points[index].dominated_by
        assert by is None or (by in better and by in front)


def test_refused_points_end_nothing_and_say_why(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert len(found.refused) == len(REFUSED)
    for (name, count), (reason, places) in zip(
        sorted(REFUSED.items()), sorted(found.refused.items()), strict=True
    ):
        assert reason.startswith(f"{name} in a tile of 48 columns: lanes must be one of")
        assert len(places) == count
        assert {found.points[place].point.normaliser for place in places} == {name}


def test_where_all_points_are_refused_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="all 2 points are refused, the first: weights must be one"):
        run(tmp_path, SPACE.split("[")[0] + '[fields]\nweights = ["int3", "int5"]\n')


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("tiles > 9", "no point of 72 meets the constraints"),
        ("area_um2 < 1", "no point of 48 meets the constraints on figures"),
    ],
)
def test_where_nothing_is_left_that_is_said(tmp_path: Path, constraint: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(tmp_path, f'constraints = ["{constraint}"]\n{SPACE}')


def test_constraints_on_figures_hold_on_the_front(tmp_path: Path) -> None:
    free = run(tmp_path)
    limit = sorted(i.figures.figure("area_um2").value for i in free.points if i.within)[30]
    found = run(tmp_path, f'constraints = ["area_um2 <= {limit}"]\n{SPACE}')
    assert sum(item.within for item in found.points) == 31
    assert all(item.event_model.figure("area_um2").value <= limit for item in found.front)


def test_objectives_that_are_unknown_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="some of latency, energy, area, perplexity, each once"):
        run(tmp_path, objectives=["speed"])


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[DesignPoint]:
    """Return the points that are really computed, as they are."""
    seen: list[DesignPoint] = []
    real = evaluate.evaluated

    def note(workload: Any, point: DesignPoint, stepped: int = 0) -> Any:
        seen.append(point)
        return real(workload, point, stepped)

    monkeypatch.setattr(evaluate, "evaluated", note)
    return seen


def test_nothing_is_computed_twice(tmp_path: Path, counted: list[DesignPoint]) -> None:
    first = run(tmp_path)
    assert len(counted) == first.computed > 72
    assert first.from_cache == 0
    counted.clear()
    second = run(tmp_path)
    assert counted == []
    assert (second.computed, second.from_cache) == (0, first.computed)
    assert json.dumps(second.to_json()) == json.dumps(first.to_json())


def test_a_space_that_grows_computes_what_is_new(
    tmp_path: Path, counted: list[DesignPoint]
) -> None:
    run(tmp_path)
    counted.clear()
    run(tmp_path, SPACE.replace("[1, 2, 4]", "[1, 2, 3, 4]"))
    assert {point.tiles for point in counted} == {3}


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, counted: list[DesignPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "_POINTS", 10)

    def stop(label: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=stop)
    kept = set(counted[:20])  # the third chunk's results had not yet arrived
    counted.clear()
    run(tmp_path)
    assert not kept & set(counted[:52])
    assert len(set(counted[:52])) == 52


def test_other_code_computes_anew(
    tmp_path: Path, counted: list[DesignPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    counted.clear()
    monkeypatch.setattr(known, "_state", lambda: "another")
    run(tmp_path)
    assert len(set(counted)) == 72


def test_the_event_model_steps_what_closed_forms_only_bound(tmp_path: Path) -> None:
    """Two slices, 48 or 4 queries: the array for values neither keeps up nor always lags."""
    text = 'model = "llama-60m"\nphase = "prefill"\ncontext = 100\n[fields]\ntile = ["48x48"]\n'
    text += 'p_format = ["2xint7"]\n'
    (item,) = run(tmp_path, text).front
    first, second = (f.figure("latency_s") for f in (item.closed_forms, item.event_model))
    assert first.low <= second.value < first.value
    attention = next(o for o in item.answer.operators if o.work.engine == "tiles")
    assert attention.work.basis == "event model, bound"


def test_processes_give_the_same_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_POINTS", 40)
    one = run(tmp_path)
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "another"))
    two = run(tmp_path, workers=2)
    assert two.computed == one.computed
    assert json.dumps(two.to_json()) == json.dumps(one.to_json())


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Return the address of a cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_dask_cluster_gives_the_same_answer(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "_POINTS", 40)
    one = run(tmp_path)
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "another"))
    cluster = run(tmp_path, workers=f"dask:{scheduler}")
    assert cluster.computed == one.computed
    assert json.dumps(cluster.to_json()) == json.dumps(one.to_json())


def test_a_worker_with_other_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    workload = read_space(path).workload
    (chunk,) = evaluate.chunks(workload, [DesignPoint()], 0, "another")
    with pytest.raises(UserError, match="a worker has another version of consilico"):
        evaluate.evaluate(chunk)
    own = dataclasses.replace(chunk, code=code_digest(evaluate.__name__))
    assert len(evaluate.evaluate(own)) == 1


@pytest.mark.parametrize("workers", ["slurm", "dask:", "dask"])
def test_workers_of_another_kind_are_refused(tmp_path: Path, workers: str) -> None:
    with pytest.raises(UserError, match="a number of processes, or dask:ADDRESS"):
        run(tmp_path, workers=workers)


@pytest.mark.parametrize("address", ["nope", "bogus://host:8786", "tcp://host"])
def test_what_is_no_address_of_a_scheduler_is_refused_at_once(tmp_path: Path, address: str) -> None:
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    with pytest.raises(UserError, match="is no address of a Dask scheduler"):
        run(tmp_path, workers=f"dask:{address}")


def test_transforms_are_a_field_and_refused_where_hardware_is_missing(tmp_path: Path) -> None:
    fields = '[fields]\ntransforms = ["", "2:4", "ffn-skip:0.25 2:4", "owl:0.5"]\n'
    found = run(tmp_path, SPACE.split("[")[0] + fields)
    plain, sparse, both, unstructured = (item.figures for item in found.points)
    assert plain.figure("energy_j").value > sparse.figure("energy_j").value
    assert sparse.figure("energy_j").value > both.figure("energy_j").value
    assert unstructured.refused.startswith("transform owl:0.5 needs lanes that select operands")
    whole = consilico.system(
        "llama-60m", consilico.chip(), context=128, transforms=["ffn-skip:0.25", "2:4"]
    )
    assert both.figure("latency_s").value == pytest.approx(whole.latency_s.value)


AIMS = ("latency", "energy", "area", "perplexity")
ANSWERS = SPACE.replace("48x48", "16x16").replace('"softmax"', '"softermax", "softmax"') + (
    'p_format = ["int7", "2xint7"]\n'
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> MeasuredAccuracies:
    """Return a table with three pairs of a normalizer and a form, and one in shorter windows."""
    table = MeasuredAccuracies()
    for name, form, tokens, perplexity in (
        ("softmax", "int7", 128, 70.0), ("softmax", "2xint7", 128, 50.5),
        ("online_softmax", "2xint7", 128, 51.0), ("softermax", "2xint7", 64, 50.1),
    ):  # fmt: skip
        own = dataclasses.replace(
            found(tokens=tokens, form=form), normaliser=name, perplexity=perplexity, baseline=50.0
        )
        table = table.added(MeasuredAccuracy(found=own, date="2026-11-30", tools={}))
    for module in ("accuracy.table", "explore.perplexity"):
        monkeypatch.setattr(f"consilico.sim.{module}.measured_accuracies", lambda: table)
    return table


def test_perplexities_are_compared_in_the_same_windows(measured: MeasuredAccuracies) -> None:
    pairs = [("softmax", "int7"), ("softermax", "2xint7"), ("consmax/log2", "uint8")]
    known = perplexities(pairs, 4096)
    assert (known.tokens, known.texts) == (128, ("Pericles",))
    first, shorter, other = known.pairs
    assert first.ratio == pytest.approx(1.4)
    assert shorter.ratio is None
    assert shorter.note.endswith("where others were: only on Pericles at 64")
    assert other.note == "not measured: a model has to be trained with consmax/log2"
    assert perplexities(pairs, 64).tokens == 64
    assert perplexities(pairs, 63).model == ""


def test_texts_are_those_on_which_all_were_measured(measured: MeasuredAccuracies) -> None:
    """Hamlet counts only where both have it; whatever its perplexity is."""
    pairs = [("softmax", "int7"), ("softmax", "2xint7")]
    own = dataclasses.replace(measured.rows[-1].found, text="Hamlet", perplexity=99.0)
    for place, (name, form) in enumerate(pairs):
        row = MeasuredAccuracy(
            found=dataclasses.replace(own, normaliser=name, p_format=form, tokens=128),
            date="2026-11-30", tools={},
        )  # fmt: skip
        measured = measured.added(row)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "consilico.sim.explore.perplexity.measured_accuracies",
                lambda table=measured: table,
            )
            known = perplexities(pairs, 128)
        both = place == 1
        assert set(known.texts) == ({"Pericles", "Hamlet"} if both else {"Pericles"})
        assert known.pairs[1].ratio == pytest.approx(99 / 50 if both else 1.01)


def test_a_perplexity_that_is_not_known_is_not_compared(
    tmp_path: Path, measured: MeasuredAccuracies
) -> None:
    exploration = run(tmp_path, ANSWERS, objectives=AIMS)
    values = {
        item.index: (
            tuple(item.figures.figure(name).value for name in FIGURES.values()), item.perplexity
        )
        for item in exploration.points
    }  # fmt: skip
    assert {pair.ratio is None for _, pair in values.values() if pair} == {True, False}

    def better(one: int, other: int) -> bool:
        (its, pair), (own, mine) = values[one], values[other]
        assert pair is not None
        assert mine is not None
        if pair == mine:
            ends = (0.0, 0.0)
        elif pair.ratio is None or mine.ratio is None:
            return False
        else:
            ends = (pair.ratio, mine.ratio)
        sides = [(*its, ends[0]), (*own, ends[1])]
        return sides[0] != sides[1] and all(a <= b for a, b in zip(*sides, strict=True))

    front = {item.index: item for item in exploration.front}
    assert 1 < len(front) < len(values)
    for index in values:
        beaten = [other for other in values if better(other, index)]
        assert (index in front) == (not beaten)
        by = exploration.points[index].dominated_by
        assert by is None or (by in beaten and by in front)
    assert any(item.perplexity and item.perplexity.ratio is None for item in front.values())


def test_only_what_no_unknown_perplexity_can_beat_is_certain(
    tmp_path: Path, measured: MeasuredAccuracies
) -> None:
    exploration = run(tmp_path, ANSWERS, objectives=AIMS)
    figures = {
        item.index: [item.figures.figure(name).value for name in FIGURES.values()]
        for item in exploration.points
    }
    sure = [item for item in exploration.front if item.certain]
    for item in sure:
        assert item.perplexity is not None
        assert item.perplexity.ratio is not None
        for other in exploration.points:
            assert other.perplexity is not None
            if other.perplexity.ratio is None:  # it may have the better answers
                pairs = zip(figures[other.index], figures[item.index], strict=True)
                assert any(its > own for its, own in pairs)
    only = ANSWERS.replace('"consmax/log2", "online_softmax", "softermax", ', "").replace(
        '"int7", ', ""
    )
    known = run(tmp_path, only, objectives=AIMS)
    assert any(item.certain for item in known.front)


def test_where_no_perplexity_is_known_the_front_is_that_of_the_others(tmp_path: Path) -> None:
    text = SPACE.replace('"online_softmax", "softmax"', "").replace(", ]", "]")
    aimed, plain = (run(tmp_path, text, objectives=aims) for aims in (AIMS, AIMS[:3]))
    assert [item.index for item in aimed.front] == [item.index for item in plain.front]
    assert not any(item.certain for item in aimed.front)
    answer = aimed.to_json()
    assert answer["perplexity"]["model"] == ""
    assert {item["perplexity_ratio"] for item in answer["front"]} == {None}
    assert "perplexity_ratio" not in plain.to_json()["front"][0]
    assert aimed.points[0].row([])["perplexity_ratio"] == "not measured"


def test_the_best_answers_come_first_and_unknown_ones_last(
    tmp_path: Path, measured: MeasuredAccuracies
) -> None:
    found = run(tmp_path, ANSWERS, objectives=("perplexity", "area"))
    ratios = [item.perplexity.ratio for item in found.front if item.perplexity]
    known = [ratio for ratio in ratios if ratio is not None]
    assert known == sorted(known) == ratios[: len(known)]
    assert None in ratios
    assert {item.objective for item in found.inversions} == {"area"}
