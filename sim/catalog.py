"""The catalogue of units. Everything in ``sim`` takes a unit from here and works for all."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from golden.config import Config
from sim.errors import UserError
from sim.stimulus import Ports, Stimulus

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

    from hw.census import Census

__all__ = ["Unit", "catalogue", "configure", "deferred", "find_unit", "verilog"]

_MODULES = (  # of sim.units, in catalogue order
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


def _one(config: Any, source: str) -> int:
    return 1


def _none(config: Any) -> Collection[str]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One operator: configuration, golden model, component, vectors, coverage, latency.

    The functions import what they need when called, so that listing units stays quick; those that
    stand elsewhere are :func:`deferred`.
    """

    name: str  # such as "consmax/log2"
    family: str  # "attention", "matmul" or "training"
    summary: str  # one line for people
    config: type[Config]
    component: Callable[[Any], "Component"]  # configuration -> Amaranth component
    ports: Callable[[Any], Ports]  # payload widths of its streams
    vectors: Callable[[Any, int], Stimulus]  # configuration, seed -> verification stimulus
    traffic: Callable[[Any, str, int], Stimulus]  # configuration, source, beats -> for activity
    coverage: tuple[str, ...]  # names of the coverage points that verification must hit
    exempt: Callable[[Any], Collection[str]] = _none  # those that a configuration cannot hit
    latency: Callable[[Any], int]  # cycles from input to output handshake, nothing stalling
    census: Callable[[Any], "Census"]  # batch of configurations -> operators, closed formula
    operations_per_beat: Callable[[Any], int]  # at full rate
    operation: str = "result"  # what energy is given for beside a result, such as "MAC"
    operations_per_result: Callable[[Any, str], float] = _one  # in the traffic of a source
    sources: tuple[str, ...] = ("normal",)  # of traffic, to measure the unit with

    @property
    def module_name(self) -> str:
        """Name of the unit's Verilog module, and of its file in ``rtl/``."""
        return self.name.replace("/", "_")


def deferred(module: str, name: str) -> Callable[..., Any]:
    """A class or function of a module that is imported when it is first called."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module(module), name)(*arguments)

    return call


def catalogue() -> dict[str, Unit]:
    """All units by name, in catalogue order."""
    units = [unit for name in _MODULES for unit in import_module(f"sim.units.{name}").UNITS]
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
    from hw.verilog import convert

    return convert(unit.component(config), name=unit.module_name)
