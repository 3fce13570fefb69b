"""Real attention scores: collection, calibration, cache, stand-in."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from consilico.sim.base.results import cache_dir
from consilico.sim.traffic import score_traffic as traffic
from consilico.sim.traffic.collect import CalibrationSums
from consilico.sim.traffic.packages import Package, PackageMissing, load_works
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling, ScoreTraffic
from consilico.sim.traffic.smollm import SmolLM, load_smollm, model_provenance

# One tile is the whole of the one window: what is sampled is what calibrates
WHOLE = ScoreSampling(windows=1, window=32, tile=32, tiles_per_head=1)


@pytest.fixture(scope="module")
def smollm() -> SmolLM:
    try:
        model_provenance()
        load_works()
    except PackageMissing as missing:
        pytest.skip(str(missing))
    return load_smollm()


@pytest.fixture
def loads(smollm: SmolLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Empty cache; returns a function that tells how often the model was loaded since."""
    count = 0

    def load() -> SmolLM:
        nonlocal count
        count += 1
        return smollm

    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))
    monkeypatch.setattr(traffic, "load_smollm", load)
    return lambda: count


def by_head(trace: ScoreTraffic) -> list[tuple[np.ndarray, np.ndarray]]:
    """Codes and mask of each head."""
    return [(trace.codes[trace.head == i], trace.mask[trace.head == i]) for i in range(270)]


def test_codes_never_clip_and_reach_the_end(loads: Callable[[], int]) -> None:
    trace = score_traffic(sampling=WHOLE)
    assert not trace.synthetic
    assert trace.source.startswith("SmolLM2-135M-Instruct on Shakespeare")
    for (codes, mask), constants in zip(by_head(trace), trace.heads, strict=True):
        assert np.abs(codes[~mask].astype(int)).max() == 127
        assert constants.scale * 127 == pytest.approx(constants.max_abs_score)
    largest = max(constants.max_abs_score for constants in trace.heads)
    edges = (-trace.score_edges[0], trace.score_edges[-1])
    assert max(edges) == pytest.approx(largest)


def test_headroom_leaves_room(loads: Callable[[], int]) -> None:
    trace = score_traffic(sampling=replace(WHOLE, headroom=1.5))
    for codes, mask in by_head(trace):
        assert np.abs(codes[~mask].astype(int)).max() == 85  # 127 / 1.5


def test_c_is_the_mean_log_sum_exp_of_the_rows(loads: Callable[[], int]) -> None:
    trace = score_traffic(sampling=WHOLE)
    for (codes, mask), constants in zip(by_head(trace), trace.heads, strict=True):
        scores = np.where(mask, -np.inf, codes * constants.scale).reshape(32, 32)
        lse = np.log(np.exp(scores).sum(1)).mean()
        assert constants.log_c == pytest.approx(-lse, abs=constants.scale / 2 + 1e-4)


def test_calibration_leaves_future_keys_out_and_spans_batches() -> None:
    scores = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(5)) * 3
    scores[:, :, 0, 5] = 1e4  # masked: must reach neither constant
    calibration = CalibrationSums(1, 2)
    for part in torch.split(scores, 2):
        calibration.add(0, part)
    for head, constants in enumerate(calibration.constants(1.0)):
        rows = [w[head, q, : q + 1].numpy().astype(float) for w in scores for q in range(8)]
        assert constants.log_c == pytest.approx(-np.mean([np.log(np.exp(r).sum()) for r in rows]))
        assert constants.max_abs_score == pytest.approx(max(np.abs(r).max() for r in rows))


def test_sampled_scores_are_those_of_the_model(loads: Callable[[], int], smollm: SmolLM) -> None:
    from consilico.sim.traffic.collect import draw_windows

    sampling = ScoreSampling(windows=5, window=32, tile=16, tiles_per_head=2)  # two batches
    trace = score_traffic(sampling=sampling)
    tokens = draw_windows(load_works(), smollm.tokenizer, sampling)
    seen: dict[int, torch.Tensor] = {}
    smollm.transformer.hidden(tokens, lambda layer, scores: seen.update({layer: scores}))
    window, query = sampling.plan(270)
    for index in (0, 100, 269):
        layer, head = divmod(index, 9)
        tiles = [
            seen[layer][w, head, q : q + 16, : q + 16].flatten().numpy()
            for w, q in zip(window[index], query[index], strict=True)
        ]
        codes, mask = by_head(trace)[index]
        step = trace.heads[index].scale
        error = (np.concatenate(tiles) - codes * step)[~mask]
        assert np.abs(error).max() <= 0.501 * step


def test_progress_runs_to_its_total(loads: Callable[[], int]) -> None:
    calls: list[tuple[str, int, int]] = []
    score_traffic(progress=lambda *call: calls.append(call), sampling=WHOLE)
    assert calls == [("attention scores", done, 30) for done in range(1, 31)]


def test_cached_trace_is_reused(loads: Callable[[], int]) -> None:
    first = score_traffic(sampling=WHOLE)
    second = score_traffic(sampling=WHOLE)
    assert loads() == 1
    assert second.codes.tolist() == first.codes.tolist()
    assert (second.heads, second.provenance) == (first.heads, first.provenance)


def test_damaged_cache_entry_is_recomputed(loads: Callable[[], int]) -> None:
    first = score_traffic(sampling=WHOLE)
    (entry,) = cache_dir("traffic").iterdir()
    entry.write_bytes(entry.read_bytes()[:5000])
    assert score_traffic(sampling=WHOLE).codes.tolist() == first.codes.tolist()
    assert loads() == 2
    score_traffic(sampling=WHOLE)
    assert loads() == 2  # and mended


def test_other_settings_have_an_entry_of_their_own(loads: Callable[[], int]) -> None:
    score_traffic(sampling=WHOLE)
    score_traffic(sampling=replace(WHOLE, seed=2))
    assert loads() == 2
    assert len(list(cache_dir("traffic").iterdir())) == 2


def test_cached_trace_needs_no_torch(loads: Callable[[], int], tmp_path: Path) -> None:
    score_traffic(sampling=WHOLE)
    program = f"""
import sys
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
assert not score_traffic(sampling=ScoreSampling(**{WHOLE.to_json()!r})).synthetic
print(sorted({{"torch", "gguf", "tokenizers"}} & set(sys.modules)))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {"CONSILICO_CACHE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("name", ["smollm.MODEL_PACKAGE", "packages.TEXT_PACKAGE"])
def test_without_a_package_the_trace_is_synthetic(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))
    hidden = Package(name="not-installed", version="1", install="pip install not-installed")
    monkeypatch.setattr(f"consilico.sim.traffic.{name}", hidden)
    if name.startswith("packages"):  # on a machine without the model, the model would be the reason
        monkeypatch.setattr(traffic, "model_provenance", dict)
    sampling = ScoreSampling(windows=2, window=32, tile=16, tiles_per_head=1)
    trace = score_traffic(sampling=sampling)
    assert trace.synthetic
    assert trace.provenance["reason"].startswith("not-installed 1 is not installed")
    assert trace.codes.tolist() == score_traffic(sampling=sampling).codes.tolist()
