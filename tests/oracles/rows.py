"""Rows of scores, as docs/softmax.md has them."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.oracles.payload import Fields, join


class Score(NamedTuple):
    """A score of a beat."""

    code: int
    masked: bool


def beat(payload: int, lanes: int, bits: int = 8) -> tuple[list[Score], bool]:
    """Return the scores of a beat on ``i``, and whether it is the last one of its row."""
    fields = Fields(payload)
    codes = [fields.signed(bits) for _ in range(lanes)]
    masks = [bool(fields.unsigned(1)) for _ in range(lanes)]
    return [Score(*pair) for pair in zip(codes, masks, strict=True)], bool(fields.unsigned(1))


class RowOracle:
    """The streams of a unit with a row buffer; :meth:`results` is the unit's own."""

    width = 8  # bits of a result
    score_bits = 8

    def __init__(self, *, lanes: int, row: int, buffer: str) -> None:
        self.lanes, self.row = lanes, row
        self.reset()

    def reset(self) -> None:
        self.beats: list[list[Score]] = []

    def accept(self, payload: int) -> list[int]:
        scores, last = beat(payload, self.lanes, self.score_bits)
        if not self.beats:
            self.begin()
        self.beats.append(scores)
        length, longest = len(self.beats), self.row // self.lanes
        shown: list[int] = []
        if length > longest:
            shown = [self.payload([0] * self.lanes, last, True)]
        elif length == longest and not last:
            shown = [self.payload([0] * self.lanes, False, True)] * longest
        elif last:
            flat = iter(self.results(self.beats))
            shown = [
                self.payload([next(flat) for _ in range(self.lanes)], place == length - 1, False)
                for place in range(length)
            ]
        if last:
            self.reset()
        return shown

    def payload(self, results: Sequence[int], last: bool, too_long: bool) -> int:
        return join([*((each, self.width) for each in results), (last, 1), (too_long, 1)])

    def begin(self) -> None:
        """Take note that a row begins."""

    def results(self, beats: list[list[Score]]) -> list[int]:
        raise NotImplementedError
