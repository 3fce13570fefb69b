"""The bit-exact model of softmax: its bound for every row, and rows that are hard."""

import numpy as np
import pytest
import torch

from consilico.golden.attention.rows import RowConfig
from consilico.golden.attention.softmax import (
    ADDRESS,
    FRACTION,
    LOG_ADDRESS,
    POWER_ADDRESS,
    POWER_FRACTION,
    Segments,
    SoftmaxConfig,
    log_segments,
    mantissa_table,
    power_segments,
    softmax,
    softmax_constant,
    vexp_mantissa,
)
from tests.golden.attention.rows import exact, filled, shown, ulps

RNG = np.random.default_rng(5)
RAMP = np.arange(-128, 128)
ROWS = [
    *(np.full(length, 9) for length in (1, 2, 3, 255, 256)),
    RAMP,
    RAMP[::-1],
    RAMP[::15],
    np.append(np.full(255, -128), 127),
    np.append(127, np.full(255, -128)),
    np.append(0, np.full(255, -28)),
    *(RNG.integers(-128, 128, length) for length in (2, 7, 100, 256)),
    *(np.clip(RNG.normal(-20, 35, 256), -128, 127).astype(int) for _ in range(8)),
]


def bound(config: SoftmaxConfig) -> float:
    """Return the greatest error of a result in units in the last place, over all rows and scales.

    The errors of the parts, each the worst of all its inputs, are added up in the domain of the
    logarithm; then the mantissa's is the worst over the range that the exact one may lie in.
    """
    unit = 2.0**-FRACTION
    # log2 of what a score adds, minus that of the exact power: u lies somewhere in its step
    powers = torch.arange(1 << POWER_ADDRESS)
    added = np.log2(power_segments().at(powers).numpy()) - POWER_FRACTION
    place, size = powers.numpy() * 2.0**-POWER_ADDRESS, 2.0**-POWER_ADDRESS
    low, high = (added - place - size).min(), (added - place).max()
    # each score and each rescaling truncates less than one unit of a sum that is 1 at least
    low += np.log2(1 - (config.row + 1) * 2.0**-config.sum_fraction)
    # log2 of the sum, minus its approximation
    fraction = torch.arange(1 << LOG_ADDRESS)
    approximated = log_segments().at(fraction).numpy() * unit
    ends = np.log2(1 + np.arange((1 << LOG_ADDRESS) + 1) / (1 << LOG_ADDRESS))
    least, greatest = (ends[:-1] - approximated).min(), (ends[1:] - approximated).max()
    # exact logarithm of a result, minus x: u is truncated, too
    below, above = low - greatest, high - least + unit
    step, width = np.arange(1 << ADDRESS) * 2.0**-ADDRESS, 2.0**-ADDRESS
    ends_of_x = 128 * np.exp2(step + below) - 128, 128 * np.exp2(step + width - unit + above) - 128
    table = np.array(mantissa_table())
    return float(max(np.abs(table - end).max() for end in ends_of_x))


@pytest.mark.parametrize("row", [16, 64, 256, 1024, 4096])
def test_every_row_is_within_one_unit_in_the_last_place(row: int) -> None:
    assert 0.9 < bound(SoftmaxConfig(row=row, buffer="sram")) < 1.0


def test_the_bound_notices_powers_that_are_too_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    right = power_segments()
    coarse = Segments(bases=right.bases[::2] * 2, slopes=right.slopes)
    monkeypatch.setattr(f"{__name__}.power_segments", lambda: coarse)
    assert bound(SoftmaxConfig()) > 1.0


@pytest.mark.parametrize("scale", [0.5 / 127, 2 / 127, 8 / 127, 24 / 127, 0.6])
def test_hard_rows_are_within_the_bound(scale: float) -> None:
    k = softmax_constant(scale)
    results = softmax(*filled(ROWS), k, SoftmaxConfig())
    for row, found in zip(ROWS, shown(results, ROWS), strict=True):
        assert ulps(found, exact(row, k / 2**17)) < bound(SoftmaxConfig())


def test_rows_of_one_score_give_exactly_one() -> None:
    rows = [[code] for code in range(-128, 128)]
    for k in (1, 77777, (1 << 17) - 1):
        assert set(softmax(*filled(rows), k, SoftmaxConfig()).flatten().tolist()) == {0x3F80}


def test_masked_scores_take_no_part() -> None:
    rows = [[127, 3, 127, 3], [5, 5, 5, 5]]
    masks = [[1, 0, 1, 0], [1, 1, 1, 1]]
    results = softmax(*filled(rows, masks), 9000, SoftmaxConfig())
    assert results[:, :, 0].tolist() == [[0, 0x3F00, 0, 0x3F00], [0, 0, 0, 0]]


def test_results_below_the_least_number_are_zero() -> None:
    results = softmax(*filled([[127, -128]]), (1 << 17) - 1, SoftmaxConfig())
    assert results.flatten().tolist() == [0x3F80, 0]


def test_every_row_may_have_a_constant_of_its_own() -> None:
    k = torch.tensor([3000, 90000])[:, None, None]
    score, mask = filled([[5, 60], [5, 60]])
    both = softmax(score, mask, k, SoftmaxConfig())
    for row in range(2):
        one = slice(row, row + 1)
        alone = softmax(score[one], mask[one], int(k[row]), SoftmaxConfig())
        assert torch.equal(both[one], alone)


def test_powers_of_vexp_are_as_near_as_published() -> None:
    found = np.array([1 + vexp_mantissa(each) / 128 for each in range(128)])
    error = np.abs(found / np.exp2(np.arange(128) / 128) - 1)
    assert 0.005 < error.max() < 0.0087  # of its authors' model, over bf16 numbers: 0.87 %


def test_softmax_with_the_powers_of_vexp_is_near_and_not_exact() -> None:
    k = softmax_constant(8 / 127)
    results = softmax(*filled(ROWS), k, SoftmaxConfig(exponential="vexp"))
    errors = [
        ulps(found, exact(row, k / 2**17))
        for row, found in zip(ROWS, shown(results, ROWS), strict=True)
    ]
    assert 1 < max(errors) < 1.5


@pytest.mark.parametrize("scale", [0.7, 1e-9])
def test_a_scale_that_does_not_fit_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"^scale must be above .* a code, not "):
        softmax_constant(scale)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"row": 16, "lanes": 8}, r"^row must be at least 4 lanes = 32, not 16$"),
        ({"row": 4096, "lanes": 2}, r"^buffer must be sram for 2048 words, more than 1024, not "),
        ({"row": 100}, r"^row must be one of 16, 64, 256, 1024, 4096, not 100$"),
    ],
)
def test_configuration_names_the_field_it_refuses(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RowConfig(**fields)  # type: ignore[arg-type]  # what a careless caller may pass
