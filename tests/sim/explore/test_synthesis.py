"""The last stage: units of the best points implemented, in place of their estimates."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consilico.sim.base.errors import ToolError
from consilico.sim.explore import synthesis
from consilico.sim.explore.exploration import Exploration
from consilico.sim.explore.explore import explore
from consilico.sim.explore.space import read_space

SPACE = """
model = "llama-60m"
context = 128
[fields]
rung = "cells"
tiles = [1, 2]
normaliser = ["consmax/log2", "online_softmax"]
"""


def run(folder: Path, count: int = 2) -> Exploration:
    path = folder / "space.toml"
    path.write_text(SPACE)
    return explore(read_space(path), workers=1, synthesize_front=count)


def made(area_um2: float, energy_pj: float) -> Any:
    return SimpleNamespace(
        ladder=(), area_um2=area_um2, energy_per_operation_pj=2 * energy_pj, path_ns=1.5,
        meets_clock=True, power=SimpleNamespace(leakage_w=1e-6, total_w=2e-6),
    )  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[tuple[Any, ...]]:
    """Return what is implemented, of which nothing is."""
    found: list[tuple[Any, ...]] = []

    def implement(unit: Any, config: Any, pdk: str, clock_ns: float, flow: Any) -> Any:
        found.append((unit.name, config.to_json()["lanes"], pdk, clock_ns, flow.rung))
        if unit.name == "matmul/dot":
            raise ToolError("yosys failed: out of memory")
        return made(1e9, 3.0)

    monkeypatch.setattr(synthesis, "implement", implement)
    return found


def test_each_unit_of_the_best_points_is_implemented_once(
    tmp_path: Path, calls: list[tuple[Any, ...]]
) -> None:
    found = run(tmp_path)
    best = [item for item in found.front if item.synthesis is not None]
    assert len(best) == 2
    names = {found.points[item.index].point.normaliser for item in best}
    assert sorted(calls) == sorted(
        [(name, 4, "nangate45", 2.0, "cells") for name in {*names, "matmul/requant"}]
        + [("matmul/dot", 32, "nangate45", 2.0, "cells")]
    )


def test_points_are_priced_with_what_was_implemented(
    tmp_path: Path, calls: list[tuple[Any, ...]]
) -> None:
    found = run(tmp_path, 1)
    (best,) = (item for item in found.front if item.synthesis is not None)
    point = found.points[best.index].point
    answer = best.answer
    lanes = point.tiles * 64
    requantizers = point.tiles * (64 + 64) + 1
    expected = answer.total_um2.value + 1e9 * (lanes + requantizers) / 4
    expected -= answer.area_um2["normaliser"].value + answer.area_um2["requantizers"].value
    assert best.synthesis is not None
    assert best.synthesis.figure("area_um2").value == pytest.approx(expected)
    assert best.inside is not None
    assert not best.inside["area"]  # the units were made far too large
    assert best.inside["latency"]


def test_a_unit_that_fails_keeps_its_estimate_and_says_why(
    tmp_path: Path, calls: list[tuple[Any, ...]]
) -> None:
    found = run(tmp_path)
    (failed,) = (unit for unit in found.units if unit.refused)
    assert failed.unit == "matmul/dot"
    assert failed.refused == "yosys failed: out of memory"
    assert failed.to_json()["inside"] is None
    good = next(unit for unit in found.units if unit.unit == "matmul/requant")
    assert good.to_json()["inside"] == {"area": False, "energy": False}


def test_inversions_between_estimates_and_synthesis_are_counted(
    tmp_path: Path, calls: list[tuple[Any, ...]]
) -> None:
    found = run(tmp_path)
    last = [item for item in found.inversions if item.after == "synthesis"]
    assert [item.objective for item in last] == ["latency", "energy", "area"]
    assert all(item.of == 1 for item in last)
