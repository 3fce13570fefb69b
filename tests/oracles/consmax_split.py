"""Oracle of ``consmax/split``, from docs/consmax.md."""

from functools import cache
from typing import Any

from tests.oracles import consmax
from tests.oracles.payload import GREATEST, Fields, to_bf16, value


@cache
def multiply(a: int, b: int) -> consmax.Product:
    """Return the bf16 product of two entries."""
    return to_bf16(value(a) * value(b))


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, scores: str, storage: str, **output: Any) -> None:
        self.lanes, self.pairs, self.output = lanes, scores == "int16", output
        self.wide = 0
        self.tables: dict[tuple[int, int], int] = {}  # (table, index): entry

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        entry, index = fields.unsigned(15), fields.unsigned(4)
        self.tables[fields.unsigned(2 if self.pairs else 1), index] = entry
        self.wide = fields.unsigned(1) if self.pairs else 0

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        scores, masks = zip(
            *((fields.unsigned(8), fields.unsigned(1)) for _ in range(self.lanes)), strict=True
        )
        products = [
            self.product(score, 2 * (lane % 2) if self.pairs else 0)
            for lane, score in enumerate(scores)
        ]
        if not self.wide:
            return [consmax.beat(products, masks, **self.output)]
        pairs = [self.reduce(*products[lane : lane + 2]) for lane in range(0, self.lanes, 2)]
        # the odd lane delivers 0 and raises no flag
        products = [product for pair in pairs for product in (pair, (0, True, False))]
        masks = tuple(mask for even in masks[::2] for mask in (even, 1))
        return [consmax.beat(products, masks, **self.output)]

    def reset(self) -> None:
        """Keep the constants; nothing else is held from beat to beat."""

    def product(self, score: int, lowest: int) -> consmax.Product:
        """Return ``upper[s >> 4] * lower[s & 15]``, of the tables from ``lowest`` on."""
        return multiply(self.tables[lowest + 1, score >> 4], self.tables[lowest, score & 15])

    @staticmethod
    def reduce(even: consmax.Product, odd: consmax.Product) -> consmax.Product:
        """Return the product of the two lanes of a pair in wide mode."""
        product = multiply(even[0], odd[0])
        if (even[2] or odd[2]) and not product[1]:
            return GREATEST, False, True
        return product
