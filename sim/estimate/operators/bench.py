"""Speed of the analytical model: ``python -m consilico.sim.estimate.operators.bench``."""

import sys
import time

from consilico.sim.estimate.operators.calibrate import draw_configs
from consilico.sim.estimate.operators.estimate import estimate_many
from consilico.sim.units.catalogue import catalogue

_COUNT = 2000  # configurations of each unit, drawn before the clock starts
_LEAST = 20_000  # configurations a second that are asked for


def main() -> int:
    """Estimate drawn configurations of every unit; status 1 where one of them is too slow."""
    total, seconds, slowest = 0, 0.0, float("inf")
    for unit in catalogue().values():
        seeds = (draw_configs(unit, 20, (seed, 4)) for seed in range(_COUNT // 20))
        configs = [config for drawn in seeds for config, _ in drawn]
        estimate_many(unit, configs[:1])  # imports and tables
        began = time.process_time()
        estimate_many(unit, configs)
        spent = time.process_time() - began
        print(f"{unit.name:30} {len(configs) / spent:12,.0f} configurations a second")
        total, seconds = total + len(configs), seconds + spent
        slowest = min(slowest, len(configs) / spent)
    print(
        f"{'all':30} {total / seconds:12,.0f}; the slowest {slowest / _LEAST:.2f} times the "
        f"{_LEAST:,} that are asked for"
    )
    return 0 if slowest >= _LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
