"""Chooses where a unit's traffic comes from, by name."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar, get_args

from consilico.sim.base.errors import UserError
from consilico.sim.traffic.layers import layer_traffic
from consilico.sim.traffic.linear import LayerTraffic
from consilico.sim.traffic.random_operands import Distribution

__all__ = ["choose", "choose_operands"]

Traffic = TypeVar("Traffic")


def choose(source: str, sources: Mapping[str, Callable[[], Traffic]]) -> Traffic:
    """Traffic of the source of that name.

    Args:
        source: What the user asks for.
        sources: What there is; a function raises ValueError for what does not fit the unit.

    Raises:
        UserError: If there is none of that name, or it does not fit.
    """
    if source not in sources:
        raise UserError(f"unknown traffic {source!r}; there are: {', '.join(sources)}")
    try:
        return sources[source]()
    except ValueError as error:
        raise UserError(f"traffic {source}: {error}") from error


def choose_operands(
    source: str,
    model: Callable[[LayerTraffic], Traffic],
    drawn: Callable[[Distribution], Traffic],
) -> Traffic:
    """Operands of a matrix unit.

    Args:
        source: ``"model"`` (a synthetic trace where the model is not installed), ``"normal"`` or
            ``"uniform"``.
        model: Takes them from linear layers of a language model.
        drawn: Draws them.

    Raises:
        UserError: If the source is another, or does not fit the unit.
    """
    sources: dict[str, Callable[[], Traffic]] = {"model": lambda: model(layer_traffic())}
    return choose(source, sources | {name: partial(drawn, name) for name in get_args(Distribution)})
