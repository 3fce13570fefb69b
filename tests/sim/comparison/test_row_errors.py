"""Errors of units for rows against exact softmax, and what methods are known to break at."""

import math
from functools import partial

import numpy as np
import pytest

from consilico.sim.comparison.row_errors import (
    TRAPS,
    RowErrors,
    exact_softmax,
    row_errors,
)
from consilico.sim.units.catalogue import find_unit
from consilico.sim.units.row_traffic import traffic_rows

BIT = math.log(2)  # in natural units


def errors(unit: str, trap: str, scale: float, **fields: int | str) -> RowErrors:
    found = find_unit(unit)
    buffer = {} if unit == "online_softmax" else {"buffer": "sram"}
    config = found.config(**({"row": 4096} | buffer | fields))
    assert found.normalize is not None
    score = TRAPS[trap]
    rows = [(scale, [(score, np.zeros(len(score), dtype=bool))])]
    return row_errors(partial(found.normalize, config), rows)


def test_exact_softmax_has_no_errors() -> None:
    rows = traffic_rows("normal", 256, 2048)
    found = row_errors(lambda scale, score, mask: exact_softmax(score, mask, scale), rows)
    assert (found.max_error, found.zeros, found.argmax_flips) == (0, 0, 0)
    assert found.least_row_sum == pytest.approx(1)
    assert (found.rows, found.scores) == (8, 2048)


def test_each_figure_shows_what_it_is_for() -> None:
    def wrong(scale: float, score: np.ndarray, mask: np.ndarray) -> np.ndarray:
        found = exact_softmax(score, mask, scale)
        found[0, 0] = 0
        return found

    rows = [
        (BIT, [(np.array([1, 0]), np.array([False, False])), (np.array([5]), np.array([True]))])
    ]
    found = row_errors(wrong, rows)  # 2/3 and 1/3; the first became 0; the second row is masked
    assert (found.rows, found.scores, found.zeros, found.argmax_flips) == (1, 2, 0.5, 1)
    assert found.max_error == pytest.approx(2 / 3)
    assert found.mean_error == pytest.approx(1 / 3)
    assert found.max_relative_error == pytest.approx(1)
    assert found.least_row_sum == found.greatest_row_sum == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="no row has a score"):
        row_errors(wrong, [(BIT, [(np.array([5]), np.array([True]))])])


@pytest.mark.parametrize("lanes", [1, 4])
def test_softmax_is_exact_on_every_trap(lanes: int) -> None:
    for trap in TRAPS:
        for scale in (8 / 127, BIT / 4, BIT / 32):
            found = errors("softmax", trap, scale, lanes=lanes)
            assert found.max_relative_error is None or found.max_relative_error < 2**-7, trap
            assert 0.98 < found.least_row_sum <= found.greatest_row_sum < 1.02, trap


def test_methods_break_where_it_is_published_or_known() -> None:
    """Figures of rows from hand computations in docs/softmax.md's steps."""
    assert errors("ita", "255 equal scores", BIT / 32).least_row_sum == pytest.approx(255 / 256)
    for count in ("256", "257", "1,024", "4,096"):
        assert errors("ita", f"{count} equal scores", BIT / 32).greatest_row_sum == 0
    assert errors("softermax", "256 equal scores", BIT / 4).greatest_row_sum == 2
    assert errors("ita", "rising by 1", BIT / 32).greatest_row_sum == 0
    falling = errors("ita", "falling by 1", BIT / 32)
    assert falling.greatest_row_sum > 0.5
    assert errors("softermax", "one 0, 255 of -28", BIT / 4).greatest_row_sum == pytest.approx(
        2.99, abs=0.01
    )


def test_online_softmax_is_nearly_exact_after_rescaling() -> None:
    for trap in TRAPS:
        found = errors("online_softmax", trap, BIT / 32)
        assert 0.99 < found.least_row_sum <= found.greatest_row_sum < 1.01, trap
