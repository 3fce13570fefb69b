"""Random words of docs/training.md ("Random words"), which two units share."""

# x^n is left out, 1 is in each
POLYNOMIALS = {
    4: (3,), 5: (3,), 6: (5,), 7: (6,), 8: (6, 5, 4), 9: (5,), 10: (7,), 11: (9,), 12: (6, 4, 1),
    13: (4, 3, 1), 14: (5, 3, 1), 15: (14,), 16: (15, 13, 4), 32: (22, 2, 1),
}  # fmt: skip


def times_x(element: int, degree: int) -> int:
    """Multiply an element of GF(2^degree) by x."""
    element <<= 1
    if element >> degree:
        element ^= 1 << degree | sum(1 << power for power in POLYNOMIALS[degree]) | 1
    return element


class Generator:
    """The shift register."""

    def __init__(self, *, lanes: int, random_bits: int) -> None:
        self.lanes, self.bits = lanes, random_bits
        self.steps = 1
        while self.steps < random_bits:
            self.steps *= 2
        self.state: int | None = None  # no seed yet

    def seed(self, seed: int) -> None:
        self.state = 2 * seed + 1

    def move(self) -> None:
        """Take the steps of one beat."""
        if self.state is None:
            raise AssertionError("a seed must be given before the first beat")
        for _ in range(self.steps):
            self.state = times_x(self.state, 32)

    def words(self) -> list[int]:
        """Return the word of each lane."""
        if self.state is None:
            raise AssertionError("a seed must be given before the first beat")
        kept = 2**self.bits - 1
        u, v = self.state & kept, self.state >> 16 & kept
        words = [u]
        while len(words) < self.lanes:
            words.append(u ^ v)
            v = times_x(v, self.bits)
        return words
