"""The checked-in table of measured units: every unit in every kit, and as JSON again."""

import json

from consilico.sim.accelerator.measure import TABLE, UNITS, measured_table
from consilico.sim.base.facts import plain
from consilico.sim.units.catalogue import configure, find_unit


def test_the_table_has_every_unit_in_every_kit() -> None:
    asked = [
        (name, configure(find_unit(name), list(settings)).to_json()) for name, settings in UNITS
    ]
    assert measured_table()
    for pdk, entry in measured_table().items():
        assert [(row.unit, row.config) for row in entry.rows] == asked, pdk
        assert all(0 < row.path_ns <= entry.clock_ns for row in entry.rows)
        assert all(len(row.verilog_sha256) == 64 for row in entry.rows)
        assert entry.measured_at
        assert entry.tools["yosys"]


def test_what_is_read_is_what_is_written() -> None:
    assert plain(measured_table()) == json.loads(TABLE.read_text())
