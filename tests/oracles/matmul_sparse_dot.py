"""Oracle of ``matmul/sparse_dot``, from docs/dot.md."""

from tests.oracles.matmul_dot import Sums, products
from tests.oracles.payload import Fields


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, x: str, w: str, depth: int, accumulator: int) -> None:
        self.lanes, self.x_width, self.w_width = lanes, int(x[-1]), int(w[-1])
        self.sums = Sums(lanes=lanes, depth=depth, accumulator=accumulator, products=products(x, w))

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        x = [fields.signed(self.x_width) for _ in range(2 * self.lanes)]
        w = [fields.signed(self.w_width) for _ in range(self.lanes)]
        index = [fields.unsigned(2) for _ in range(self.lanes)]
        beat = sum(w[n] * x[4 * (n // 2) + index[n]] for n in range(self.lanes))
        return self.sums.add(beat, fields.unsigned(1))

    def reset(self) -> None:
        self.sums.reset()
