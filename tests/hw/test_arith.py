"""Combinational building blocks against integers, in Amaranth's simulator."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from amaranth import Elaboratable, Module, Signal, Value
from amaranth.sim import Simulator

from consilico.golden import bfloat16
from consilico.golden.attention.consmax import ConSmaxConfig
from consilico.hw.arith import Columns, booth_digits
from consilico.hw.attention.consmax import to_fixed
from consilico.hw.bfloat16 import limit, multiply
from consilico.hw.register_file import select


class Block(Elaboratable):
    """A combinational function of some inputs, so that the simulator can drive it."""

    def __init__(self, widths: Sequence[int], build: Callable[..., Any], width: int) -> None:
        self.inputs = [Signal(bits) for bits in widths]
        self.output = Signal(width)
        self._build = build

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.output.eq(self._build(m, *self.inputs))
        return m


def outputs(block: Block, rows: Sequence[Sequence[int]]) -> list[int]:
    """The block's output for each row of inputs."""
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        for row in rows:
            for signal, value in zip(block.inputs, row, strict=True):
                ctx.set(signal, value)
            await ctx.delay(1e-9)
            found.append(ctx.get(block.output))

    simulator = Simulator(block)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("digits", [(2, 2, 2, 2), (3, 3, 2), (2, 3, 3), (1, 3, 4)])
@pytest.mark.parametrize("signed", [False, True])
def test_product_and_addend_on_every_multiplier(digits: tuple[int, ...], signed: bool) -> None:
    def build(m: Module, x: Value, y: Value, addend: Value) -> Value:
        multiplicand = y.as_signed() if signed else y
        greatest = 1 << (max(digits) - 1)
        multiples = [(multiplicand * (index + 1)).as_unsigned() for index in range(greatest)]
        columns = Columns(20)
        columns.add_product(m, booth_digits(x, digits), multiples, signed=signed)
        columns.add(3, addend)
        return sum(columns.rows(m))

    rng = np.random.default_rng(1)
    ys = [0, 1, 511, 256, 255, *rng.integers(0, 512, 2).tolist()]
    rows = [(x & 255, y, int(rng.integers(1 << 14))) for y in ys for x in range(-128, 128)]
    expected = [
        (((x ^ 128) - 128) * (((y ^ 256) - 256) if signed else y) + 8 * addend) % (1 << 20)
        for x, y, addend in rows
    ]
    assert outputs(Block((8, 9, 14), build, 20), rows) == expected


def test_a_chosen_multiple_is_added_or_none() -> None:
    def build(m: Module, x: Value, y: Value, chosen: Value, addend: Value) -> Value:
        columns = Columns(12)
        columns.add_chosen(m, 2, [x, y], chosen)
        columns.add(0, addend)
        return sum(columns.rows(m))

    rng = np.random.default_rng(3)
    rows = [
        (int(rng.integers(32)), int(rng.integers(256)), choice, int(rng.integers(4096)))
        for choice in (0, 1, 2)
        for _ in range(50)
    ]
    expected = [((0, x, y)[choice] * 4 + addend) % 4096 for x, y, choice, addend in rows]
    assert outputs(Block((5, 8, 2, 12), build, 12), rows) == expected


def test_signed_values_are_added_and_a_sum_wraps() -> None:
    def build(m: Module, a: Value, b: Value) -> Value:
        columns = Columns(6)
        columns.add_signed(1, a)
        columns.add_signed(0, b)
        columns.subtract(2, b[0])
        return sum(columns.rows(m))

    rows = [(a, b) for a in range(8) for b in range(16)]
    signed = [((a ^ 4) - 4, (b ^ 8) - 8) for a, b in rows]
    expected = [(2 * a + b - 4 * (b & 1)) % 64 for a, b in signed]
    assert outputs(Block((3, 4), build, 6), rows) == expected


def bf16_samples() -> list[tuple[int, int]]:
    """Pairs of magnitudes: corners, ties, and random ones over the whole exponent range."""
    rng = np.random.default_rng(2)
    corners = [0, 0x0080, 0x00FF, 0x3F80, 0x3FFF, 0x3F81, 0x5F80, 0x7F7F]
    pairs = [(a, b) for a in corners for b in corners]
    near = [(0x3F80 + int(a), 0x3F80 + int(b)) for a, b in rng.integers(0, 128, (400, 2))]
    drawn = [(int(a), int(b)) for a, b in rng.integers(0x80, 0x7F80, (400, 2))]
    return pairs + near + drawn


@pytest.mark.parametrize("truncate", [False, True])
def test_bf16_product_equals_the_golden_model(truncate: bool) -> None:
    def build(m: Module, a: Value, b: Value) -> Value:
        return limit(multiply(m, a, b, truncate=truncate))

    rows = bf16_samples()
    a, b = torch.tensor(rows).T
    expected = bfloat16.multiply(a, b, truncate=truncate).bits.tolist()
    assert outputs(Block((15, 15), build, 15), rows) == expected


@pytest.mark.parametrize(("width", "fraction"), [(16, 16), (8, 6), (24, 0), (2, 40)])
def test_fixed_point_equals_the_golden_model(width: int, fraction: int) -> None:
    config = ConSmaxConfig(output="fixed", fixed_width=width, fixed_fraction=fraction)

    def build(m: Module, bits: Signal) -> Value:
        return to_fixed(m, bits, config)[0]

    rows = [(0,), *((bits,) for bits in range(0x80, 0x7F80, 37))]
    expected = bfloat16.to_fixed(torch.tensor(rows)[:, 0], width, fraction).bits.tolist()
    assert outputs(Block((15,), build, width), rows) == expected


def test_select_picks_the_addressed_word() -> None:
    def build(m: Module, address: Value, *words: Value) -> Value:
        return select(m, list(words), address)

    words = [3 * index + 1 for index in range(16)]
    rows = [(address, *words) for address in range(16)]
    assert outputs(Block((4, *[6] * 16), build, 6), rows) == words
