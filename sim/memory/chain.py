"""A chain of operations under construction, and the matrix products of it.

A product is where a method shows itself: its weight may be quantized and made float for the
product, and low-rank adapters run next to it.
"""

from dataclasses import dataclass, replace

import numpy as np

from consilico.sim.memory.autograd import Op
from consilico.sim.memory.entries import Size

__all__ = ["Chain", "Kernels", "Trained"]

_ADAPTERS = "activations: adapters"


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Implementation of each kernel; every choice is one that :class:`TrainingRun` documents."""

    bytes: int  # of an activation
    residual_bytes: int  # of the residual stream: that of embeddings and norms
    product_bytes: int  # that products compute in: that of autocast, or of the weights as loaded
    half: bool  # the 16-bit type is float16
    autocast: bool
    copies: bool  # autocast makes 16-bit copies of weights that are not quantized
    attention: str
    implementation: str
    loss: str
    holds_logits: bool  # the program keeps them until the backward pass is over
    converts_scores: bool  # softmax in float32 converts its input first; fused for float16
    packed: int  # texts in a sequence, which do not see each other
    repeats: bool  # keys and values are copied for all queries that share them

    @property
    def fuses_norms(self) -> bool:
        """Tell whether norms and rotary embeddings are kernels of their own."""
        return self.implementation in ("fused", "fused-norms")

    @property
    def float_bytes(self) -> int:
        """Return the bytes of an element of what products of floats, and attention, hand back."""
        return self.product_bytes if self.autocast else self.residual_bytes


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Treatment of the parameters of one block, or of the output layer, by a training method."""

    trained: frozenset[str]  # parameters with a gradient of their own
    adapted: frozenset[str] = frozenset()  # matrices with a low-rank adapter
    rank: Size = 0
    adapter_bytes: int = 2
    core: bool = False  # only a matrix between the adapter's factors is trained
    bases: bool = False  # adapters are random bases, as wide as the shorter side of the matrix
    dropout: bool = False  # of the adapters' inputs
    magnitudes: bool = False  # of the sum of weight and adapter are trained, too (DoRA)
    base: str = ""  # how matrices are quantized, if they are: a name of bases.BASES
    weight_scratch: Size = 0  # bytes an element of a float copy of a quantized weight


