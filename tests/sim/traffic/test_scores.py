"""The trace: sampling, quantization, archive, synthetic stand-in."""

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from consilico.sim.traffic.score_traffic import (
    STATISTICS,
    fit,
    normal_codes,
    statistics_text,
    synthetic_traffic,
)
from consilico.sim.traffic.scores import ScoreSampling, ScoreTraffic, quantize_scores

SMALL = ScoreSampling(windows=2, window=32, tile=16, tiles_per_head=1)


@pytest.fixture(scope="module")
def trace() -> ScoreTraffic:
    return synthetic_traffic(ScoreSampling(), reason="test")


def assert_same(left: ScoreTraffic, right: ScoreTraffic) -> None:
    for field in fields(ScoreTraffic):
        np.testing.assert_array_equal(getattr(left, field.name), getattr(right, field.name))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 100}, "window must be a multiple of tile 16, not 100"),
        ({"headroom": 0.9}, r"headroom must be in \[1.0, 1.5\], not 0.9"),
        ({"windows": 0}, "windows must be at least 1, not 0"),
    ],
)
def test_sampling_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScoreSampling(**settings)


def test_every_tile_lies_inside_its_window() -> None:
    sampling = ScoreSampling()
    window, query = sampling.plan(270)
    assert window.min() == 0
    assert window.max() == sampling.windows - 1
    assert (query % sampling.tile == 0).all()
    assert (query.min(), query.max()) == (0, sampling.window - sampling.tile)


def test_mask_hides_exactly_the_future_keys() -> None:
    mask = ScoreSampling().mask(32)
    assert mask.shape == (16, 48)
    assert [int(row.sum()) for row in mask] == list(range(15, -1, -1))
    assert not mask[:, :33].any()


def test_quantize_rounds_and_saturates() -> None:
    scores = np.array([-900.0, -12.7, 0.26, 0.24, 12.7, 900.0])
    assert quantize_scores(scores, 0.1).tolist() == [-127, -127, 3, 2, 127, 127]


def test_histogram_counts_the_unmasked_codes(trace: ScoreTraffic) -> None:
    for code in (-128, -20, 0, 40):
        assert trace.histogram[code + 128] == ((trace.codes == code) & ~trace.mask).sum()
    assert trace.histogram.sum() == trace.score_histogram.sum() == (~trace.mask).sum()


def test_every_head_is_there_in_order(trace: ScoreTraffic) -> None:
    assert trace.counts["heads"] == 270
    assert 1_000_000 < trace.counts["scores"] < 2_000_000
    assert (np.diff(trace.head) >= 0).all()
    assert np.bincount(trace.head).min() > 0


def test_archive_brings_back_the_trace() -> None:
    trace = synthetic_traffic(SMALL, reason="test")
    assert_same(ScoreTraffic.from_bytes(trace.to_bytes()), trace)


def test_damaged_archive_is_refused() -> None:
    raw = synthetic_traffic(SMALL, reason="test").to_bytes()
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 1
    for damaged in (b"", b"not an archive", raw[:-100], bytes(flipped)):
        with pytest.raises(ValueError, match="damaged trace"):
            ScoreTraffic.from_bytes(damaged)


def test_archive_with_another_content_than_its_digest_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = synthetic_traffic(SMALL, reason="test")
    monkeypatch.setattr("consilico.sim.traffic.archive._content_digest", lambda *_: "stale")
    raw = trace.to_bytes()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="does not match its SHA-256"):
        ScoreTraffic.from_bytes(raw)


def test_synthetic_is_marked_and_seeded() -> None:
    trace = synthetic_traffic(SMALL, reason="no model")
    assert trace.synthetic
    assert trace.source.startswith("synthetic: statistics of SmolLM2-135M-Instruct")
    assert trace.provenance["reason"] == "no model"
    assert_same(synthetic_traffic(SMALL, reason="no model"), trace)
    other = synthetic_traffic(replace(SMALL, seed=2), reason="no model")
    assert other.codes[:500].tolist() != trace.codes[:500].tolist()


def test_synthetic_headroom_widens_the_scale() -> None:
    tight = synthetic_traffic(SMALL, reason="test")
    wide = synthetic_traffic(replace(SMALL, headroom=1.5), reason="test")
    assert wide.heads[7].scale == pytest.approx(1.5 * tight.heads[7].scale)
    np.testing.assert_allclose(wide.codes * 1.5, tight.codes, atol=1.5)


def test_synthetic_has_the_statistics_it_was_given(trace: ScoreTraffic) -> None:
    given = json.loads(STATISTICS.read_text())["heads"]
    drawn = fit(trace, ScoreSampling())["heads"]

    def column(heads: list[dict[str, Any]], name: str) -> np.ndarray[tuple[int, ...], Any]:
        return np.array([head[name] for head in heads])

    for name in ("scale", "log_c", "max_abs_score"):
        np.testing.assert_allclose(column(drawn, name), column(given, name))
    medians = (column(heads, "quantiles")[:, 7] for heads in (drawn, given))
    assert np.abs(np.subtract(*medians)).mean() < 2  # code steps
    correlations = (column(heads, "correlation") for heads in (drawn, given))
    assert np.abs(np.subtract(*correlations)).mean() < 0.05
    spans = [np.ptp(column(heads, "quantiles")[:, 2:13], axis=1) for heads in (drawn, given)]
    np.testing.assert_allclose(spans[0], spans[1], rtol=0.5)


def test_statistics_are_those_of_the_default_sample() -> None:
    statistics = json.loads(STATISTICS.read_text())
    assert statistics["provenance"]["sampling"] == ScoreSampling().to_json()
    assert statistics_text(statistics) == STATISTICS.read_text()


def test_normal_codes_are_the_clipped_normal() -> None:
    codes = normal_codes(200_000, 3)
    assert codes.dtype == np.int8
    assert codes.mean() == pytest.approx(-20, abs=0.5)
    assert codes.std() == pytest.approx(35, abs=0.5)
    assert codes.min() == -128
    assert (normal_codes(100, 3) == codes[:100]).all()
    assert (normal_codes(100, 4) != codes[:100]).any()
