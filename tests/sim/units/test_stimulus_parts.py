"""Parts and repetitions of a stimulus."""

import dataclasses

import numpy as np
import pytest

from consilico.sim.units.stimulus import Kind, beginning, prefix, repeat
from tests.sim.rtlsim import toy


def test_a_prefix_keeps_items_and_their_results_together() -> None:
    whole = toy.stimulus()
    part = prefix(whole, 30)  # reload, 25 payloads, reset, 3 payloads
    assert part.kind.tolist() == whole.kind[:30].tolist()
    assert np.array_equal(part.expected, whole.expected[:28])
    assert part.results == 28


def test_repetition_multiplies_items_results_and_coverage() -> None:
    whole = toy.stimulus()
    thrice = repeat(whole, 3)
    assert len(thrice.kind) == 3 * len(whole.kind)
    assert thrice.results == 3 * whole.results
    assert thrice.coverage["zero"] == 3 * whole.coverage["zero"]


def test_a_stimulus_that_relies_on_earlier_constants_is_not_repeated() -> None:
    whole = toy.stimulus()
    assert whole.kind[0] == Kind.CONFIG
    rotated = dataclasses.replace(
        whole,
        kind=np.roll(whole.kind, -1),
        bits=np.roll(whole.bits, -1, axis=0),
        completes=np.roll(whole.completes, -1),
    )
    with pytest.raises(ValueError, match="begins with its configuration"):
        repeat(rotated, 2)


def test_a_beginning_has_a_result_however_late_it_comes() -> None:
    whole = toy.stimulus()
    first = int(np.flatnonzero(whole.completes)[0])
    assert len(beginning(whole, first).kind) == first + 1
    assert beginning(whole, first).results > 0
    assert len(beginning(whole, 30).kind) == 30
    assert len(beginning(prefix(whole, first), 5).kind) == min(first, 5)  # which has no result
