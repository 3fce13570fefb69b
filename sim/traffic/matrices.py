"""A linear layer as integer matrix products: what a matrix unit is given, and what it means.

Products of codes that share their scales can be summed as integers: all of a row for INT8 weights
(a scale an output channel) with INT8 inputs (a scale a token), 32 of them where either has 4 bits.
Each such stretch of the inputs is a product of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.linear import Linear
from consilico.sim.traffic.quantized import Format, Quantized, split

__all__ = ["LayerMatrices", "layer_matrices"]

_MIDDLE = 8  # code 0..15 less this is a signed INT4 code


@dataclass(frozen=True, kw_only=True)
class LayerMatrices:
    """A layer cut along its inputs. A unit multiplies ``x[i]`` by ``w[i]``."""

    x: NDArray[np.int64]  # (groups, tokens, group)
    w: NDArray[np.int64]  # (groups, group, outputs), signed
    inputs: Quantized
    weight: Quantized  # its codes less ``offset`` are those of w
    offset: int

    def outputs(self, products: NDArray[np.int64]) -> NDArray[np.float64]:
        """The layer's outputs, shape ``(tokens, outputs)``.

        Args:
            products: ``x[i] @ w[i]``, shape ``(groups, tokens, outputs)``.
        """
        groups = len(products)
        zero = _by_group(self.weight.zero, groups) - self.offset
        sums = products - self.x.sum(2)[:, :, None] * zero[:, None, :]
        scales = (
            _by_group(self.inputs.scale, groups)[:, :, None]
            * _by_group(self.weight.scale, groups)[:, None, :]
        )
        return np.asarray((sums * scales).sum(0))


def layer_matrices(linear: Linear, x_form: Format, w_form: Format) -> LayerMatrices:
    """Matrices of a layer.

    Args:
        linear: The layer.
        x_form: ``"int8"`` or ``"int4"``.
        w_form: ``"int8"``, or ``"int4"``: the codes 0 to 15 of the file, less 8.

    Raises:
        ValueError: If ``x_form`` is another.
    """
    stored = w_form == "int4"
    inputs = linear.quantize_x(x_form)
    weight = linear.quantize_weight("uint4" if stored else w_form)
    offset = _MIDDLE if stored else 0
    group = min(inputs.group, weight.group)
    return LayerMatrices(
        x=_cut(inputs.codes, group),
        w=_cut(weight.codes, group).transpose(0, 2, 1) - offset,
        inputs=inputs,
        weight=weight,
        offset=offset,
    )


def _cut(codes: NDArray[np.int8], group: int) -> NDArray[np.int64]:
    """Groups of all rows, shape ``(groups, rows, group)``."""
    return split(codes.astype(np.float32), group).transpose(1, 0, 2).astype(np.int64)


def _by_group(
    constants: NDArray[np.float32] | NDArray[np.int8], groups: int
) -> NDArray[np.float64]:
    """Constants of each group, shape ``(groups, rows)``."""
    repeated = np.repeat(constants, groups // constants.shape[1], axis=1)
    return repeated.T.astype(np.float64)
