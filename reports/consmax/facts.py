"""Facts about the ConSmax units: their netlists, certificates, errors and widths."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.reports.consmax.certificates import Certificate
from consilico.reports.consmax.error_curve import ErrorCurve
from consilico.reports.consmax.limits import NAMES
from consilico.reports.consmax.width_search import Log2Widths
from consilico.reports.page.measure import KitFacts
from consilico.reports.page.traffic import AttentionScores
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.implementation import Implementation

__all__ = [
    "ConsmaxFacts",
    "ConsmaxUnit",
    "PublishedPaper",
    "PublishedVersion",
    "find",
    "lanes_of",
    "published_paper",
]

_PUBLISHED = Path(__file__).with_name("published.toml")


@dataclass(frozen=True, kw_only=True)
class ConsmaxUnit(Facts):
    """The default configuration of a unit."""

    config: dict[str, Any]  # field values by name
    latency_cycles: int


@dataclass(frozen=True, kw_only=True)
class PublishedVersion(Facts):
    """Figures of one version of the paper, as printed."""

    version: str
    node: str
    clock: str
    power: str
    area: str
    claim: str


@dataclass(frozen=True, kw_only=True)
class PublishedPaper(Facts):
    """Figures that the paper gives for its own unit; for comparison only."""

    citation: str
    caveat: str
    rows: tuple[PublishedVersion, ...]


@dataclass(frozen=True, kw_only=True)
class ConsmaxFacts(Facts):
    """Everything that the report shows of the ConSmax units."""

    kit: KitFacts  # that the targets are set in
    units: dict[str, ConsmaxUnit]  # by name
    netlists: tuple[Implementation, ...]
    swept: tuple[str, ...]  # units whose netlists for all clocks are there
    certificates: tuple[Certificate, ...]  # those measured, of the default configurations first
    error_curve: ErrorCurve | None  # None: not measured
    widths: tuple[Log2Widths, ...]  # empty: not measured
    scores: AttentionScores | None  # None: not collected yet
    published: PublishedPaper


def published_paper() -> PublishedPaper:
    """Return the paper's figures from ``published.toml``."""
    return PublishedPaper.from_json(tomllib.loads(_PUBLISHED.read_text(encoding="utf-8")))


def lanes_of(netlist: Implementation) -> int:
    """Return the lanes of a unit; the paper's unit has one."""
    return int(netlist.config.get("lanes", 1))


def find(
    netlists: Iterable[Implementation],
    *,
    unit: str | None = None,
    lanes: int | None = None,
    clock_ns: float | None = None,
    source: str | None = None,
) -> list[Implementation]:
    """Return the netlists that have all that is given, ordered by unit, lanes and clock.

    Args:
        netlists: The netlists to look in.
        unit: Name of the unit.
        lanes: Number of lanes.
        clock_ns: Clock period that was mapped for.
        source: Traffic that the power was measured on.
    """
    order = list(NAMES)
    return sorted(
        (
            it
            for it in netlists
            if unit in (None, it.unit)
            and lanes in (None, lanes_of(it))
            and clock_ns in (None, it.clock_ns)
            and source in (None, it.activity.source)
        ),
        key=lambda it: (-order.index(it.unit), lanes_of(it), -it.clock_ns),
    )
