"""Configurations drawn by seed: some to fit the model with, others to judge it by."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.units.unit import Unit

__all__ = ["draw_configs"]

_LARGEST = {  # of what is drawn, so that synthesis and gate-level simulation take seconds
    "lanes": 24,
    "rows": 6,
    "columns": 6,
    "block": 32,
    "extent": 1 << 16,
    "depth": 1 << 16,
    "group": 1024,
}
_LEAST = {"extent": 64}  # the traffic's jobs are as large


def draw_configs(unit: "Unit", count: int, seed: Sequence[int]) -> list[tuple["Config", str]]:
    """Draw configurations of a unit, all different, with a source of traffic each.

    Integers are drawn from a logarithmic scale of their accepted range, up to a largest value that
    keeps measuring quick; choices uniformly. What the configuration refuses is drawn again.

    Args:
        unit: The unit.
        count: Configurations wanted.
        seed: Of the draw.
    """
    rng = np.random.default_rng([*seed, *unit.name.encode()])
    drawn: dict[Any, str] = {}
    while len(drawn) < count:
        values: dict[str, Any] = {}
        for field in fields(unit.config):
            if "options" in field.metadata:
                options = [
                    option
                    for option in field.metadata["options"]
                    if type(option) is not int or option <= _LARGEST.get(field.name, option)
                ]
                values[field.name] = options[rng.integers(len(options))]
                continue
            low, high = field.metadata["range"]
            low = max(low, _LEAST.get(field.name, low))
            high = min(high, _LARGEST.get(field.name, high))
            values[field.name] = int(
                np.rint(np.exp(rng.uniform(np.log(low + 0.5), np.log(high + 0.5))))
            )
            if low == 0 and rng.integers(2):
                values[field.name] = field.default
            values[field.name] = min(high, max(low, values[field.name]))
        source = unit.measured_with[rng.integers(len(unit.measured_with))]
        try:
            config = unit.config(**values)
        except ValueError:
            continue
        if config not in drawn:
            drawn[config] = source
    return list(drawn.items())
