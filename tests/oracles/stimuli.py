"""What each unit's oracle and golden model are compared on: corners of every field, and draws.

A stimulus is a list of :data:`Item`, built from the fields that the unit's page lists. It begins
with constants and never does what a page forbids. The parameters are those of the configuration.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any

from tests.oracles.payload import join

CONFIGURE, ACCEPT, RESET = "configure", "accept", "reset"
Item = tuple[str, int]  # what happens, payload
Field = tuple[int, int]  # value, width
Parameters = Mapping[str, Any]

_BF16 = (0, 1, 0x7F, 0x80, 0xFF, 0x3F7F, 0x3F80, 0x3FFF, 0x7F00, 0x7F7F, 0x7F80, 0x7FC0, 0x7FFF)
_CORNERS = (*_BF16, *(0x8000 | bits for bits in _BF16))


def drawn(rng: Random, width: int) -> Field:
    """Return a field of ``width`` bits: an end of its range or next to one, or any value."""
    top = 1 << width
    if rng.random() < 0.3:
        return rng.choice((0, 1, top // 2 - 1, top // 2, top - 2, top - 1)) % top, width
    return rng.randrange(top), width


def lanes(rng: Random, width: int, count: int) -> list[Field]:
    """Return drawn fields; in one of eight beats all are the same."""
    if rng.random() < 1 / 8:
        return [drawn(rng, width)] * count
    return [drawn(rng, width) for _ in range(count)]


def number_near(rng: Random, exponent: int, below: int, above: int) -> int:
    """Return a bf16 pattern of either sign whose exponent is near the one given."""
    biased = min(max(exponent + rng.randint(-below, above), 0), 255)
    return rng.randrange(2) << 15 | biased << 7 | rng.randrange(128)


def beats(values: Iterable[int], count: int) -> Iterator[list[int]]:
    """Yield all values in beats of ``count`` lanes; the first ones fill up the last beat."""
    every = list(values)
    for at in range(0, len(every), count):
        yield [every[(at + lane) % len(every)] for lane in range(count)]


def with_resets(rng: Random, items: Iterable[Item], share: float = 0.01) -> Iterator[Item]:
    """Yield items, and now and then a reset before one, but not in a run of equal ones.

    Such a run reaches for an extreme.
    """
    last = before = None
    for item in items:
        if rng.random() < share and last != before:
            yield RESET, 0
        yield item
        last, before = item, last


def _scores(rng: Random, parameters: Parameters, width: int = 8) -> Iterator[Item]:
    """Yield every score of so many bits once, one in eight masked."""
    masked = rng.choice((0, 1 / 8))
    for scores in beats(rng.sample(range(1 << width), 1 << width), parameters["lanes"]):
        fields = [
            field for score in scores for field in ((score, width), (rng.random() < masked, 1))
        ]
        yield ACCEPT, join(fields)


def consmax_base2(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield every score under drawn constants, whose exponents reach from end to end."""
    width = parameters["score_integer"] + 2
    for exponent in (0, 1, 100, 126, 127, 128, 200, 254, 255, *rng.sample(range(256), 15)):
        mantissas = [drawn(rng, 7) for _ in range(4)]
        carries = [(rng.randrange(2), 1) for _ in range(3)]
        yield CONFIGURE, join([(exponent, 8), *mantissas, *carries])
        yield from _scores(rng, parameters, width)


