"""Rows on streams: where they end, what comes of them, and when."""

from typing import Any

import numpy as np
import pytest

from consilico.golden.attention.rows import RowConfig
from consilico.sim.traffic.score_traffic import synthetic_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted
from consilico.sim.units.catalogue import configure, find_unit
from consilico.sim.units.row_timing import RowTiming, row_cycles
from consilico.sim.units.row_traffic import model_rows, traffic_rows
from consilico.sim.units.rows import row_results, rows_of
from consilico.sim.units.stimulus import Kind

CONFIG = RowConfig(row=16)
TIMING = RowTiming(gather=4, deliver=2)


def accepted(rows: str) -> Accepted:
    """Return what a unit accepts: ``-`` a beat, ``|`` the last one of a row, ``R`` a reset."""
    unit = find_unit("softermax")
    layouts = unit.layouts(configure(unit, ["row=16"]))
    kind = np.array([Kind.RESET if each == "R" else Kind.DATA for each in rows], dtype=np.uint8)
    last = np.array([each == "|" for each in rows], dtype=np.int64)
    none = np.zeros((len(rows), 1), dtype=np.int64)
    return Accepted(kind, layouts.i.pack({"score": none, "mask": none, "last": last}), layouts)


def test_rows_end_with_their_last_beat_or_with_a_reset() -> None:
    found = rows_of(accepted("--||-R---|--"))
    assert found.first.tolist() == [0, 3, 4, 5, 9]
    assert found.beats.tolist() == [3, 1, 1, 4, 2]
    assert found.complete.tolist() == [True, True, False, True, False]


def results(rows: str) -> Any:
    return row_results(CONFIG, accepted(rows), lambda score, mask, rows: score + 7)


@pytest.mark.parametrize(
    ("rows", "completes"),
    [
        ("--|--R|", [0, 0, 3, 0, 0, 1]),
        ("-" * 15 + "|", [0] * 15 + [16]),
        ("-" * 17 + "||", [0] * 15 + [16, 1, 1, 1]),
        ("-" * 15 + "R|", [0] * 15 + [1]),
        ("-" * 16 + "R|", [0] * 15 + [16, 1]),  # it was to go on
        ("-" * 18 + "R|", [0] * 15 + [16, 1, 1, 1]),
    ],
)
def test_results_come_with_the_last_beat_or_once_a_row_is_too_long(
    rows: str, completes: list[int]
) -> None:
    found = results(rows)
    assert found.completes.tolist() == completes
    assert len(found.beats["data"]) == sum(completes)


def test_only_rows_that_are_too_long_are_zero_and_flagged() -> None:
    found = results("|" + "-" * 17 + "||").beats
    assert found["data"][:, 0].tolist() == [7, *[0] * 18, 7]
    assert found["too_long"].tolist() == [0, *[1] * 18, 0]
    assert found["last"].tolist() == [1, *[0] * 17, 1, 1]


def cycles(rows: str, timing: RowTiming = TIMING) -> list[int]:
    return [int(each) for each in row_cycles(timing, CONFIG, accepted(rows))]


def test_rows_with_room_in_the_buffer_take_what_the_page_says() -> None:
    taken = np.array(cycles(("-" * 5 + "|") * 8))
    ends = np.cumsum(taken)[5::6]
    assert set(np.diff(ends)[2:].tolist()) == {6 + TIMING.gather - 1}


def test_the_longest_rows_wait_for_words_of_the_buffer() -> None:
    taken = np.array(cycles(("-" * 15 + "|") * 6))
    ends = np.cumsum(taken)[15::16]
    # the first beat waits for the first word, which is used a cycle after pass 2 begins
    assert set(np.diff(ends)[1:].tolist()) == {16 + TIMING.gather + 2}


def test_rows_of_one_score_wait_for_each_other() -> None:
    assert cycles("||||")[1:] == [TIMING.gather] * 3
    slow = RowTiming(gather=4, deliver=1, prepares=8)
    assert cycles("|||||", slow)[2:] == [slow.prepares + 1] * 3


@pytest.mark.parametrize(("beats", "more"), [(4, 0), (16, 1 + 2)])
def test_rows_that_are_read_twice_wait_for_both_and_for_the_buffer(beats: int, more: int) -> None:
    twice = RowTiming(gather=1, deliver=8, prepares=26, survey=16)
    assert twice.latency == 1 + 1 + 16 + 26 + 1 + 8
    taken = np.array(cycles(("-" * (beats - 1) + "|") * 8, twice))
    ends = np.cumsum(taken)[beats - 1 :: beats]
    assert set(np.diff(ends)[4:].tolist()) == {2 * beats + twice.prepares + more}


def test_a_reset_forgets_what_was_under_way() -> None:
    assert cycles("|R|")[1:] == [1, 1]


def test_rows_of_the_model_are_whole() -> None:
    sampling = ScoreSampling(windows=2, window=64, tiles_per_head=2)
    traffic = synthetic_traffic(sampling, reason="test")
    found = model_rows(traffic, sampling, 3, 6000)
    assert len(found) == 3
    for scale, rows in found:
        assert scale > 0
        for score, mask in rows:
            assert len(score) == len(mask)
            assert len(score) % sampling.tile == 0
            # masked are the keys behind the query
            assert not mask[: len(score) - sampling.tile + 1].any()
            assert np.array_equal(mask, np.sort(mask))


def test_rows_that_are_longer_than_the_buffer_are_refused() -> None:
    with pytest.raises(ValueError, match="row must be at least 256, not 64"):
        traffic_rows("synthetic", 64, 100)


def test_drawn_rows_are_as_long_as_the_buffer() -> None:
    ((scale, rows),) = traffic_rows("normal", 64, 200)
    assert scale == 8 / 127
    assert [len(score) for score, _ in rows] == [64, 64, 64]
