"""Linear layers of a language model: INT4 weights as stored, and the inputs they met.

A layer can be had as integer matrices, which is what a matrix unit is given. Products of codes that
share their scales can be summed as integers: all of a row for INT8 weights (a scale per output
channel) with INT8 inputs (a scale per token), 32 of them where either has 4 bits. Each such stretch
of the inputs is a product of its own.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.archive import from_archive, to_archive
from consilico.sim.traffic.quantized import (
    Format,
    QuantizedMatrix,
    SparseMatrix,
    as_stored,
    asymmetric,
    group_size,
    sparsify,
    split,
    symmetric,
)
from consilico.sim.traffic.smollm import GROUP, Int4Weight

__all__ = ["INPUT_OF", "LayerMatrices", "LayerTraffic", "LinearLayer", "layer_matrices"]

# Layers that read the same input: the two norms' outputs, the mixed values, the gated product
INPUT_OF = {
    "attn_q": "attn_norm",
    "attn_k": "attn_norm",
    "attn_v": "attn_norm",
    "attn_output": "attn_mixed",
    "ffn_gate": "ffn_norm",
    "ffn_up": "ffn_norm",
    "ffn_down": "ffn_gated",
}


@dataclass(frozen=True, kw_only=True)
class LinearLayer:
    """One linear layer, ``y = x @ weight.T``, and its inputs over some text.

    A matrix unit multiplies ``quantize_x(...).codes`` by ``quantize_weight(...).codes.T``.
    """

    layer: int  # decoder block
    part: str  # key of :data:`INPUT_OF`, as in the GGUF file: ``blk.{layer}.{part}.weight``
    weight: Int4Weight  # (outputs, inputs)
    x: NDArray[np.float32]  # (tokens, inputs)

    @property
    def name(self) -> str:
        """Return the layer's name, such as ``blk.0.attn_q``."""
        return f"blk.{self.layer}.{self.part}"

    @property
    def inputs(self) -> int:
        """Return the length of the dot products."""
        return int(self.x.shape[1])

    def take(self, tokens: Any, outputs: Any) -> "LinearLayer":
        """Cut the layer to some tokens and output channels (slices or index arrays)."""
        weight = Int4Weight(
            nibbles=self.weight.nibbles[outputs],
            scale=self.weight.scale[outputs],
            minimum=self.weight.minimum[outputs],
        )
        return replace(self, weight=weight, x=self.x[tokens])

    def quantize_x(self, form: Format, group: int | None = None) -> QuantizedMatrix:
        """Return the inputs as codes, shape ``(tokens, inputs)``.

        INT8 has a scale per token: with one per tensor, the huge values that a window's first token
        has in some layers leave the others 5 dB over the rounding error (31 dB so). INT4 has a
        scale for each 32 inputs: with one per token, a few channels that are always large make 34 %
        to 98 % of the codes 0.

        Args:
            form: ``"int8"`` or ``"int4"``.
            group: Inputs that share a scale, where not the above.

        Raises:
            ValueError: If ``form`` is another, or ``group`` does not divide the inputs.
        """
        return symmetric(self.x, _bits(form), group_size(form, self.inputs, group))

    def quantize_weight(self, form: Format, group: int | None = None) -> QuantizedMatrix:
        """Return the weights as codes, shape ``(outputs, inputs)``.

        ``"uint4"`` in groups of 32 has the codes of the file (see
        :func:`~consilico.sim.traffic.quantized.as_stored`); all others are quantized anew from the
        file's weights and carry a second rounding error.

        Args:
            form: ``"int8"``: symmetric, a scale per output channel; ``"int4"``: symmetric, a scale
                for each 32 inputs; ``"uint4"``: with zero point, for each 32 inputs.
            group: Inputs that share a scale, where not the above.

        Raises:
            ValueError: If ``group`` does not divide the inputs.
        """
        group = group_size(form, self.inputs, group)
        if form == "uint4" and group == GROUP:
            return as_stored(self.weight)
        values = self.weight.dequantize()
        return (
            asymmetric(values, group) if form == "uint4" else symmetric(values, _bits(form), group)
        )

    def sparse_weight(self, form: Format, group: int | None = None) -> SparseMatrix:
        """Return the weights cut to 2:4 by magnitude, otherwise as :meth:`quantize_weight` does.

        Args:
            form: ``"int8"`` or ``"int4"``.
            group: Inputs that share a scale, zeros counted.

        Raises:
            ValueError: If ``form`` is another, or ``group`` does not divide the inputs.
        """
        group = group_size(form, self.inputs, group)
        return sparsify(self.weight.dequantize(), _bits(form), group)


