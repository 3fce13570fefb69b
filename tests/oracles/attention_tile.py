"""Oracle of ``attention/tile``, from docs/tile.md."""

from importlib import import_module
from typing import Any

from tests.oracles import matmul_requant
from tests.oracles.payload import Fields, join, width_of_sum, wrap

P_BITS = {"int7": 7, "2xint7": 14, "uint8": 8}
HEAD = {  # widths of the normalizer's constants
    "consmax/log2": (17, 18),
    "consmax/base2": (8, 7, 7, 7, 7, 1, 1, 1),
    "consmax/split": (15, 4, 1),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "consmax/log2": {"k_fraction": 17, "fraction": 11, "address": 8},
    "consmax/base2": {"score_integer": 6},
    "consmax/split": {"scores": "int8", "storage": "latch"},
}


class Oracle:
    """The unit's streams."""

    def __init__(
        self, *, rows: int, columns: int, head_dim: int, tokens: int, normalizer: str,
        p_format: str, multiplier_width: int,
    ) -> None:  # fmt: skip
        self.rows, self.columns, self.head_dim = rows, columns, head_dim
        self.tokens, self.multiplier_width = tokens, multiplier_width
        self.bits, self.head = P_BITS[p_format], HEAD[normalizer]
        self.split = normalizer == "consmax/split"
        operand = 255 if p_format == "uint8" else 127
        least = -128 if p_format != "uint8" else 0
        corners = [operand * 127, operand * -128, least * 127, least * -128]
        sums = width_of_sum(max(tokens, columns), min(corners), max(corners))
        self.width = sums + (7 if p_format == "2xint7" else 0)
        self.requantizer = matmul_requant.Oracle(
            lanes=columns, result="int8", rounding="half_away", zero_point=False,
            multiplier_width=multiplier_width,
        )  # fmt: skip
        oracle = import_module(f"tests.oracles.{normalizer.replace('/', '_')}").Oracle
        self.normalizer = oracle(
            lanes=columns, output="fixed", fixed_width=self.bits, fixed_fraction=self.bits,
            **OPTIONS[normalizer],
        )  # fmt: skip
        self.reset()

    def reset(self) -> None:
        """Drop all jobs; tables stay."""
        self.jobs: list[tuple[int, int, int, tuple[int, int], int]] = []
        self.beats: list[tuple[list[int], list[int], list[int]]] = []

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        keys = self.tokens.bit_length()
        sizes = [fields.unsigned(width) for width in (self.rows.bit_length(), keys, keys)]
        scale = fields.unsigned(self.multiplier_width), fields.unsigned(6)
        head = join((fields.unsigned(width), width) for width in self.head)
        if self.split and fields.unsigned(1):
            self.normalizer.configure(head)
        else:
            self.jobs.append((sizes[0], sizes[1], sizes[2], scale, head))

    def accept(self, payload: int) -> list[int]:
        if not self.jobs:
            return []
        fields = Fields(payload)
        q, k, v = (
            [fields.signed(8) for _ in range(count)]
            for count in (self.rows, self.columns, self.head_dim)
        )
        self.beats.append((q, k, v))
        tiles = -(-self.jobs[0][1] // self.columns)
        if len(self.beats) < tiles * self.head_dim:
            return []
        results = [
            join((wrap(y, self.width), self.width) for y in line)
            for line in self._attended(*self.jobs.pop(0))
        ]
        self.beats = []
        return results

    def _attended(
        self, rows: int, keys: int, seen: int, scale: tuple[int, int], head: int
    ) -> list[list[int]]:
        if not self.split:
            self.normalizer.configure(head)
        sums = [[0] * self.head_dim for _ in range(rows)]
        for first in range(0, keys, self.columns):
            beats = self.beats[first // self.columns * self.head_dim :][: self.head_dim]
            for row in range(rows):
                fields = []
                for lane in range(self.columns):
                    score = sum(q[row] * k[lane] for q, k, _ in beats)
                    code = self.requantizer.rounded(score, *scale)
                    masked = first + lane >= min(keys, seen + row)
                    fields += [(min(max(code, -128), 127), 8), (int(masked), 1)]
                (found,) = self.normalizer.accept(join(fields))
                results = Fields(found)
                for lane in range(self.columns):
                    p = results.unsigned(self.bits)
                    for element, value in enumerate(beats[lane][2]):
                        sums[row][element] += p * value
        return sums
