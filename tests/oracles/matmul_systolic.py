"""Oracle of ``matmul/systolic``, from docs/systolic.md."""

from collections.abc import Generator

from tests.oracles.matmul_dot import products
from tests.oracles.payload import Fields, join, width_of_sum, wrap

Lines = list[list[int]]
Beat = tuple[list[int], list[int]]  # x for each row, w for each column


class Oracle:
    """The unit's streams."""

    def __init__(
        self, *, rows: int, columns: int, dataflow: str, x: str, w: str, depth: int, extent: int,
        block: int,
    ) -> None:  # fmt: skip
        self.rows, self.columns, self.dataflow, self.block = rows, columns, dataflow, block
        self.x_width, self.w_width = int(x[-1]), int(w[-1])
        self.extent_width, self.depth_width = extent.bit_length(), depth.bit_length()
        self.width = width_of_sum(max(depth, rows), *products(x, w))

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        widths = self.extent_width, self.depth_width, self.extent_width
        self.m, self.k, self.n = (fields.unsigned(width) for width in widths)
        self.reset()

    def reset(self) -> None:
        """Drop the job that has begun and keep the shape."""
        job = self._weight_stationary if self.dataflow == "weight_stationary" else self._output
        self.job = job()
        next(self.job)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        beat = (
            [fields.signed(self.x_width) for _ in range(self.rows)],
            [fields.signed(self.w_width) for _ in range(self.columns)],
        )
        results = self.job.send(beat)
        return [join((wrap(y, self.width), self.width) for y in line) for line in results]

    def _output(self) -> Generator[Lines, Beat, None]:
        """Take the beats of jobs of an output-stationary array, give the lines they complete."""
        done: Lines = []
        while True:
            for top in range(0, self.m, self.rows):
                for _ in range(0, self.n, self.columns):
                    sums = [[0] * self.columns for _ in range(self.rows)]
                    for beat in range(self.k):
                        x, w = yield done
                        for row, line in zip(x, sums, strict=True):
                            for column in range(self.columns):
                                line[column] += row * w[column]
                        done = sums[: self.m - top] if beat == self.k - 1 else []

    def _weight_stationary(self) -> Generator[Lines, Beat, None]:
        """Take the beats of jobs of a weight-stationary array, give the lines they complete."""
        done: Lines = []
        slices = -(-self.k // self.rows)
        while True:
            tiles = [
                min(self.block, self.m - top)
                for top in range(0, self.m, self.block)
                for _ in range(0, self.n, self.columns)
            ]
            passes = [(lines, at) for lines in tiles for at in range(slices)]
            weights: Lines = []
            for _ in range(self.rows):  # the first pass carries only weights
                _, w = yield done
                weights.append(w)
                done = []
            for number, (lines, at) in enumerate(passes):
                loads = self.rows if number < len(passes) - 1 else 0
                if at == 0:
                    sums = [[0] * self.columns for _ in range(lines)]
                following: Lines = []
                for beat in range(max(lines, loads)):
                    x, w = yield done
                    done = []
                    if beat < loads:
                        following.append(w)
                    if beat < lines:
                        for column in range(self.columns):
                            sums[beat][column] += sum(
                                a * line[column] for a, line in zip(x, weights, strict=True)
                            )
                        if at == slices - 1:
                            done = [sums[beat]]
                weights = following