def consmax_log2(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield every score under drawn constants, and then every entry of the table."""
    k_width, fraction = parameters["k_fraction"], parameters["fraction"]

    def head(k: int, b: int) -> Iterator[Item]:
        yield CONFIGURE, join([(k, k_width), (b, 7 + fraction)])
        yield from _scores(rng, parameters)

    for _ in range(24):
        yield from head(drawn(rng, k_width)[0], drawn(rng, 7 + fraction)[0])
    step = 1 << (k_width - parameters["address"])  # of k: the next entry for the next score
    for first in range(0, 1 << parameters["address"], 256):
        b = (64 << fraction) + (first << (fraction - parameters["address"]))
        yield from head(step, b)
        yield from head(step, b + (1 << (fraction - parameters["address"])) - 1)


def consmax_split(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield every score under drawn tables; with wide scores, drawn pairs of them, too."""
    pairs = parameters["scores"] == "int16"

    def load(table: int, index: int, wide: int, spread: int) -> Item:
        entry = number_near(rng, 127, spread, spread) & 0x7FFF
        if rng.random() < 1 / 16:
            entry = rng.choice(_BF16)
        fields = [(entry, 15), (index, 4), (table, 2 if pairs else 1)]
        return CONFIGURE, join([*fields, (wide, 1)] if pairs else fields)

    for spread in (0, 4, 20, 40, 63, 64, 126):
        for wide in (0, 1) if pairs else (0,):
            for table in range(4 if pairs else 2):
                for index in range(16):
                    yield load(table, index, wide, spread)
            for _ in range(3):
                yield from _scores(rng, parameters)
                yield load(rng.randrange(4 if pairs else 2), rng.randrange(16), wide, spread)


def _row(rng: Random, count: int, beats_of_row: int, bits: int = 8) -> Iterator[Item]:
    """Yield a row of scores: any, close together, rising, falling or equal; some masked."""
    center, step = rng.randrange(1 << bits), rng.choice((0, 0, 1, -1, 7, -15))
    spread = rng.choice((0, 0, 3, 30, 256, *((2000, 1 << bits) if bits > 8 else ())))
    masked = rng.choice((0, 0, 1 / 8, 7 / 8, 1))
    for place in range(beats_of_row):
        codes = [
            (center + step * (place * count + lane) + rng.randint(-spread, spread)) % (1 << bits)
            for lane in range(count)
        ]
        masks = [(rng.random() < masked, 1) for _ in range(count)]
        last = (place == beats_of_row - 1, 1)
        yield ACCEPT, join([*((code, bits) for code in codes), *masks, last])


def _rows(rng: Random, parameters: Parameters, bits: int = 8) -> Iterator[list[Item]]:
    """Yield rows of all lengths; a row as long as they may be, and some that are longer."""
    count = parameters["lanes"]
    longest = min(parameters["row"], 4096) // count or 1
    lengths = [*(rng.randint(1, min(longest, 40)) for _ in range(40)), 1, 1, 2, longest]
    rng.shuffle(lengths)
    for length in (*lengths, longest + 1, 3, longest + 5, longest):
        yield [*_row(rng, count, length, bits)]


def ibert(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield rows of scores, and now and then the constants of another scale, also within a row."""
    bits = int(parameters["scores"].removeprefix("int"))
    a, b, ln2 = Fraction("0.35815147"), Fraction("0.96963238"), Fraction("0.6931")
    width = 2 * bits

    def constants(scale: Fraction) -> Item:
        c = math.floor(1 / (a * scale**2))
        return CONFIGURE, join(
            [
                (math.ceil(ln2 / scale), bits - 1),
                (math.floor(b / a / scale), bits + 1),
                (c, width),
                (width - c.bit_length(), {8: 4, 16: 5}[bits]),
                (math.floor(32767 * 2 ** c.bit_length() * a * scale**2), 16),
            ]
        )

    def drawn_scale() -> Fraction:
        least = Fraction("1.671") / (1 << bits)  # its c is below 2 ** width
        return min(least * Fraction(math.exp2(rng.uniform(0, bits))), Fraction(1))

    yield constants(Fraction(8, 127 * 2 ** (bits - 8)))
    for row in _rows(rng, parameters, bits):
        for item in row:
            if rng.random() < 1 / 60:
                yield constants(drawn_scale())
            yield item


def base2_scores(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield every score under constants at the ends and drawn ones."""
    count = parameters["lanes"]
    for k in (0, 1, 1023, 1024, 2048, 4095, *(drawn(rng, 12)[0] for _ in range(18))):
        yield CONFIGURE, join([(k, 12)])
        for codes in beats(rng.sample(range(256), 256), count):
            masks = [(rng.random() < 0.1, 1) for _ in range(count)]
            yield ACCEPT, join([*((code, 8) for code in codes), *masks, drawn(rng, 1)])


def softermax(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield rows of scores."""
    for row in _rows(rng, parameters):
        yield from row


def sole(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield what ``softermax`` takes: the streams are the same."""
    return softermax(rng, parameters)


def ita(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield rows of scores; in the longest buffer also sums that wrap."""
    for row in _rows(rng, parameters):
        yield from row
    for length in (2047, 2048, 2049) if parameters["row"] >= 4096 else ():
        count = parameters["lanes"]
        for place in range(-(-length // count)):
            shown = [place * count + lane < length for lane in range(count)]
            last = (place + 1) * count >= length
            masks = [(not each, 1) for each in shown]
            yield ACCEPT, join([*[(5, 8)] * count, *masks, (last, 1)])


def softmax(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield rows of scores, and now and then another constant, also within a row."""
    yield CONFIGURE, join([(5000, 17)])
    for row in _rows(rng, parameters):
        for item in row:
            if rng.random() < 1 / 60:
                yield CONFIGURE, join([drawn(rng, 17)])
            yield item


def online_softmax(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield what ``softmax`` takes: the streams are the same."""
    return softmax(rng, parameters)


def _deep(fields: list[Field], depth: int, count: int) -> Iterator[Item]:
    """Yield a sum of ``depth`` products, ``count`` in every one of its beats, all the same."""
    yield from [(ACCEPT, join([*fields, (0, 1)]))] * (depth // count - 1)
    yield ACCEPT, join([*fields, (1, 1)])


def matmul_dot(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield drawn sums, and sums of extremes as long as the unit promises to hold."""
    count, x, w = parameters["lanes"], int(parameters["x"][-1]), int(parameters["w"][-1])
    zero_point = parameters["w"] == "uint4"

    def zero(value: int) -> list[Item]:
        return [(CONFIGURE, join([(value, 4)]))] if zero_point else []

    yield from zero(7)
    for _ in range(600):
        if rng.random() < 0.1:
            yield from zero(rng.randrange(16))
        fields = [*lanes(rng, x, count), *lanes(rng, w, count)]
        yield ACCEPT, join([*fields, (rng.random() < 0.3, 1)])
    yield RESET, 0
    for w_code in (0, 15) if zero_point else (1 << w - 1, (1 << w - 1) - 1):
        yield from zero(15 - w_code)
        fields = [*[(1 << x - 1, x)] * count, *[(w_code, w)] * count]
        yield from _deep(fields, parameters["depth"], count)


def matmul_sparse_dot(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield drawn sums, and sums of extremes as long as the unit promises to hold."""
    count, x, w = parameters["lanes"], int(parameters["x"][-1]), int(parameters["w"][-1])
    for _ in range(600):
        fields = [*lanes(rng, x, 2 * count), *lanes(rng, w, count), *lanes(rng, 2, count)]
        yield ACCEPT, join([*fields, (rng.random() < 0.3, 1)])
    yield RESET, 0
    for w_code in (1 << w - 1, (1 << w - 1) - 1):
        fields = [*[(1 << x - 1, x)] * 2 * count, *[(w_code, w)] * count, *[(1, 2)] * count]
        yield from _deep(fields, parameters["depth"], count)


def matmul_fused_dot(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield drawn sums in all modes, and sums of extremes as long as the unit promises to hold."""
    count = parameters["lanes"]
    for mode in (0, 1, 2, 3, 1, 0, 2):
        yield CONFIGURE, join([(mode, 2)])
        for _ in range(100):
            fields = [*lanes(rng, 16, count), *lanes(rng, 16, count)]
            yield ACCEPT, join([*fields, (rng.random() < 0.3, 1)])
    yield RESET, 0
    yield CONFIGURE, join([(0, 2)])  # of the greatest products
    for w in (0x80, 0x7F):
        yield from _deep([*[(0x80, 16)] * count, *[(w, 16)] * count], parameters["depth"], count)


def matmul_group_dot(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield drawn groups with scales around the shared exponent, and extremes that overflow."""
    count, bf16 = parameters["lanes"], parameters["scale"] == "bf16"
    exponent = 0

    def share(value: int) -> list[Item]:
        nonlocal exponent
        exponent = value
        return [(CONFIGURE, join([(value, 8)]))] if "bf16" in parameters.values() else []

    def group(
        zero: int, scale: Field, end: int, codes: tuple[int, int] | None = None
    ) -> Iterator[Item]:
        for _ in range(parameters["group"] // count):
            x = lanes(rng, 8, count) if codes is None else [(codes[0], 8)] * count
            q = lanes(rng, 4, count) if codes is None else [(codes[1], 4)] * count
            yield ACCEPT, join([*x, *q, (zero, 4), scale, (end, 1)])

    def scale() -> Field:
        if not bf16:
            return drawn(rng, 8)
        return (
            rng.choice(_CORNERS) if rng.random() < 0.1 else number_near(rng, exponent, 10, 5)
        ), 16

    for value in (120, 0, 1, 4, 9, 60, 127, 200, 250, 251, 255):
        yield from share(value)
        for _ in range(12):
            yield from group(rng.randrange(16), scale(), rng.random() < 0.4)
            if rng.random() < 0.1:
                yield from share(min(255, exponent + 1))
    yield RESET, 0
    yield from share(120)
    top = (124 << 7 | 127, 16) if bf16 else (255, 8)
    for codes in ((127, 15), (128, 15)):
        for groups in (1, 2, 1 + (1 << 31) // (127 * 15 * parameters["group"] * 200)):
            for number in range(min(groups, 60)):
                yield from group(0, top, number == min(groups, 60) - 1, codes)


def matmul_quantize(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield groups for every mantissa of the range, groups of ties, corners and any patterns."""
    size, count = parameters["group"], parameters["lanes"]

    def group(values: list[int]) -> Iterator[Item]:
        for at in range(0, size, count):
            yield ACCEPT, join((bits, 16) for bits in values[at : at + count])

    for mantissa in range(128):
        exponent = rng.choice((1, 8, 9, rng.randrange(20, 240), 254, 255))
        values = [number_near(rng, exponent, 10, -1) for _ in range(size)]
        values[rng.randrange(size)] = rng.randrange(2) << 15 | exponent << 7 | mantissa
        if rng.random() < 0.3:  # on one side of zero
            sign = rng.randrange(2) << 15
            values = [bits & 0x7FFF | sign for bits in values]
        yield from group(values)
    for _ in range(12):  # halves of a code, if the scale is a power of two
        exponent = rng.randrange(20, 240)
        values = [
            number_near(rng, exponent, 6, 0) & ~rng.choice((7, 15, 31, 63)) for _ in range(size)
        ]
        top = {"int8": 0x7F, "int4": 0x60 if parameters["mode"] == "absmax" else 0x70}
        values[0] = exponent << 7 | top[parameters["result"]]
        yield from group(values)
    for corner in _CORNERS:
        yield from group([corner] * size)
        yield from group([rng.choice(_CORNERS) for _ in range(size)])
        yield from group([number_near(rng, corner >> 7 & 255, 3, 0) for _ in range(size)])
    yield ACCEPT, join([(0x4000, 16)] * count)
    yield RESET, 0
    for _ in range(4):
        yield from group([rng.randrange(1 << 16) for _ in range(size)])


def matmul_requant(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield sums that fall into the range of a code, ties among them, and extremes."""
    count, width = parameters["lanes"], parameters["multiplier_width"]
    code = int(parameters["result"][-1])
    for _ in range(max(16, 800 // count)):
        scales = [
            (drawn(rng, width)[0], drawn(rng, 6)[0] if rng.random() < 0.2 else rng.randrange(64))
            for _ in range(count)
        ]
        fields = [field for scale in scales for field in zip(scale, (width, 6), strict=True)]
        if parameters["zero_point"]:
            fields.append(drawn(rng, code))
        yield CONFIGURE, join(fields)
        for _ in range(4):
            yield ACCEPT, join(lanes(rng, 32, count))
        for _ in range(4):
            x = []
            for multiplier, shift in scales:
                # n + 1/2, exactly if the multiplier is a power of two, or next to it
                odd = 2 * rng.randint(-(1 << code), 1 << code) + 1
                near = (odd << shift) // max(1, 2 * multiplier) + rng.choice((-1, 0, 0, 0, 1))
                x.append((min(max(near, -(1 << 31)), (1 << 31) - 1), 32))
            yield ACCEPT, join(x)
    for shift in range(1, 64):  # ties
        multiplier = 1 << rng.randrange(width)
        fields = [field for _ in range(count) for field in ((multiplier, width), (shift, 6))]
        if parameters["zero_point"]:
            fields.append(drawn(rng, code))
        yield CONFIGURE, join(fields)
        for _ in range(4):
            halves = [2 * rng.randint(-(1 << code - 1), 1 << code - 1) + 1 for _ in range(count)]
            sums = [(n << shift - 1) // multiplier for n in halves]
            yield ACCEPT, join((min(max(n, -(1 << 31)), (1 << 31) - 1), 32) for n in sums)


def training_stochastic_round(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield drawn values, values next to integers and to the ends of a result."""
    count, width, fraction = (parameters[name] for name in ("lanes", "width", "fraction"))
    end = 1 << (parameters["result_width"] - 1)

    def near() -> Field:
        integer = rng.choice((0, -1, 1, -end, end - 1, end, -end - 1, rng.randrange(-end, end)))
        offset = rng.choice((0, 1, -1, rng.randrange(1 << fraction)))
        limit = 1 << (width - 1)
        return min(max((integer << fraction) + offset, -limit), limit - 1), width

    for seed in (0, (1 << 31) - 1, *(rng.randrange(1 << 31) for _ in range(6))):
        yield CONFIGURE, join([(seed, 31)])
        for _ in range(60):
            yield ACCEPT, join(lanes(rng, width, count))
            yield ACCEPT, join(near() for _ in range(count))


def training_weight_update(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield updates around one code and one random unit, and pairs of corners."""
    count = parameters["lanes"]
    for seed in (0, (1 << 31) - 1, rng.randrange(1 << 31)):
        yield CONFIGURE, join([(seed, 31), (1, 1)])
        for factor in (*_CORNERS, *(rng.randrange(1 << 16) for _ in range(20))):
            yield CONFIGURE, join([(factor | rng.randrange(1 << 15) << 16, 31), (0, 1)])
            for _ in range(6):
                fields = []
                for _ in range(count):
                    update = number_near(
                        rng, 254 - (factor >> 7 & 255), parameters["random_bits"] + 3, 9
                    )
                    if rng.random() < 0.1:
                        update = rng.choice(_CORNERS)
                    fields += [drawn(rng, 8), (update, 16)]
                yield ACCEPT, join(fields)


def training_blockwise_quantize(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield every number in [-1, 1] that has another code than 0, then every pair of mantissas."""
    count = parameters["lanes"]

    def states(absmax: int, values: Iterable[int]) -> Iterator[Item]:
        yield CONFIGURE, join([(absmax, 16)])
        for beat in beats(values, count):
            yield ACCEPT, join((bits, 16) for bits in beat)

    every = [0, *range((127 - 24) << 7, 0x3F81)]
    yield from states(0x3F80, [sign | bits for sign in (0, 0x8000) for bits in every])
    for mantissa in range(128):
        exponent = rng.randrange(1, 256)
        near = [
            (number_near(rng, exponent, 22, 1) & ~127) | other
            for other in (rng.sample(range(128), 64) if count > 8 else range(128))
        ]
        yield from states(exponent << 7 | mantissa, near)
    for corner in _BF16:
        yield from states(
            corner, [*_CORNERS, *(number_near(rng, corner >> 7, 24, 1) for _ in range(40))]
        )


def training_blockwise_dequantize(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield every code under every mantissa of the maximum."""
    exponents = [0, 1, 2, 24, 127, 253, 254, 255]
    for mantissa in range(128):
        yield CONFIGURE, join([(rng.choice([*exponents, rng.randrange(256)]) << 7 | mantissa, 16)])
        for beat in beats(rng.sample(range(256), 256), parameters["lanes"]):
            yield ACCEPT, join((code, 8) for code in beat)


def training_project(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield drawn tiles with scales around the shared exponent, and groups of extremes."""
    rows, columns, longest = (parameters[name] for name in ("rows", "columns", "group"))
    exponent = 120

    def group(length: int, end: int, codes: tuple[int, int, int] | None = None) -> Iterator[Item]:
        for beat in range(length):
            fields = [*lanes(rng, 8, rows), *lanes(rng, 4, columns), *lanes(rng, 4, columns)]
            scales = [
                rng.choice(_CORNERS) if rng.random() < 0.1 else number_near(rng, exponent, 10, 5)
                for _ in range(columns)
            ]
            if codes is not None:
                x, q, zero = codes
                fields = [*[(x, 8)] * rows, *[(q, 4)] * columns, *[(zero, 4)] * columns]
                scales = [(exponent + 4) << 7 | 127] * columns
            fields += [(scale, 16) for scale in scales]
            yield ACCEPT, join([*fields, (beat == length - 1, 1), (end, 1)])

    for exponent in (120, 0, 1, 60, 127, 250, 251, 255):
        yield CONFIGURE, join([(exponent, 8)])
        for _ in range(12):
            yield from group(rng.choice((1, 2, 5, 17)), rng.random() < 0.4)
    yield RESET, 0
    exponent = 120
    yield CONFIGURE, join([(exponent, 8)])
    for length in (longest, longest + 3):
        for codes in ((128, 0, 15), (127, 0, 15), (127, 15, 0), (128, 15, 0)):
            yield from group(length, 1, codes)
    groups = min(60, 2 + (1 << 31) // (127 * 15 * 4095 * longest))
    for number in range(groups):
        yield from group(longest, number == groups - 1, (127, 15, 0))


def attention_tile(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield jobs of all sizes, some of them waiting for the one before, and one of extremes."""
    rows, columns, depth = (parameters[name] for name in ("rows", "columns", "head_dim"))
    multiplier, tokens = parameters["multiplier_width"], parameters["tokens"]
    widths = [rows.bit_length(), tokens.bit_length(), tokens.bit_length(), multiplier, 6]

    def job(m: int, n: int, seen: int, shift: int) -> Item:
        sizes = zip((m, n, seen, (1 << multiplier) - 1, shift), widths, strict=True)
        if parameters["normalizer"] == "consmax/split":
            return CONFIGURE, join([*sizes, (0, 15), (0, 4), (0, 1), (0, 1)])
        if parameters["normalizer"] == "consmax/log2":
            return CONFIGURE, join(
                [*sizes, drawn(rng, 14), (0, 3), (rng.randint(56, 64) << 11, 18)]
            )
        exponent, mantissas = rng.randint(116, 128), [drawn(rng, 7) for _ in range(4)]
        return CONFIGURE, join([*sizes, (exponent, 8), *mantissas, *[(rng.randrange(2), 1)] * 3])

    def beat(code: int | None = None) -> Item:
        count = rows + columns + depth
        return ACCEPT, join(lanes(rng, 8, count) if code is None else [(code, 8)] * count)

    if parameters["normalizer"] == "consmax/split":
        for table in range(2):
            for nibble in range(16):
                value = rng.randint(120 << 7, 128 << 7)
                sizes = [(0, width) for width in widths]
                yield CONFIGURE, join([*sizes, (value, 15), (nibble, 4), (table, 1), (1, 1)])
    # so that most codes are not at the ends of their range
    shift = multiplier + 8 + depth.bit_length() // 2
    for _ in range(max(4, 12 - rows * columns * depth // 2000)):
        sizes = [
            (rng.randint(1, rows), rng.randint(1, min(tokens, 3 * columns + 1)))
            for _ in range(rng.randint(1, 3))
        ]
        for m, n in sizes:
            seen = rng.choice((n, 0, rng.randint(0, tokens), max(0, n - m + 1)))
            yield job(m, n, min(seen, tokens), shift + rng.randint(-2, 1))
        for _ in range(sum(-(-n // columns) * depth for _, n in sizes)):
            yield beat()
    n = min(tokens, 2 * columns)
    for code in (-128, 127):
        yield job(rows, n, n, shift)
        yield from [beat(code)] * (-(-n // columns) * depth)


def deepest_product(parameters: Parameters, w: int) -> Iterator[Item]:
    """Yield a job of a systolic array: one sum of the least activation times ``w``, ``depth`` long.

    Longer ones than 8192 are cut.
    """
    rows, columns = parameters["rows"], parameters["columns"]
    k = min(parameters["depth"], 8192)
    x_width, w_width = int(parameters["x"][-1]), int(parameters["w"][-1])
    widths = [parameters[name].bit_length() for name in ("extent", "depth", "extent")]
    yield CONFIGURE, join(zip((1, k, 1), widths, strict=True))

    def beat(activations: int, weight: bool) -> Item:
        x = [(-(1 << x_width - 1) if row < activations else 0, x_width) for row in range(rows)]
        ws = [(w if weight and column == 0 else 0, w_width) for column in range(columns)]
        return ACCEPT, join([*x, *ws])

    if parameters["dataflow"] == "output_stationary":
        yield from [beat(1, True)] * k
        return
    for row in range(rows):  # a pass that only loads the first slice of k
        yield beat(0, row < k)
    for first in range(0, k, rows):
        loads = rows if first + rows < k else 0
        for row in range(max(1, loads)):
            yield beat(0 if row else min(rows, k - first), loads > 0 and first + rows + row < k)


def attention_key_buffer(rng: Random, parameters: Parameters) -> Iterator[Item]:
    """Yield blocks of all sizes, of keys whose elements all differ or are all the same."""
    columns, depth = parameters["columns"], parameters["head_dim"]
    for size in [*range(1, columns + 1), *[rng.randint(1, columns) for _ in range(12)]]:
        for place in range(size):
            last = place == size - 1 and (size < columns or rng.random() < 0.5)
            yield ACCEPT, join([*lanes(rng, 8, depth), (int(last), 1)])


DRAWN: dict[str, Callable[[Random, Parameters], Iterator[Item]]] = {
    function.__name__: function
    for function in (
        attention_key_buffer,
        attention_tile,
        base2_scores,
        ibert,
        consmax_base2,
        consmax_log2,
        consmax_split,
        matmul_dot,
        matmul_fused_dot,
        matmul_group_dot,
        matmul_quantize,
        matmul_requant,
        matmul_sparse_dot,
        ita,
        online_softmax,
        softermax,
        softmax,
        sole,
        training_blockwise_dequantize,
        training_blockwise_quantize,
        training_project,
        training_stochastic_round,
        training_weight_update,
    )
}
