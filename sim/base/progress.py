"""Report the progress of long work: its name, how far it is, and how long it will take.

Whoever works calls a :data:`Progress` with a label, the steps done and the steps in all, once with
0 steps done before the first. Whoever shows it keeps a :class:`Pace`, which adds the time that is
left as far as the steps so far tell.
"""

import time
from collections.abc import Callable

__all__ = ["Pace", "Progress", "duration", "line", "log_lines", "silent"]

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all

_SECONDS_BETWEEN_LINES = 30.0


def silent(label: str, done: int, total: int) -> None:
    """Show nothing: the progress of work that nobody watches."""


class Pace:
    """Tells how long each piece of work has taken and will take.

    Args:
        clock: Returns the time in seconds, of which only differences count; the system's if not
            given.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._begun: dict[str, tuple[float, int]] = {}  # time and steps done when first heard of

    def step(self, label: str, done: int, total: int) -> tuple[float, float | None]:
        """Note that so many steps are done, and return how long the rest will take.

        Returns:
            Seconds since the label was first heard of, and the seconds left: those that the steps
            left take if they take as long as the steps since then did in the mean. None if there
            has been no step yet.
        """
        now = self._clock()
        begun, first = self._begun.setdefault(label, (now, done))
        elapsed_s = now - begun
        if done >= total:
            del self._begun[label]  # the same work may come again
            return elapsed_s, 0.0
        if done <= first:
            return elapsed_s, None
        return elapsed_s, elapsed_s * (total - done) / (done - first)


def line(label: str, done: int, total: int, elapsed_s: float, left_s: float | None) -> str:
    """Say in one line how far a piece of work is.

    For example ``verify: 3 of 20, 40 s so far, about 4 min left``.
    """
    parts = [f"{label}: {done} of {total}"]
    if elapsed_s >= 1:
        parts.append(f"{duration(elapsed_s)} so far")
    if left_s:
        parts.append(f"about {duration(left_s)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a time to two digits or so: ``40 s``, ``4 min``, ``1 h 20 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def log_lines(
    write: Callable[[str], None],
    between_s: float = _SECONDS_BETWEEN_LINES,
    clock: Callable[[], float] | None = None,
) -> Progress:
    """Return a progress that writes a line now and then, as suits a log file.

    The first line of a piece of work comes at once, so that a log says what is going on; then one
    comes at most every ``between_s`` seconds. Work of a single step gets no line.

    Args:
        write: Is given each line.
        between_s: Seconds that lie at least between two lines of one piece of work.
        clock: Returns the time in seconds; the system's if not given.
    """
    read_clock = clock or time.monotonic
    pace = Pace(read_clock)
    written: dict[str, float] = {}

    def show(label: str, done: int, total: int) -> None:
        elapsed_s, left_s = pace.step(label, done, total)
        now = read_clock()
        if total > 1 and now - written.get(label, -between_s - now) >= between_s:
            written[label] = now
            write(line(label, done, total, elapsed_s, left_s))
        if done >= total:
            written.pop(label, None)

    return show
