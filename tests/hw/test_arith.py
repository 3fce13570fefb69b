"""Combinational building blocks against integers, in Amaranth's simulator."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from amaranth import Elaboratable, Module, Signal, Value
from amaranth.sim import Simulator

from golden import bfloat16
from golden.attention.config import ConSmaxConfig
from hw.arith import booth_digits, booth_multiply_add
from hw.attention.ports import to_fixed
from hw.bfloat16 import limit, multiply
from hw.register_file import select


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
@pytest.mark.parametrize(("k_width", "shift", "width"), [(17, 6, 20), (5, 0, 14), (9, 8, 12)])
def test_multiply_add_on_every_multiplier(
    digits: tuple[int, ...], k_width: int, shift: int, width: int
) -> None:
    def build(m: Module, score: Value, k: Value, b: Value) -> Value:
        multiples = [k * (index + 1) for index in range(1 << (max(digits) - 1))]
        return sum(booth_multiply_add(m, booth_digits(score, digits), multiples, b, shift)) >> shift

    rng = np.random.default_rng(1)
    ks = [0, 1, (1 << k_width) - 1, *rng.integers(0, 1 << k_width, 2).tolist()]
    rows = [(s & 255, k, int(rng.integers(1 << width))) for k in ks for s in range(-128, 128)]
    expected = [((((s ^ 128) - 128) * k >> shift) + b) % (1 << width) for s, k, b in rows]
    assert outputs(Block((8, k_width, width), build, width), rows) == expected


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
