"""The scoreboard finds what is wrong, missing and too many, by lane and field."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.sim.rtlsim.testing import scoreboard as module
from consilico.sim.rtlsim.testing.monitor import Beat
from consilico.sim.rtlsim.testing.scoreboard import Scoreboard
from consilico.sim.units.accepted import Expected
from consilico.sim.units.layout import Field, Layout, Layouts
from consilico.sim.units.stimulus import Kind

LAYOUTS = Layouts(
    i=Layout.plain(4),
    cfg=Layout.plain(4),
    o=Layout(
        width=10,
        fields=(
            Field(name="code", lane=0, offset=0, width=5, signed=True),
            Field(name="code", lane=1, offset=5, width=5, signed=True),
        ),
    ),
)


def adds(kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
    """Return the model of a unit that adds the last configuration in lane 0, its double in 1."""
    constant, rows = 0, []
    for item, value in zip(kind, bits[:, 0].tolist(), strict=True):
        if item == Kind.CONFIG:
            constant = value
        elif item == Kind.DATA:
            rows.append([value + constant, value + 2 * constant])
    completes = (kind == Kind.DATA).astype(np.uint16)
    packed = LAYOUTS.o.pack({"code": np.array(rows).reshape(-1, 2)})
    return Expected(completes, packed, {})


def beat(step: int, payload: int | str, width: int = 4) -> Beat:
    bits = payload if isinstance(payload, str) else format(payload, f"0{width}b")
    return Beat(step=step, time_ns=step / 1000, bits=bits)


def result(step: int, code: Sequence[int]) -> Beat:
    return beat(step, (code[1] & 31) << 5 | code[0] & 31, 10)


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard(adds, LAYOUTS)


def test_right_results_pass(board: Scoreboard) -> None:
    board.configure(beat(1, 2))
    board.accept(beat(2, 3))
    board.accept(beat(3, 4))
    board.deliver(result(4, [5, 7]))
    board.deliver(result(5, [6, 8]))
    found = board.check()
    assert (found.checked, found.due, found.missing, found.dropped) == (2, 2, 0, 0)


def test_a_configuration_holds_for_the_data_of_its_cycle(board: Scoreboard) -> None:
    board.accept(beat(2, 3))
    board.configure(beat(2, 1))
    board.deliver(result(2, [4, 5]))
    board.check()


def test_a_wrong_field_is_named_with_its_lane_and_distance(board: Scoreboard) -> None:
    board.accept(beat(2, 3))
    board.deliver(result(4, [3, 1]))
    with pytest.raises(AssertionError) as caught:
        board.check()
    text = "result 0 at 0.004 ns: lane1/code is 1, expected 3 (-2 ulp)"
    assert str(caught.value) == text
    assert [*board.compare().mismatches[0].fields] == ["lane1/code"]


def test_an_unknown_bit_is_wrong(board: Scoreboard) -> None:
    board.accept(beat(2, 3))
    board.deliver(beat(4, "000110001x"))
    with pytest.raises(AssertionError, match="lane0/code is unknown, expected 3"):
        board.check()


def test_a_missing_result_fails(board: Scoreboard) -> None:
    board.accept(beat(2, 3))
    board.accept(beat(3, 3))
    board.deliver(result(4, [3, 3]))
    assert board.missing() == 1
    with pytest.raises(AssertionError, match="1 of 2 results never came"):
        board.check()


def test_a_result_that_nothing_was_due_for_fails(board: Scoreboard) -> None:
    board.accept(beat(2, 3))
    board.deliver(result(4, [3, 3]))
    board.deliver(result(5, [3, 3]))
    with pytest.raises(AssertionError, match=r"at 0\.005 ns: a result without an accepted input"):
        board.check()


def test_a_result_before_its_input_fails(board: Scoreboard) -> None:
    board.deliver(result(1, [3, 3]))
    board.accept(beat(2, 3))
    assert len(board.compare().unexpected) == 1


def test_a_reset_drops_what_is_in_flight(
    board: Scoreboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.accept(beat(2, 3))
    monkeypatch.setattr(module, "get_sim_time", lambda unit: 3)
    board.reset()
    board.accept(beat(4, 1))
    board.deliver(result(5, [1, 1]))
    found = board.check()
    assert (found.checked, found.dropped) == (1, 1)


def test_nothing_checked_fails(board: Scoreboard) -> None:
    with pytest.raises(AssertionError, match="nothing was checked"):
        board.check()
