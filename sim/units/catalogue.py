"""The catalogue: finds units. Everything in ``sim`` takes a unit from here and works for all."""

from importlib import import_module

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.units.unit import Unit

__all__ = ["catalogue", "configure", "find_unit", "verilog"]

_MODULES = (  # of consilico.sim.units, in catalogue order
    "consmax",
    "dot",
    "group_dot",
    "fused_dot",
    "sparse_dot",
    "systolic",
    "project",
    "stochastic_round",
    "weight_update",
    "blockwise",
    "requant",
    "quantize",
)


def catalogue() -> dict[str, Unit]:
    """All units by name, in catalogue order."""
    units = [
        unit for name in _MODULES for unit in import_module(f"consilico.sim.units.{name}").UNITS
    ]
    return {unit.name: unit for unit in units}


def find_unit(name: str) -> Unit:
    """The unit of that name.

    Raises:
        UserError: If there is none; the message lists those there are.
    """
    units = catalogue()
    if name not in units:
        raise UserError(f"unknown unit {name!r}; there are: {', '.join(units)}")
    return units[name]


def configure(unit: Unit, settings: list[str]) -> Config:
    """Make a unit's configuration from ``field=value`` texts; the rest keeps its default.

    Raises:
        UserError: If a text has no ``=``, or names an unknown field or a value out of range.
    """
    pairs: list[tuple[str, str]] = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set takes field=value, not {setting!r}")
        pairs.append((name.strip(), text.strip()))
    try:
        return unit.config.from_text(pairs)
    except ValueError as error:
        raise UserError(f"{unit.name}: {error}") from error


def verilog(unit: Unit, config: Config) -> str:
    """Synthesizable Verilog of a unit, the same text each time."""
    from consilico.hw.verilog import convert

    return convert(unit.component(config), name=unit.module_name)
