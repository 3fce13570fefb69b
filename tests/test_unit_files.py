"""Every unit stands under one name in each room: model, generator and the tests of its model."""

from pathlib import Path

import pytest

from consilico.sim.units.catalogue import own_units
from consilico.sim.units.layout import stream_layouts
from consilico.sim.units.unit import Unit

TESTS = Path(__file__).parent
UNITS = own_units()


def place(unit: Unit) -> tuple[str, str]:
    """Return the family and the module name of the configuration that a unit has."""
    package, room, family, module = unit.config.__module__.split(".")
    assert (package, room) == ("consilico", "golden")
    return family, module


@pytest.mark.parametrize("name", UNITS)
def test_a_generator_is_named_as_the_module_of_its_configuration(name: str) -> None:
    unit = UNITS[name]
    family, module = place(unit)
    component = unit.component(unit.config())
    stream_layouts(component)  # Amaranth warns of components of which nothing is read
    assert type(component).__module__ == f"consilico.hw.{family}.{module}"


@pytest.mark.parametrize("name", UNITS)
def test_a_module_is_named_as_its_unit(name: str) -> None:
    _, module = place(UNITS[name])
    assert module in (name.partition("/")[2], UNITS[name].module_name)


@pytest.mark.parametrize("name", UNITS)
def test_a_golden_model_has_its_tests_at_the_same_place(name: str) -> None:
    family, module = place(UNITS[name])
    assert (TESTS / "golden" / family / f"test_{module}.py").is_file()