def _bits(form: Format) -> int:
    """Return the bits of a symmetric form."""
    if form == "uint4":
        raise ValueError("form must be int8 or int4 here, not 'uint4'")
    return 8 if form == "int8" else 4


@dataclass(frozen=True, kw_only=True)
class LayerTraffic:
    """Linear layers spread over a model, all with inputs of the same tokens."""

    linears: list[LinearLayer]
    tokens: NDArray[np.int32]  # (windows, window); row t of an ``x`` is token t of these, in order
    provenance: dict[str, Any]  # model, text, sampling, tool versions; JSON-able
    source: str  # "SmolLM2-135M-Instruct on ..." or "synthetic: ..."
    synthetic: bool  # not from a model: a report must say so

    def __getitem__(self, name: str) -> LinearLayer:
        """Return the layer of that name, such as ``blk.0.attn_q``.

        Raises:
            KeyError: If it was not sampled; the message names those that were.
        """
        for linear in self.linears:
            if linear.name == name:
                return linear
        raise KeyError(f"{name}; sampled are {', '.join(item.name for item in self.linears)}")

    def to_bytes(self) -> bytes:
        """Return an ``.npz`` archive that carries the digest of its own content."""
        arrays: dict[str, Any] = {"tokens": self.tokens}
        for linear in self.linears:
            arrays[f"blk.{linear.layer}.{INPUT_OF[linear.part]}"] = linear.x
            nibbles = linear.weight.nibbles
            arrays[f"{linear.name}.nibbles"] = nibbles[:, 0::2] | nibbles[:, 1::2] << 4
            arrays[f"{linear.name}.scale"] = linear.weight.scale
            arrays[f"{linear.name}.minimum"] = linear.weight.minimum
        about = {
            "linears": [[linear.layer, linear.part] for linear in self.linears],
            "provenance": self.provenance,
            "source": self.source,
            "synthetic": self.synthetic,
        }
        return to_archive(about, arrays)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "LayerTraffic":
        """Return the traffic from an archive that :meth:`to_bytes` wrote.

        Raises:
            ValueError: If the archive is damaged in any way.
        """
        about, arrays = from_archive(raw, "layers")
        return cls(
            linears=[_read(arrays, layer, part) for layer, part in about["linears"]],
            tokens=arrays["tokens"],
            provenance=about["provenance"],
            source=about["source"],
            synthetic=about["synthetic"],
        )


def _read(arrays: dict[str, NDArray[Any]], layer: int, part: str) -> LinearLayer:
    """Return a layer from the arrays of an archive."""
    name = f"blk.{layer}.{part}"
    packed: NDArray[np.uint8] = arrays[f"{name}.nibbles"]
    nibbles = np.stack([packed & 0xF, packed >> 4], axis=2).reshape(len(packed), -1)
    return LinearLayer(
        layer=layer,
        part=part,
        weight=Int4Weight(
            nibbles=nibbles, scale=arrays[f"{name}.scale"], minimum=arrays[f"{name}.minimum"]
        ),
        x=arrays[f"blk.{layer}.{INPUT_OF[part]}"],
    )


_MIDDLE = 8  # code 0..15 less this is a signed INT4 code


@dataclass(frozen=True, kw_only=True)
class LayerMatrices:
    """A layer cut along its inputs: a unit multiplies ``x[i]`` by ``w[i]``."""

    x: NDArray[np.int64]  # (groups, tokens, group)
    w: NDArray[np.int64]  # (groups, group, outputs), signed
    inputs: QuantizedMatrix
    weight: QuantizedMatrix  # its codes less ``offset`` are those of w
    offset: int

    def outputs(self, products: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the layer's outputs, shape ``(tokens, outputs)``.

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


def layer_matrices(linear: LinearLayer, x_form: Format, w_form: Format) -> LayerMatrices:
    """Return the matrices of a layer.

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
    """Cut all rows into groups, shape ``(groups, rows, group)``."""
    return split(codes.astype(np.float32), group).transpose(1, 0, 2).astype(np.int64)


def _by_group(
    constants: NDArray[np.float32] | NDArray[np.int8], groups: int
) -> NDArray[np.float64]:
    """Return the constants of each group, shape ``(groups, rows)``."""
    repeated = np.repeat(constants, groups // constants.shape[1], axis=1)
    return repeated.T.astype(np.float64)
