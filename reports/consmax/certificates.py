"""Accuracy certificates: every code of every setting against exact arithmetic.

The reference is ``exp(log_c + scale * code)`` to 100 bits; results are taken as the exact
rationals that their bit patterns are. Nothing here is rounded to float before it is compared.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.golden.attention.consmax_split import SplitConfig
from consilico.sim.base.code import code_digest
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import digest
from consilico.sim.base.tools import package_version
from consilico.sim.traffic.score_traffic import score_traffic

__all__ = [
    "Certificate",
    "Certificates",
    "ErrorBounds",
    "certify",
    "certify_defaults",
    "certify_variants",
    "guaranteed_log2",
    "guaranteed_split",
    "settings",
    "split_results",
    "worst_split_error",
]

Setting = tuple[float, float]  # scale, log C

_BITS = 100
_WORST_SPLIT = (0.0793193036115015, 0.3608733045882676)  # scale, log C
_WORST_WIDE = (0.00013784083921976052, -0.6829205125554001)
Results = Callable[[Sequence[int], Setting], list[int]]  # codes, setting -> bf16 bit patterns


@dataclass(frozen=True, kw_only=True)
class ErrorBounds(Facts):
    """Bounds that hold for every head that a unit accepts."""

    max_relative_error: float
    max_ulp: float  # in units of the exact result's last place


@dataclass(frozen=True, kw_only=True)
class WorstResult(Facts):
    """The score and head at which the relative error is greatest."""

    code: int
    scale: float  # natural units per code
    log_c: float  # natural logarithm of the head's C


@dataclass(frozen=True, kw_only=True)
class Certificate(Facts):
    """Certificate of one architecture over all settings and codes."""

    architecture: str
    settings: int
    codes: int  # per setting
    exhaustive: bool  # all codes of the score's width
    max_relative_error: float
    max_ulp: float  # in units of the exact result's last place
    monotonic: bool  # a greater code never gives a smaller result
    not_monotonic: int  # settings in which it does
    correctly_rounded: float  # share of results that are the nearest bf16
    worst: WorstResult
    guaranteed: ErrorBounds | None = None  # where interval arithmetic bounds every head


@dataclass(frozen=True, kw_only=True)
class Certificates(Facts):
    """Certificates of several architectures, or of one under several conditions."""

    rows: tuple[Certificate, ...]


def settings(count: int = 520, seed: int = 2402) -> list[Setting]:
    """Heads to certify: drawn, corners, and freshly initialized ones.

    The greatest score ``127 * scale`` lies in [0.5, 24] natural units, C in [e^-10 / 100, e^2].
    """
    rng = np.random.default_rng(seed)
    low, high = -10 - math.log(100), 2.0
    fixed = [
        (edge / 127, log_c)
        for edge in (0.5, 1, 2, 4, 8, 12, 16, 24)
        for log_c in (low, -2.5 - math.log(100), -0.5 - math.log(100), -1, 0, high)
    ]
    drawn = [
        (math.exp(rng.uniform(math.log(0.5), math.log(24))) / 127, float(rng.uniform(low, high)))
        for _ in range(count - len(fixed))
    ]
    return fixed + drawn


def certify(
    architecture: str,
    results: Results,
    heads: Sequence[Setting],
    codes: Sequence[int],
    *,
    exhaustive: bool,
    progress: Progress | None = None,
) -> Certificate:
    """Compare an architecture with exact arithmetic.

    Args:
        architecture: Name for the certificate.
        results: Bit-exact model: codes and setting to bf16 bit patterns.
        heads: Settings, scale and log C.
        codes: Scores, ascending.
        exhaustive: The codes are all there are.
        progress: Called after each setting.
    """
    import mpmath

    from consilico.golden.bfloat16 import decode, encode

    worst_error, worst_ulp, worst_at, right, bent = Fraction(0), Fraction(0), (0, 0.0, 0.0), 0, 0
    with mpmath.workprec(_BITS):
        for done, (scale, log_c) in enumerate(heads):
            bits = results(codes, (scale, log_c))
            bent += any(after < before for before, after in pairwise(bits))
            step, offset = mpmath.mpf(scale), mpmath.mpf(log_c)
            for code, pattern in zip(codes, bits, strict=True):
                mantissa, exponent = mpmath.frexp(mpmath.exp(offset + step * code))
                exact = Fraction(int(mpmath.ldexp(mantissa, _BITS)), 1 << _BITS)
                got = decode(pattern) * Fraction(2) ** -int(exponent)  # exact is in [1/2, 1)
                error = abs(got - exact)
                worst_ulp = max(worst_ulp, error * 256)
                if error / exact > worst_error:
                    worst_error, worst_at = error / exact, (code, scale, log_c)
                right += pattern == encode(exact * Fraction(2) ** int(exponent))
            if progress is not None:
                progress(f"certify {architecture}", done + 1, len(heads))
    code, scale, log_c = worst_at
    return Certificate(
        architecture=architecture,
        settings=len(heads),
        codes=len(codes),
        exhaustive=exhaustive,
        max_relative_error=float(worst_error),
        max_ulp=float(worst_ulp),
        monotonic=bent == 0,
        not_monotonic=bent,
        correctly_rounded=right / (len(heads) * len(codes)),
        worst=WorstResult(code=code, scale=scale, log_c=log_c),
    )


def guaranteed_log2(config: Log2Config) -> ErrorBounds:
    """Bound the error of ``log2`` for every head it accepts, by interval arithmetic.

    In each step of the table the exact fraction lies within half a step, half a unit of ``b``
    (the truncated product and the rounded ``b`` err by half a unit each, and the middle of the
    step allows for the truncation), and 128 half units of ``k`` of the step's middle.
    """
    from consilico.golden.attention.consmax_log2 import mantissa_table

    size = 1 << config.address
    half_width = 0.5 / size + 0.5 ** (config.fraction + 1) + 128 * 0.5 ** (config.k_fraction + 1)
    table = np.array(mantissa_table(config.address))
    middle = (np.arange(size) + 0.5) / size
    value = 1 + table / 128
    error = np.concatenate(
        [np.abs(value / np.exp2(middle + side) - 1) for side in (-half_width, half_width)]
    )
    # in units of the last place of the exact result; where the step reaches over a power of two,
    # the bound is taken on this side of it
    ends = [np.clip(middle + side, 0, 1) for side in (-half_width, half_width)]
    ulp = np.concatenate([np.abs(value - np.exp2(end)) * 128 for end in ends])
    return ErrorBounds(max_relative_error=float(error.max()), max_ulp=float(ulp.max()))


def guaranteed_split(*, wide: bool = False) -> ErrorBounds:
    """Bound the error of ``split`` for every head whose entries and results are normal numbers.

    A number that is rounded to 8 bits errs by at most ``h = 2**-8 / (1 + 2**-8)`` of itself. Two
    entries and their product are rounded, of INT16 scores four entries and three products, so that
    the result is within ``(1 + h)**3`` or ``(1 + h)**7`` of the exact one. Which factor balances
    the tables does not matter to the bound.

    Args:
        wide: Of INT16 scores.
    """
    half = 2**-8 / (1 + 2**-8)
    relative = (1 + half) ** (7 if wide else 3) - 1
    return ErrorBounds(max_relative_error=relative, max_ulp=256 * relative)


def worst_split_error(*, wide: bool) -> float:
    """Return the greatest relative error of ``split`` at the worst head that a search has found.

    The search drew heads of the range of :func:`settings` and climbed from the worst of them; of
    INT16 scores it drew only.

    Args:
        wide: Of INT16 scores, all codes.
    """
    codes = range(-(1 << 15), 1 << 15) if wide else range(-128, 128)
    scale, log_c = _WORST_WIDE if wide else _WORST_SPLIT
    bits = np.array(split_results(wide)(codes, (scale, log_c)))
    value = (128 + (bits & 127)) * np.exp2((bits >> 7) - 134.0)
    return float(np.abs(value / np.exp(log_c + scale * np.array(codes)) - 1).max())


def _log2_results(codes: Sequence[int], head: Setting) -> list[int]:
    import torch

    from consilico.golden.attention.consmax import HeadConstants
    from consilico.golden.attention.consmax_log2 import consmax_log2, log2_constants

    config = Log2Config()
    score = torch.tensor(codes)[:, None]
    constants = log2_constants(HeadConstants(scale=head[0], log_c=head[1]), config)
    mask = torch.zeros_like(score, dtype=torch.bool)
    bits: list[int] = consmax_log2(score, mask, constants, config).data[:, 0].tolist()
    return bits


def split_results(wide: bool) -> Results:
    """The model of ``split``, on INT8 codes, or on INT16 codes if ``wide``."""

    def results(codes: Sequence[int], head: Setting) -> list[int]:
        import torch

        from consilico.golden.attention.consmax import HeadConstants
        from consilico.golden.attention.consmax_split import consmax_split, split_constants

        config = SplitConfig(scores="int16", lanes=2) if wide else SplitConfig()
        score = torch.tensor(codes)[:, None]
        if wide:
            score = torch.cat([score & 0xFF, (score >> 8) & 0xFF], dim=1)
        constants = split_constants(HeadConstants(scale=head[0], log_c=head[1]), config, wide=wide)
        mask = torch.zeros_like(score, dtype=torch.bool)
        bits: list[int] = consmax_split(score, mask, constants, config).data[:, 0].tolist()
        return bits

    return results


def _paper_results(codes: Sequence[int], head: Setting) -> list[int]:
    import torch

    from consilico.golden.attention.consmax import HeadConstants
    from consilico.golden.attention.consmax_paper import consmax_paper
    from consilico.golden.attention.consmax_split import split_constants

    constants = split_constants(
        HeadConstants(scale=head[0], log_c=head[1]), SplitConfig(), balanced=False
    )
    bits: list[int] = consmax_paper(torch.tensor(codes), constants).tolist()
    return bits


def certify_defaults(progress: Progress | None = None) -> Certificates:
    """Certify the default configurations of both units over all codes of all :func:`settings`."""

    def compute() -> Certificates:
        heads, codes = settings(), range(-128, 128)
        log2, split = (
            certify(name, results, heads, codes, exhaustive=True, progress=progress)
            for name, results in (
                ("consmax/log2", _log2_results), ("consmax/split", split_results(False)),
            )
        )  # fmt: skip
        return Certificates(
            rows=(
                replace(log2, guaranteed=guaranteed_log2(Log2Config())),
                replace(split, guaranteed=guaranteed_split()),
            )
        )

    key = digest("defaults", package_version("mpmath"), code_digest(__name__))
    return cached_facts(Certificates, "certify", key, compute)


def certify_variants(progress: Progress | None = None) -> Certificates:
    """Certify what the defaults are compared with: other arithmetic, heads and widths of scores.

    These are the paper's truncating unit over all codes of all :func:`settings`, both units on a
    language model's own heads, and ``split`` on a sample of INT16 scores.
    """
    traffic = score_traffic(progress)
    model = [(head.scale, head.log_c) for head in traffic.heads[::3]]
    model_name = "synthetic heads" if traffic.synthetic else "model heads"

    def compute() -> Certificates:
        heads, codes = settings(), range(-128, 128)
        wide = [(scale * 127 / 32767, log_c) for scale, log_c in heads[:60]]
        runs: list[tuple[str, Results, Sequence[Setting], Sequence[int], bool]] = [
            ("consmax/paper (truncating)", _paper_results, heads, codes, True),
            (f"consmax/log2, {model_name}", _log2_results, model, codes, True),
            (f"consmax/split, {model_name}", split_results(False), model, codes, True),
            ("consmax/split, INT16 scores", split_results(True), wide,
             range(-32768, 32768, 97), False),
        ]  # fmt: skip
        return Certificates(
            rows=tuple(
                certify(name, results, at, of, exhaustive=every, progress=progress)
                for name, results, at, of, every in runs
            )
        )

    key = digest("variants", model, model_name, package_version("mpmath"), code_digest(__name__))
    return cached_facts(Certificates, "certify", key, compute)
