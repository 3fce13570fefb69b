"""Turn a census into features: the numbers that costs are linear in."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from consilico.hw.census import KINDS, Census, Size

__all__ = [
    "AREA_FEATURES",
    "ENERGY_FEATURES",
    "PATH_FEATURES",
    "Reals",
    "area_features",
    "energy_features",
    "path_features",
]

Reals = NDArray[np.float64]
Operands = Mapping[str, Mapping[str, float]]
_RANDOM = {"random": {"toggle_rate": 0.5, "sign_correlation": 0.0}}  # what units draw themselves

_LOGIC: Final = tuple(kind for kind in KINDS if kind not in ("flop", "latch", "clock_gate"))
AREA_FEATURES: Final = KINDS
ENERGY_FEATURES: Final = (
    *_LOGIC, "flop", "latch",  # bits times their toggle rate
    "clocked flop", "clocked latch", "clock_gate",  # what the clock costs, toggling or not
    "sign",  # bits of logic times the toggle rate of its operands' signs
)  # fmt: skip
_STEPS: Final = (*_LOGIC, "latch")
_SLOPED: Final = (
    "add",
    "increment",
    "multiply",
    "shift",
    "less",
    "equal",
    "lookup",
    "decode",
    "table",
)
_CARRIES: Final = ("add", "increment", "less", "multiply")
PATH_FEATURES: Final = (
    "register",
    *_STEPS,
    *(f"{kind}, log2 of width" for kind in _SLOPED),
    *(f"{kind}, width" for kind in _CARRIES),  # a carry that ripples
)


def area_features(census: Census, count: int) -> Reals:
    """Return the bits of each kind of operator, shape ``(count, len(AREA_FEATURES))``."""
    features = np.zeros((count, len(AREA_FEATURES)))
    for item in census.operators:
        features[:, AREA_FEATURES.index(item.kind)] += item.bits
    return features


def energy_features(census: Census, operands: Operands, count: int) -> Reals:
    """Return the bits that toggle per beat, shape ``(count, len(ENERGY_FEATURES))``.

    An operator toggles if any of the operands behind it does, each on its own: at a rate of
    1 - (1 - a)(1 - b).

    Args:
        census: Of a batch.
        operands: ``toggle_rate`` and ``sign_correlation`` by field of the input payload; one that
            is not there is still, but for ``random``, what units draw themselves.
        count: Configurations in the batch.
    """
    features = np.zeros((count, len(ENERGY_FEATURES)))
    seen = {**_RANDOM, **operands}

    def column(name: str, value: Size) -> None:
        features[:, ENERGY_FEATURES.index(name)] += value

    for kind, bits, drivers, rate in census.operators:
        known = [seen[name] for name in drivers if name in seen]
        bit = _either([item["toggle_rate"] for item in known])
        sign = _either([(1 - item["sign_correlation"]) / 2 for item in known])
        beats = np.asarray(bits) * rate
        if kind == "clock_gate":
            column(kind, bits)
            continue
        column(kind, beats * bit)
        if kind in ("flop", "latch"):
            column(f"clocked {kind}", beats)
        else:
            column("sign", beats * sign)
    return features


def _either(rates: list[float]) -> float:
    return 1.0 - float(np.prod([1.0 - rate for rate in rates])) if rates else 0.0


def path_features(census: Census, count: int) -> Reals:
    """Return the steps of each path, shape ``(paths, count, len(PATH_FEATURES))``.

    A census without paths has one empty path.
    """
    paths: list[Any] = census.paths or [()]
    features = np.zeros((len(paths), count, len(PATH_FEATURES)))
    features[:, :, 0] = 1.0
    for place, steps in enumerate(paths):
        for kind, width, times in steps:
            if kind not in _STEPS:
                raise ValueError(f"a path cannot have a step of kind {kind!r}")
            features[place, :, PATH_FEATURES.index(kind)] += times
            if kind in _SLOPED:
                slope = np.log2(np.maximum(width, 1)) * times
                features[place, :, PATH_FEATURES.index(f"{kind}, log2 of width")] += slope
            if kind in _CARRIES:
                features[place, :, PATH_FEATURES.index(f"{kind}, width")] += np.multiply(
                    width, times
                )
    return features
