"""Oracle of ``matmul/fused_dot``, from docs/dot.md."""

from tests.oracles.matmul_dot import Sums, products
from tests.oracles.payload import Fields

_FORMS = ((1, 8, 8), (2, 8, 4), (4, 4, 4), (4, 4, 4))  # by mode: products, bits of x and of w


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, depth: int) -> None:
        self.lanes, self.mode = lanes, 0
        self.sums = Sums(lanes=lanes, depth=depth, accumulator=0, products=products("int8", "int8"))

    def configure(self, payload: int) -> None:
        self.mode = Fields(payload).unsigned(2)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        x = [fields.unsigned(16) for _ in range(self.lanes)]
        w = [fields.unsigned(16) for _ in range(self.lanes)]
        return self.sums.add(sum(map(self.lane, x, w)), fields.unsigned(1))

    def reset(self) -> None:
        self.sums.reset()

    def lane(self, x: int, w: int) -> int:
        """Return the sum of the products of a lane."""
        count, x_width, w_width = _FORMS[self.mode]
        xs, ws = Fields(x), Fields(w)
        return sum(xs.signed(x_width) * ws.signed(w_width) for _ in range(count))
