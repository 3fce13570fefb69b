"""The bench of the harness measures what a verification runs."""

import pytest

from consilico.sim.rtlsim import bench
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import find_unit


def test_the_plain_loop_checks_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_RUNS", 1)
    monkeypatch.setattr(bench, "_PLAIN_ITEMS", {1: 40})
    speed = bench._plain(find_unit("training/stochastic_round"), find_simulator("icarus"), 1)
    assert (speed.lanes, speed.processors) == (1, 1)
    assert speed.checked > 20
    assert speed.checked_per_second == speed.checked / speed.seconds
