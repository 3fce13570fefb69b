"""What a bit from DRAM costs, by kind of DRAM: published figures with their range."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval

__all__ = ["Dram", "dram_names", "find_dram"]


@dataclass(frozen=True, kw_only=True)
class Dram:
    """One kind of DRAM."""

    name: str
    title: str
    energy_pj_per_bit: Interval
    bandwidth_gb_s: float
    source: str


@cache
def _catalogue() -> dict[str, Dram]:
    data = tomllib.loads(Path(__file__).with_name("dram.toml").read_text())
    return {
        name: Dram(
            name=name,
            title=item["title"],
            energy_pj_per_bit=Interval.of(item["energy_pj_per_bit"]),
            bandwidth_gb_s=float(item["bandwidth_gb_s"]),
            source=item["source"],
        )
        for name, item in data.items()
    }


def dram_names() -> list[str]:
    """Names of the kinds there are."""
    return list(_catalogue())


def find_dram(name: str) -> Dram:
    """A kind of DRAM by its name.

    Raises:
        UserError: If there is none of that name; the message lists those there are.
    """
    if name not in _catalogue():
        raise UserError(f"unknown dram {name!r}; accepted: {', '.join(dram_names())}")
    return _catalogue()[name]
