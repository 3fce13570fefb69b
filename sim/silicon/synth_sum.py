"""Sums of products on single bits: partial products, compressor tree, carry-propagate adder.

Everything is a sum of weighted bits modulo ``2**width``. A bit of negative weight ``-t * 2**c`` is
rewritten as ``~t * 2**c - 2**c``, and the constants collect in one number: that is how signed
products (Baugh and Wooley, IEEE Trans. Computers C-22, 1973), sign extension and subtraction cost
no extra rows. Booth's radix-4 recoding (MacSorley, Proc. IRE 49, 1961) halves the rows of a product.
The tree adds the earliest bits of a column first (Oklobdzija, Villeger, Liu, IEEE Trans.
Computers 45, 1996).
"""

from dataclasses import dataclass

from sim.silicon.synth_logic import FALSE, TRUE, Logic

__all__ = ["ADDERS", "BitSum", "Operand", "add_carry"]

ADDERS = ("ripple", "brent-kung", "sklansky")


@dataclass(frozen=True)
class Operand:
    """Literals, least significant first, of a signed or unsigned number."""

    bits: tuple[int, ...]
    signed: bool

    def weights(self) -> list[tuple[int, int, int]]:
        """Triples of a literal, its column and the sign of its weight."""
        last = len(self.bits) - 1
        return [
            (bit, column, -1 if self.signed and column == last else 1)
            for column, bit in enumerate(self.bits)
        ]


class BitSum:
    """A sum of weighted bits, modulo ``2**width``."""

    def __init__(self, logic: Logic, width: int) -> None:
        self._logic = logic
        self._width = width
        self._columns: list[list[int]] = [[] for _ in range(width)]
        self._constant = 0

    def add_bit(self, literal: int, column: int, sign: int = 1) -> None:
        """Add ``sign * literal * 2**column``."""
        if column >= self._width or literal == FALSE:
            return
        if literal == TRUE:
            self._constant += sign << column
            return
        if sign < 0:
            literal ^= 1
            self._constant -= 1 << column
        if literal in (items := self._columns[column]):  # twice a bit is one bit further up
            items.remove(literal)
            self.add_bit(literal, column + 1)
        elif literal ^ 1 in items:  # a bit and its complement are one
            items.remove(literal ^ 1)
            self._constant += 1 << column
        else:
            items.append(literal)

    def add(self, operand: Operand, subtract: bool) -> None:
        """Add or subtract a number."""
        for literal, column, sign in operand.weights():
            self.add_bit(literal, column, -sign if subtract else sign)

    def add_product(self, a: Operand, b: Operand, subtract: bool, booth: bool) -> None:
        """Add or subtract a product."""
        if len(a.bits) < len(b.bits):
            a, b = b, a
        if booth and len(b.bits) > 2 and not {FALSE, TRUE} & set(b.bits[:-1]):
            self._add_booth(a, b, subtract)
            return
        for x, i, x_sign in a.weights():
            for y, j, y_sign in b.weights():
                sign = -x_sign * y_sign if subtract else x_sign * y_sign
                if i + j < self._width:
                    self.add_bit(self._logic.conjunction(x, y), i + j, sign)

    def _add_booth(self, a: Operand, b: Operand, subtract: bool) -> None:
        logic = self._logic
        top = b.bits[-1] if b.signed else FALSE
        recoded = (FALSE, *b.bits, *([top] * 2))
        sign_a = a.bits[-1] if a.signed else FALSE
        multiple = (*a.bits, sign_a)  # one bit longer: holds twice a
        digits = (len(b.bits) + (1 if b.signed else 2)) // 2
        for digit in range(digits):
            low, middle, high = recoded[2 * digit : 2 * digit + 3]
            one = logic.parity(low, middle)
            two = logic.conjunction(logic.parity(middle, high), one ^ 1)
            negative = high ^ int(subtract)
            for column, (bit, half) in enumerate(
                zip(multiple, (FALSE, *multiple[:-1]), strict=True)
            ):
                at = 2 * digit + column
                if at >= self._width:
                    break
                chosen = logic.disjunction(
                    logic.conjunction(one, bit), logic.conjunction(two, half)
                )
                last = column == len(multiple) - 1
                # An unsigned row keeps its sign in one further, implicit bit: negative itself.
                self.add_bit(logic.parity(chosen, negative), at, -1 if last and a.signed else 1)
            if not a.signed:
                self.add_bit(negative, 2 * digit + len(multiple), -1)
            self.add_bit(negative, 2 * digit)

    def total(self, adder: str) -> list[int]:
        """Literals of the sum, least significant first.

        Args:
            adder: How the last two rows are added, one of :data:`ADDERS`.
        """
        columns = [list(items) for items in self._columns]
        for column in range(self._width):
            if self._constant >> column & 1:
                columns[column].append(TRUE)
        (_reduce_rippling if adder == "ripple" else _reduce_in_stages)(self._logic, columns)
        rows = [(*items, FALSE, FALSE)[:2] for items in columns]
        total, _ = add_carry(
            self._logic, [row[0] for row in rows], [row[1] for row in rows], FALSE, adder
        )
        return total


