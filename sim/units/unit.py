"""What the catalogue knows of one operator."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from consilico.golden.config import Config
from consilico.sim.units.stimulus import Ports, Stimulus

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

    from consilico.hw.census import Census

__all__ = ["Unit", "deferred"]


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
