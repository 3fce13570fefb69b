"""Oracle of ``matmul/dot``, from docs/dot.md."""

from itertools import product

from tests.oracles.payload import Fields, clamp, code_range, join, width_of_sum, wrap


class Sums:
    """Sums over beats, at the width and with the flag that the page describes."""

    def __init__(
        self, *, lanes: int, depth: int, accumulator: int, products: tuple[int, int]
    ) -> None:
        self.saturates = accumulator > 0
        self.width = accumulator or width_of_sum(max(depth, lanes), *products)
        self.reset()

    def reset(self) -> None:
        self.total, self.saturated = 0, False

    def add(self, beat: int, last: int) -> list[int]:
        """Add a beat's sum of products; return the payload of the result if it is the last."""
        exact = self.total + beat
        self.total = (clamp if self.saturates else wrap)(exact, self.width)
        self.saturated |= self.saturates and self.total != exact
        if not last:
            return []
        result = [(self.total, self.width)]
        if self.saturates:
            result.append((self.saturated, 1))
        self.reset()
        return [join(result)]


def products(x: str, w: str) -> tuple[int, int]:
    """Return the least and the greatest product of an activation and a weight."""
    low, high = code_range(w)
    weights = (low - high, high - low) if w == "uint4" else (low, high)  # of any zero point
    corners = [a * b for a, b in product(code_range(x), weights)]
    return min(corners), max(corners)


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, x: str, w: str, depth: int, accumulator: int) -> None:
        self.lanes, self.x_width, self.w_width = lanes, int(x[-1]), int(w[-1])
        self.unsigned, self.zero = w == "uint4", 0
        self.sums = Sums(lanes=lanes, depth=depth, accumulator=accumulator, products=products(x, w))

    def configure(self, payload: int) -> None:
        self.zero = Fields(payload).unsigned(4)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        x = [fields.signed(self.x_width) for _ in range(self.lanes)]
        weight = fields.unsigned if self.unsigned else fields.signed
        w = [weight(self.w_width) - self.zero for _ in range(self.lanes)]
        return self.sums.add(sum(a * b for a, b in zip(x, w, strict=True)), fields.unsigned(1))

    def reset(self) -> None:
        self.sums.reset()
