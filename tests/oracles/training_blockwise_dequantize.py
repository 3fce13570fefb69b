"""Oracle of ``training/blockwise_dequantize``, from docs/training.md."""

from functools import cache

from tests.oracles.code_book import book
from tests.oracles.payload import Fields, join, to_bf16, value


@cache
def decoded(code: int, absmax: int, name: str) -> int:
    """Return the state of a code."""
    entry, _, _ = to_bf16(book(name)[code])
    state, _, _ = to_bf16(value(entry) * value(absmax))
    return state


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, code: str) -> None:
        self.lanes, self.code = lanes, code

    def configure(self, payload: int) -> None:
        self.absmax = Fields(payload).unsigned(16)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        codes = [fields.unsigned(8) for _ in range(self.lanes)]
        return [join((decoded(code, self.absmax, self.code), 16) for code in codes)]

    def reset(self) -> None:
        """Keep the maximum; nothing else is held from beat to beat."""
