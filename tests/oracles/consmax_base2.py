"""Oracle of ``consmax/base2``, from docs/consmax.md."""

from typing import Any

from tests.oracles import consmax
from tests.oracles.payload import GREATEST, Fields


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, score_integer: int, **output: Any) -> None:
        self.lanes, self.width, self.output = lanes, score_integer + 2, output

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        exponent = fields.unsigned(8)
        self.mantissas = [fields.unsigned(7) for _ in range(4)]
        self.exponents = [exponent, *(exponent + fields.unsigned(1) for _ in range(3))]

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        lanes = [(fields.signed(self.width), fields.unsigned(1)) for _ in range(self.lanes)]
        products = [self.product(score) for score, _ in lanes]
        return [consmax.beat(products, [mask for _, mask in lanes], **self.output)]

    def reset(self) -> None:
        """Keep the constants; nothing else is held from beat to beat."""

    def product(self, score: int) -> consmax.Product:
        bits, quarter = divmod(score, 4)
        exponent = self.exponents[quarter] + bits
        if exponent < 1:
            return 0, True, False
        if exponent > 254:
            return GREATEST, False, True
        return exponent * 128 + self.mantissas[quarter], False, False
