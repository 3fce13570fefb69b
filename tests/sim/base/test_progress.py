"""Progress says how long work will take, by a clock that the test sets."""

import pytest

from consilico.sim.base.progress import Pace, duration, line, log_lines


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_follows_from_the_steps_so_far() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.step("work", 0, 10) == (0.0, None)
    clock.now += 30
    assert pace.step("work", 3, 10) == (30.0, 70.0)
    clock.now += 10
    assert pace.step("work", 10, 10) == (40.0, 0.0)


def test_steps_before_the_first_report_do_not_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.step("work", 8, 12) == (0.0, None)  # found in the cache
    clock.now += 5
    assert pace.step("work", 10, 12) == (5.0, 5.0)


def test_work_of_the_same_name_begins_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.step("work", 0, 1)
    clock.now += 50
    pace.step("work", 1, 1)
    assert pace.step("work", 0, 4) == (0.0, None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min"), (7260, "2 h 1 min")],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_says_what_how_far_and_how_long() -> None:
    assert line("verify", 3, 20, 42, 238.0) == "verify: 3 of 20, 42 s so far, about 4 min left"
    assert line("verify", 0, 20, 0, None) == "verify: 0 of 20"


def test_a_log_has_the_first_line_at_once_and_then_one_now_and_then() -> None:
    clock = Clock()
    lines: list[str] = []
    show = log_lines(lines.append, 30, clock)
    for done in range(7):
        show("work", done, 100)
        show("other", done, 10)
        clock.now += 10
    assert lines == [
        "work: 0 of 100",
        "other: 0 of 10",
        "work: 3 of 100, 30 s so far, about 16 min left",
        "other: 3 of 10, 30 s so far, about 70 s left",
        "work: 6 of 100, 60 s so far, about 16 min left",
        "other: 6 of 10, 60 s so far, about 40 s left",
    ]


def test_a_log_has_no_line_for_a_single_step() -> None:
    lines: list[str] = []
    show = log_lines(lines.append, 0, Clock())
    show("work", 0, 1)
    show("work", 1, 1)
    assert lines == []
