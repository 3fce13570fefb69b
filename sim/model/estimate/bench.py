"""Speed of the analytical model: ``python -m sim.model.estimate.bench``."""

import time

from sim.catalog import catalogue
from sim.model.estimate.draw import draw_configs
from sim.model.estimate.estimate import estimate_many

_COUNT = 2000  # configurations of each unit, drawn before the clock starts
_LEAST = 20_000  # configurations a second that are asked for


def main() -> None:
    """Estimate drawn configurations of every unit and print configurations a second."""
    total, seconds = 0, 0.0
    for unit in catalogue().values():
        seeds = (draw_configs(unit, 20, (seed, 4)) for seed in range(_COUNT // 20))
        configs = [config for drawn in seeds for config, _ in drawn]
        estimate_many(unit, configs[:1])  # imports and tables
        began = time.process_time()
        estimate_many(unit, configs)
        spent = time.process_time() - began
        print(f"{unit.name:30} {len(configs) / spent:12,.0f} configurations a second")
        total, seconds = total + len(configs), seconds + spent
    print(f"{'all':30} {total / seconds:12,.0f}, {total / seconds / _LEAST:.1f} times {_LEAST:,}")


if __name__ == "__main__":
    main()
