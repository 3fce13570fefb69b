"""Where the operands of a matrix unit come from."""

from collections.abc import Callable
from typing import TypeVar, cast

from consilico.sim.traffic.layers import layer_traffic
from consilico.sim.traffic.linear import LayerTraffic
from consilico.sim.traffic.random_operands import Distribution

__all__ = ["operand_stream"]

Traffic = TypeVar("Traffic")


def operand_stream(
    source: str,
    model: Callable[[LayerTraffic], Traffic],
    drawn: Callable[[Distribution], Traffic],
) -> Traffic:
    """Return the operands of a matrix unit.

    Args:
        source: ``"model"`` (a synthetic trace where the model is not installed), ``"normal"`` or
            ``"uniform"``.
        model: Takes them from linear layers of a language model.
        drawn: Draws them from a distribution.
    """
    return model(layer_traffic()) if source == "model" else drawn(cast(Distribution, source))