def _earliest(logic: Logic, items: list[int], count: int) -> list[int]:
    """Take the bits that arrive first out of a column."""
    items.sort(key=logic.arrival)
    taken = items[:count]
    del items[:count]
    return taken


def _reduce_rippling(logic: Logic, columns: list[list[int]]) -> None:
    """Bring each column down to two bits with the fewest adders: carries may ripple upward."""
    for column, items in enumerate(columns):
        while len(items) > 2:
            total, carry = logic.full_adder(*_earliest(logic, items, 3))
            items += [total] * (total != FALSE)
            if column + 1 < len(columns) and carry != FALSE:
                columns[column + 1].append(carry)


def _reduce_in_stages(logic: Logic, columns: list[list[int]]) -> None:
    """Bring each column down to two bits in the fewest stages (Dadda, Alta Frequenza 34, 1965)."""
    heights = [2]
    while heights[-1] < max(map(len, columns), default=0):
        heights.append(heights[-1] * 3 // 2)
    for height in reversed(heights[:-1]):
        carries: list[int] = []
        for items in columns:
            ready, made, out = items, carries, list[int]()
            carries = []
            while len(ready) + len(made) + len(out) > height and len(ready) > 1:
                surplus = len(ready) + len(made) + len(out) - height
                few = surplus == 1 or len(ready) == 2
                inputs = _earliest(logic, ready, 2 if few else 3)
                total, carry = logic.full_adder(*inputs, *([FALSE] * few))
                out += [total] * (total != FALSE)
                carries += [carry] * (carry != FALSE)
            items[:] = ready + made + out


def add_carry(
    logic: Logic, a: list[int], b: list[int], carry: int, adder: str
) -> tuple[list[int], list[int]]:
    """Sum and carries out of each column of two rows of literals and a carry in."""
    start = 0
    sums: list[int] = []
    carries: list[int] = []
    while start < len(a) and (adder == "ripple" or FALSE in (a[start], b[start], carry)):
        total, carry = logic.full_adder(a[start], b[start], carry)
        sums.append(total)
        carries.append(carry)
        start += 1
    if start == len(a):
        return sums, carries
    propagate = [logic.parity(x, y) for x, y in zip(a[start:], b[start:], strict=True)]
    generate = [logic.conjunction(x, y) for x, y in zip(a[start:], b[start:], strict=True)]
    spans = list(zip(generate, propagate, strict=True))
    # The carry in joins the first column, which every prefix includes.
    spans[0] = (logic.full_adder(a[start], b[start], carry)[1], FALSE)
    _PREFIX[adder](logic, spans)
    outs = [span[0] for span in spans]
    ins = [carry, *outs[:-1]]
    sums += [logic.parity(x, y) for x, y in zip(propagate, ins, strict=True)]
    return sums, carries + outs


_Span = tuple[int, int]  # generate, propagate of a range of columns


def _join(logic: Logic, high: _Span, low: _Span) -> _Span:
    carry = logic.disjunction(high[0], logic.conjunction(high[1], low[0]))
    return carry, logic.conjunction(high[1], low[1])


def _sklansky(logic: Logic, spans: list[_Span]) -> None:
    step = 1
    while step < len(spans):
        for index in range(len(spans)):
            if index & step:
                spans[index] = _join(logic, spans[index], spans[(index | (step - 1)) - step])
        step *= 2


def _brent_kung(logic: Logic, spans: list[_Span]) -> None:
    step = 1
    while step < len(spans):
        for index in range(2 * step - 1, len(spans), 2 * step):
            spans[index] = _join(logic, spans[index], spans[index - step])
        step *= 2
    while step > 1:
        step //= 2
        for index in range(3 * step - 1, len(spans), 2 * step):
            spans[index] = _join(logic, spans[index], spans[index - step])


_PREFIX = {"sklansky": _sklansky, "brent-kung": _brent_kung}
