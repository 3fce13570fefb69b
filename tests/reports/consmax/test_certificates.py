"""Certificates: the published bounds hold, and a wrong model does not pass."""

import math
from collections.abc import Sequence

import pytest

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.reports.consmax.certificates import (
    Setting,
    certify,
    certify_defaults,
    certify_variants,
    guaranteed_log2,
    guaranteed_split,
    settings,
    split_results,
    worst_split_error,
)
from consilico.reports.consmax.certificates import _log2_results as log2_results


def test_settings_span_the_certified_range() -> None:
    heads = settings()
    assert len(set(heads)) >= 500
    assert math.isclose(min(scale for scale, _ in heads) * 127, 0.5)
    assert math.isclose(max(scale for scale, _ in heads) * 127, 24)
    assert math.isclose(min(log_c for _, log_c in heads), -10 - math.log(100))
    assert max(log_c for _, log_c in heads) == 2.0


def test_certified_bounds() -> None:
    found = {row.architecture: row for row in certify_defaults().rows}
    log2, split = found["consmax/log2"], found["consmax/split"]
    for entry in (log2, split):
        assert entry.settings >= 500
        assert entry.codes == 256
    assert log2.max_relative_error <= 0.006
    assert log2.max_ulp <= 1.0
    assert log2.monotonic
    assert split.guaranteed == guaranteed_split()
    assert split.max_relative_error <= 0.0093


@pytest.mark.exhaustive
def test_split_is_nearer_than_the_paper_s_unit() -> None:
    found = {row.architecture: row for row in certify_variants().rows}
    split, paper = certify_defaults().rows[1], found["consmax/paper (truncating)"]
    assert split.architecture == "consmax/split"
    assert split.max_relative_error < paper.max_relative_error


def test_guaranteed_bound_covers_what_was_found() -> None:
    bounds = guaranteed_log2(Log2Config())
    found = certify_defaults().rows[0]
    assert found.max_relative_error <= bounds.max_relative_error <= 0.006
    assert found.max_ulp <= bounds.max_ulp <= 1.0


@pytest.mark.parametrize("wide", [False, True])
def test_split_is_within_its_bound_where_a_search_found_it_worst(wide: bool) -> None:
    bound, worst = guaranteed_split(wide=wide).max_relative_error, worst_split_error(wide=wide)
    assert (0.017 if wide else 0.008) < worst < bound < (0.028 if wide else 0.0118)


def test_tables_that_are_a_unit_too_great_break_the_bound_of_split() -> None:
    def wrong(codes: Sequence[int], head: Setting) -> list[int]:
        return [bits + 3 for bits in split_results(False)(codes, head)]

    found = certify("wrong", wrong, settings()[:3], range(-128, 128), exhaustive=True)
    bound = guaranteed_split()
    assert found.max_relative_error > bound.max_relative_error
    assert found.max_ulp > bound.max_ulp


@pytest.mark.parametrize(
    "widths",
    [
        {"k_fraction": 15},
        {"fraction": 8},
        {"address": 7},
    ],
)
def test_narrower_widths_break_the_bound(widths: dict[str, int]) -> None:
    bounds = guaranteed_log2(Log2Config(**widths))  # type: ignore[arg-type]
    assert bounds.max_relative_error > 0.006 or bounds.max_ulp > 1.0


def test_one_wrong_bit_shows_in_the_certificate() -> None:
    def wrong(codes: Sequence[int], head: Setting) -> list[int]:
        bits = log2_results(codes, head)
        return [bits[0] ^ 4, *bits[1:]]

    heads = settings()[:3]
    right = certify("right", log2_results, heads, range(-128, 128), exhaustive=True)
    flawed = certify("flawed", wrong, heads, range(-128, 128), exhaustive=True)
    assert right.max_relative_error < 0.006 < flawed.max_relative_error
    assert flawed.worst.code == -128