class Chain:
    """A chain of operations under construction; the names of results are unique in it."""

    def __init__(self, kernels: Kernels, trained: Trained, tokens: Size) -> None:
        self.ops: list[Op] = []
        self.k = kernels
        self.t = trained
        self.tokens = tokens

    def add(self, makes: str, *reads: str, **fields: object) -> str:
        """Append an operation and return the name of its result."""
        self.ops.append(Op(makes=makes, reads=reads, **fields))  # type: ignore[arg-type]
        return makes

    def term(self, source: str, size: Size) -> str:
        """Append what a sum of ``size`` bytes does to a term of a narrower type.

        It converts the term as it reads it, and backward the term's gradient.
        """
        made = {op.makes: op for op in self.ops}
        op = made[source]
        while op.passes and len(op.reads) == 1:
            op = made[op.reads[0]]
        if np.all(op.bytes == size):
            return source
        return self.add(f"{source}, as a term", source, bytes=size, part=True)

    def hold(self, name: str) -> None:
        """Let the program have a name for a tensor until the operation appended last is done."""
        self.ops[-1] = replace(self.ops[-1], names=(*self.ops[-1].names, name))

    def cast(self, makes: str, source: str, width: int, old: int, new: int) -> str:
        """Append a conversion to another type; where the type stays, the result is a view."""
        if old == new:
            return self.add(makes, source, passes=True)
        return self.add(makes, source, bytes=new * width * self.tokens)

    def linear(
        self, name: str, source: str, columns: int, rows: int, source_bytes: int, kind: str
    ) -> str:
        """Append a matrix product, with its adapter and its dequantized weight if it has them.

        A product of floats has the type that autocast chooses, or else the type of its operands;
        the libraries' products of quantized weights hand back the type of their input.
        """
        base = self.t.base
        made = self.k.product_bytes if base else self.k.float_bytes
        own = source
        if source_bytes != made and base != "int8":  # for each product anew
            own = self.cast(f"{name} input", source, columns, source_bytes, made)
        trained = name in self.t.trained
        weight = self.t.weight_scratch * rows * columns
        scratch, back = weight, weight
        if base == "nf4-double":  # and its scales in float32, which backward are gone by then
            scratch = weight + 4 * rows * columns // 64
        if base == "int8":
            # bitsandbytes' MatMul8bitLt keeps its input; forward it makes float16 and INT8 copies
            # of it and an INT32 result, backward a float weight
            made, half = source_bytes, 0 if source_bytes == 2 and self.k.half else 2
            scratch = (half + 1) * columns * self.tokens + 4 * rows * self.tokens
        result = self.add(
            name, own, bytes=made * rows * self.tokens,
            saves=(own,) if trained or base == "int8" else (), parameter=name if trained else "",
            weighs=not base, kind=kind, scratch=scratch, back_scratch=back,
            copied=2 * rows * columns if self.k.copies and not base else 0,
        )  # fmt: skip
        if base:
            result = self.cast(f"{name}, as its input", result, rows, made, source_bytes)
            made = source_bytes
        if name in self.t.adapted:
            result = self._adapted(name, source, result, columns, rows, source_bytes, made)
        return result

    def _adapted(
        self, name: str, given: str, result: str, columns: int, rows: int, given_bytes: int,
        made: int,
    ) -> str:  # fmt: skip
        """Append the adapter of a product, as peft runs it, and return the name of the sum.

        Args:
            name: The product.
            given: Its input, of ``columns`` elements of ``given_bytes`` bytes per token.
            result: Its result, of ``rows`` elements of ``made`` bytes per token.
            columns: Inputs.
            rows: Outputs.
            given_bytes: Bytes of an element of the input.
            made: Bytes of an element of the result.
        """
        t, n = self.t, self.tokens
        ours = t.base in ("nf4", "nf4-double", "int8")  # peft has its own layers for bitsandbytes
        own, width = given, given_bytes
        if not (ours and self.k.autocast):
            own = self.cast(f"{name} adapter input", given, columns, width, t.adapter_bytes)
            width = t.adapter_bytes
        named = (given, own)  # by the layer, until it is done
        if ours and t.base != "int8":
            result = self.add(f"{name}, copied", result, bytes=made * rows * n, copies=True)
        # FOAK's adapters of quantized matrices keep both inputs, and see in the dropped one which
        # elements are zero (fms-acceleration-foak 0.7.4, fused_ops/unsloth_lora)
        fused = self.k.implementation == "fused-norms" and bool(t.base)
        if t.dropout:
            mask = columns * n
            own = self.add(
                f"{name} adapter input, dropped", own, bytes=width * columns * n,
                extra=() if fused else ((f"{name} dropout mask", mask),), kind=_ADAPTERS,
                scratch=mask * fused, back_scratch=mask * fused,
            )  # fmt: skip
        dropped, whole = own, width
        if self.k.autocast:  # which undoes the adapter's own conversion
            narrow = self.k.product_bytes
            own = self.cast(f"{name} adapter input, cast", own, columns, width, narrow)
            width = narrow
        held = weights = 0
        if t.magnitudes:
            # an identity, its products with the adapter, and the weight where its type differs live
            # until the layer is done; the norm of their sum takes two more such matrices
            copied = whole * rows * columns * (bool(t.base) or whole != self.k.residual_bytes)
            held = t.adapter_bytes * columns * (columns + t.rank) + whole * rows * columns + copied
            weights = held + 2 * whole * rows * columns
        inner = min(rows, columns) if t.bases else t.rank
        copy = 2 * inner if self.k.autocast and t.adapter_bytes == 4 else 0  # bytes per row
        low = self.add(
            f"{name} adapter, low rank", own, bytes=width * inner * n, scratch=weights, trains=True,
            saves=() if t.core else (own, given) if fused else (own,), kind=_ADAPTERS,
            names=(dropped,),
            extra=((f"{name} scaled bases", width * inner * inner),) if t.bases else (),
            copied=copy * columns,
        )  # fmt: skip
        high = self.add(
            f"{name} adapter, unscaled", low, bytes=width * rows * n,
            saves=() if t.bases else (low,), parameter=name, scratch=held, kind=_ADAPTERS,
            copied=copy * rows,
        )  # fmt: skip
        if not t.magnitudes:
            high = self.add(f"{name} adapter", high, bytes=width * rows * n)
        if t.magnitudes:
            high, width = self._scaled(name, result, dropped, high, columns, rows, whole, held)
        if ours and not self.k.autocast:
            high, width = self.cast(f"{name} adapter, as the result", high, rows, width, made), made
        wide = max(width, made) * rows * n
        terms = self.term(result, wide), self.term(high, wide)
        both = self.add(f"{name} and adapter", *terms, bytes=wide, names=named, passes=True)
        return self.cast(f"{name} sum", both, rows, max(width, made), made)

    def _scaled(
        self, name: str, result: str, dropped: str, high: str, columns: int, rows: int, width: int,
        held: Size,
    ) -> tuple[str, int]:  # fmt: skip
        """Append what DoRA adds (peft, ``DoraLinearLayer``); return its name and bytes per element.

        The product and the adapter's result are each multiplied by the learned magnitudes, so both
        are kept. With dropout the product is made again, of the dropped input.
        """
        n, size = self.tokens, max(width, self.t.adapter_bytes)
        if self.t.dropout:
            made = self.k.product_bytes if self.k.autocast else width
            copied = self.t.base or self.k.autocast or width != self.k.residual_bytes
            weight = ((f"{name} weight, as the input", made * rows * columns),) if copied else ()
            result = self.add(
                f"{name}, of dropped input", dropped, bytes=made * rows * n, extra=weight,
                scratch=held, kind=_ADAPTERS,
            )  # fmt: skip
        first = self.add(
            f"{name}, scaled", result, bytes=size * rows * n, saves=(result,), scratch=held,
            trains=True, kind=_ADAPTERS,
        )  # fmt: skip
        second = self.add(
            f"{name} adapter, by magnitudes", high, bytes=size * rows * n, saves=(high,),
            scratch=held, kind=_ADAPTERS,
        )  # fmt: skip
        second = self.add(f"{name} adapter", second, bytes=size * rows * n, scratch=held)
        return self.add(f"{name} change", first, second, bytes=size * rows * n, passes=True), size
