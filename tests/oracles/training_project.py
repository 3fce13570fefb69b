"""Oracle of ``training/project``, from docs/training.md and docs/dot.md."""

from tests.oracles.matmul_dot import products
from tests.oracles.matmul_group_dot import Sum, fixed_scale
from tests.oracles.payload import Fields, join, width_of_sum, wrap


class Oracle:
    """The unit's streams."""

    def __init__(self, *, rows: int, columns: int, group: int) -> None:
        self.rows, self.columns = rows, columns
        self.width = width_of_sum(group, *products("int8", "int5"))
        self.exponent = 0
        self.reset()

    def configure(self, payload: int) -> None:
        self.exponent = Fields(payload).unsigned(8)

    def reset(self) -> None:
        """Drop the sums that have begun and keep the exponent."""
        self.places = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        self.sums = {place: Sum() for place in self.places}
        self.group = dict.fromkeys(self.places, 0)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        x = [fields.signed(8) for _ in range(self.rows)]
        q = [fields.unsigned(4) for _ in range(self.columns)]
        zero = [fields.unsigned(4) for _ in range(self.columns)]
        scale = [fields.unsigned(16) for _ in range(self.columns)]
        last, end = fields.unsigned(1), fields.unsigned(1)
        for row, column in self.places:
            self.group[row, column] += x[row] * (q[column] - zero[column])
        if not last:
            return []
        for row, column in self.places:
            group = wrap(self.group[row, column], self.width)
            self.sums[row, column].add(group, *fixed_scale(scale[column], self.exponent))
        self.group = dict.fromkeys(self.places, 0)
        if not end:
            return []
        results = [
            join([(self.sums[at].total, 32), (self.sums[at].overflow, 1)]) for at in self.places
        ]
        self.reset()
        return results
