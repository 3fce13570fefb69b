"""Oracle of ``attention/key_buffer``, from docs/tile.md."""

from tests.oracles.payload import Fields, join


class Oracle:
    """The unit's streams."""

    def __init__(self, *, columns: int, head_dim: int, storage: str) -> None:
        self.columns, self.head_dim = columns, head_dim
        self.reset()

    def reset(self) -> None:
        """Drop all keys."""
        self.block: list[list[int]] = []

    def configure(self, payload: int) -> None:
        raise AssertionError("the unit has no configuration")

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        self.block.append([fields.unsigned(8) for _ in range(self.head_dim)])
        if not fields.unsigned(1) and len(self.block) < self.columns:
            return []
        beats = []
        for element in range(self.head_dim):
            codes = [key[element] for key in self.block]
            beats.append(join((code, 8) for code in codes))  # lanes behind the last key are 0
        self.block = []
        return beats
