"""Facts: to JSON and back, without loss of type or value."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from consilico.sim.base.facts import Facts, cached_facts


@dataclass(frozen=True, kw_only=True)
class Area(Facts):
    """Facts with a derived value."""

    derived: ClassVar[tuple[str, ...]] = ("total_um2",)

    logic_um2: float
    memory_um2: float = 0.0

    @property
    def total_um2(self) -> float:
        return self.logic_um2 + self.memory_um2


@dataclass(frozen=True, kw_only=True)
class Report(Facts):
    """Facts of every type that a field may have."""

    unit: str
    area: Area
    parts: dict[str, Area]
    cells: tuple[str, ...]
    range_ns: tuple[float, float]
    proof: Area | None
    check: dict[str, float] | str
    slack_ns: float | None = None
    hits: list[int] = field(default_factory=list)


REPORT = Report(
    unit="toy",
    area=Area(logic_um2=1.0, memory_um2=2.0),
    parts={"top": Area(logic_um2=3.0)},
    cells=("INV", "NAND"),
    range_ns=(1.0, 2.0),
    proof=None,
    check="not measured",
    hits=[1, 2],
)


def test_a_derived_property_is_in_the_json() -> None:
    assert REPORT.area.to_json() == {"logic_um2": 1.0, "memory_um2": 2.0, "total_um2": 3.0}


def test_facts_come_back_from_their_json_text_as_they_were() -> None:
    assert Report.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT


@pytest.mark.parametrize("check", ["not measured", {"total_w": 1.5}])
def test_the_member_of_a_union_follows_from_the_value(check: dict[str, float] | str) -> None:
    found = Report.from_json(
        REPORT.to_json() | {"check": check, "proof": {"logic_um2": 4}, "slack_ns": 2}
    )
    assert found.slack_ns == 2.0
    assert found.check == check
    assert found.proof == Area(logic_um2=4.0)


def test_a_number_without_a_fraction_comes_back_as_float() -> None:
    assert type(Area.from_json({"logic_um2": 4}).logic_um2) is float


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="logic_um2"):
        Area.from_json({"memory_um2": 1.0})


def test_a_value_that_no_member_of_a_union_takes_is_an_error() -> None:
    with pytest.raises(TypeError, match="none of"):
        Report.from_json(REPORT.to_json() | {"check": 5})


def test_cached_facts_are_the_dataclass_the_second_time_too(cache: Path) -> None:
    made = []

    def compute() -> Report:
        made.append(1)
        return REPORT

    assert cached_facts(Report, "reports", "a" * 64, compute) == REPORT
    assert cached_facts(Report, "reports", "a" * 64, compute) == REPORT
    assert len(made) == 1


def test_facts_that_are_not_to_be_kept_are_made_anew(cache: Path) -> None:
    made = []

    def compute() -> Area:
        made.append(1)
        return Area(logic_um2=1.0)

    for _ in range(2):
        found = cached_facts(
            Area, "areas", "b" * 64, compute, keep=lambda area: area.memory_um2 > 0
        )
        assert found == Area(logic_um2=1.0)
    assert len(made) == 2
