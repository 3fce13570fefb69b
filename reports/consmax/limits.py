"""Limits of the ConSmax units: bounds of the error, targets of area, path and energy."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts

__all__ = [
    "ENERGY_CLOCK_NS",
    "ERROR_LIMITS",
    "NAMES",
    "PAPER",
    "TARGETS",
    "ErrorLimit",
    "Target",
]

ENERGY_CLOCK_NS = 4.0  # energy targets hold at 250 MHz
PAPER = "consmax/paper"
NAMES = {
    "consmax/log2": "log2",
    "consmax/split": "split",
    PAPER: "paper's unit, built straight",
}


@dataclass(frozen=True, kw_only=True)
class ErrorLimit(Facts):
    """The greatest error that a unit may make, over all codes and heads."""

    max_relative_error: float
    max_ulp: float | None  # in units of a bf16 result's last place; None: not bounded


ERROR_LIMITS = {
    "consmax/log2": ErrorLimit(max_relative_error=0.006, max_ulp=1.0),
    "consmax/split": ErrorLimit(max_relative_error=0.0093, max_ulp=None),
}


@dataclass(frozen=True, kw_only=True)
class Target(Facts):
    """One limit: INT8 in, bf16 out, configuration registers included."""

    quantity: str
    unit: str  # of the limit
    digits: int  # behind the point, that a measured quantity is shown with
    limit_digits: int  # likewise the limit
    architecture: str
    key: str  # field of an implementation
    lanes: int
    limit: float  # at most
    reference: float  # the paper's unit built straight, as stated with the targets
    real_limit: float | None = None  # of energy on the language model's scores


_REAL_PJ = {"consmax/log2": 1.40, "consmax/split": 1.60}
TARGETS = tuple(
    Target(
        quantity=quantity, unit=unit, digits=digits, limit_digits=min(digits, 1),
        architecture=f"consmax/{name}", key=key, lanes=lanes,
        limit=limit, reference=reference,
        real_limit=_REAL_PJ[f"consmax/{name}"] if key == "energy_pj" else None,
    )
    for quantity, unit, digits, key, lanes, reference, limits in (
        ("area, one lane", "µm²", 0, "area_um2", 1, 4870.0, (4900.0, 1700.0)),
        ("area per lane, 16 lanes", "µm²", 0, "area_um2", 16, 4870.0, (2000.0, 1350.0)),
        ("longest path", "ns", 3, "path_ns", 1, 2.0, (1.4, 1.1)),
        ("energy per result at 250 MHz", "pJ", 2, "energy_pj", 1, 6.0, (4.0, 1.7)),
    )
    for name, limit in zip(("split", "log2"), limits, strict=True)
)  # fmt: skip
