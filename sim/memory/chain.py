"""A chain of operations under construction, and the matrix products of it.

A product is where a method shows itself: its weight may be quantized and made float for the
product, and low-rank adapters run next to it.
"""

from dataclasses import dataclass

from consilico.sim.memory.autograd import Op
from consilico.sim.memory.entries import Size

__all__ = ["Chain", "Kernels", "Trained"]


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Implementation of each kernel; every choice is one that :class:`TrainingRun` documents."""

    bytes: int  # of an activation
    residual_bytes: int  # of the residual stream: 4 under autocast
    autocast: bool
    attention: str
    implementation: str
    loss: str
    holds_logits: bool  # the program keeps them until the backward pass is over
    converts_scores: bool  # softmax in float32 converts its input first; fused for float16
    repeats: bool  # keys and values are copied for all queries that share them


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Treatment of the parameters of one block, or of the output layer, by a training method."""

    trained: frozenset[str]  # parameters with a gradient of their own
    adapted: frozenset[str] = frozenset()  # matrices with a low-rank adapter
    rank: Size = 0
    adapter_bytes: int = 2
    core: bool = False  # only a matrix between the adapter's factors is trained
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

    def cast(self, makes: str, source: str, width: int, old: int, new: int) -> str:
        """Append a conversion to another type; where the type stays, the result is a view."""
        if old == new:
            return self.add(makes, source, passes=True)
        return self.add(makes, source, bytes=new * width * self.tokens)

    def linear(
        self, name: str, source: str, columns: int, rows: int, source_bytes: int, kind: str
    ) -> str:
        """Append a matrix product, with its adapter and its dequantized weight if it has them."""
        e, t = self.k.bytes, self.tokens
        given = source
        if source_bytes != e:  # autocast converts the input anew for each product
            source = self.cast(f"{name} input", source, columns, source_bytes, e)
        trained = name in self.t.trained
        result = self.add(
            name, source, bytes=e * rows * t, saves=(source,) if trained else (),
            parameter=name if trained else "", kind=kind,
            scratch=self.t.weight_scratch * rows * columns,
            back_scratch=self.t.weight_scratch * rows * columns,
        )  # fmt: skip
        if name not in self.t.adapted:
            return result
        a = self.t.adapter_bytes
        own = self.cast(f"{name} adapter input", given, columns, source_bytes, a)
        if self.k.autocast:  # which undoes the adapter's own conversion
            own, a = self.cast(f"{name} adapter input, cast", own, columns, a, e), e
        low = self.add(
            f"{name} adapter, low rank", own, bytes=a * self.t.rank * t,
            saves=() if self.t.core else (own,), kind="activations: adapters",
        )  # fmt: skip
        high = self.add(
            f"{name} adapter", low, bytes=a * rows * t, saves=(low,), parameter=name,
            scratch=a * rows * t, kind="activations: adapters",
        )  # fmt: skip
        both = self.add(f"{name} and adapter", result, high, bytes=max(a, e) * rows * t)
        return self.cast(f"{name} sum", both, rows, max(a, e), e)
