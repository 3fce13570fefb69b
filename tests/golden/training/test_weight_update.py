"""The INT8 weight update against exact fractions; its mean; saturation."""

import math
from fractions import Fraction

import pytest
import torch

from consilico.golden.training.weight_update import WeightUpdateConfig, weight_update

ONE, MINUS_ONE = 0x3F80, 0xBF80


def number(bits: int) -> Fraction:
    """Exact value of a bf16 bit pattern; exponent 0 is zero."""
    magnitude = Fraction(128 + (bits & 127)) * Fraction(2) ** ((bits >> 7 & 255) - 134)
    return (-magnitude if bits >> 15 else magnitude) if bits & 0x7F80 else Fraction(0)


def exact(code: int, update: int, random: int, factor: int, random_bits: int) -> int:
    """The specification, in fractions."""
    product = number(update) * number(factor) * 2**random_bits
    nearest = math.floor(abs(product) + Fraction(1, 2)) * (1 if product >= 0 else -1)
    return min(max(math.floor(Fraction(nearest + random, 2**random_bits)) + code, -128), 127)


@pytest.mark.parametrize("random_bits", [4, 5, 8, 16])
def test_new_codes_are_exact(random_bits: int) -> None:
    generator = torch.Generator().manual_seed(7)
    config = WeightUpdateConfig(lanes=16, random_bits=random_bits)
    for factor in (ONE, MINUS_ONE, 0x0080, 0x3C9D, 0xBD01, 0x7F7F, 0, 0x8001):
        center = 254 - (factor >> 7 & 255)
        exponent = torch.randint(-random_bits - 3, 10, (40, 16), generator=generator) + center
        mantissa = torch.randint(0, 256, (40, 16), generator=generator)
        update = exponent.clamp(0, 255) << 7 | mantissa & 127 | mantissa >> 7 << 15
        code = torch.randint(-128, 128, (40, 16), generator=generator)
        random = torch.randint(0, 1 << random_bits, (40, 16), generator=generator)
        result = weight_update(code, update, random, factor, config)
        rows = torch.stack([code, update, random], dim=-1).reshape(-1, 3).tolist()
        expected = [exact(w, u, r, factor, random_bits) for w, u, r in rows]
        assert result.flatten().tolist() == expected


def test_mean_over_all_words_is_the_update_and_has_no_side() -> None:
    config = WeightUpdateConfig(lanes=1, random_bits=8)
    words = torch.arange(256)[:, None]
    zero = torch.zeros_like(words)
    for update in (0x3E8B, 0x3D11, 0x3B80, 0x3B00, 0x3AFF, 0x4015):
        mean = [
            weight_update(zero, zero + bits, words, ONE, config).double().mean().item()
            for bits in (update, update | 0x8000)
        ]
        assert mean[0] == -mean[1]
        assert abs(mean[0] - float(number(update))) <= 2.0**-9


def test_an_update_too_small_for_the_random_bits_is_lost() -> None:
    config = WeightUpdateConfig(lanes=1, random_bits=4)
    words = torch.arange(16)[:, None]
    zero = torch.zeros_like(words)
    lost = weight_update(zero, zero + 0x3CFF, words, ONE, config)  # just below 2 ** -5
    kept = weight_update(zero, zero + 0x3D00, words, ONE, config)
    assert lost.sum() == 0
    assert kept.sum() == 1


def test_every_code_saturates_under_a_great_update() -> None:
    config = WeightUpdateConfig(lanes=1)
    code = torch.arange(-128, 128)[:, None]
    for update in (0x4380, 0x7F7F, 0x7F80):  # 256, the greatest, infinite
        bits = torch.full_like(code, update)
        assert set(weight_update(code, bits, bits * 0, ONE, config).flatten().tolist()) == {127}
        low = weight_update(code, bits, bits * 0 + 255, MINUS_ONE, config)
        assert set(low.flatten().tolist()) == {-128}
