"""Element-wise work of a training step: norms, rotary embedding, softmax, SwiGLU, loss.

There are two views of it. :func:`operators` are the operators that an eager PyTorch runs, each with
the elements it reads and writes; the tests hold them to what a dispatcher sees. :func:`passes` are
the same as an accelerator runs them: a pass over its tensors each, and what is in between stays on
the chip.

Counted are decoders like LLaMA: RMS norms, rotary embedding, a gated SiLU, no biases.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from consilico.sim.base.errors import UserError
from consilico.sim.memory.llama_family import llama_parts
from consilico.sim.memory.tensor_plan import TensorPlan

__all__ = ["ARITHMETIC", "ElementwiseOperators", "Pass", "operators", "passes"]

ARITHMETIC = {
    "add": 1, "mul": 1, "neg": 1, "div": 1, "pow": 1, "rsqrt": 1, "sum": 1,
    "softmax": 5,  # maximum, difference, exponential, sum, quotient
    "softmax backward": 4,  # product, sum, product, difference
    "silu": 4,  # exponential, sum, quotient, product
    "silu backward": 8,  # the sigmoid again (3), 1 - s, x times it, plus 1, times s, times dy
    "log-softmax": 5,
    "log-softmax backward": 4,
    "nll": 1, "nll backward": 1, "embedding backward": 1,
}  # fmt: skip
"""Scalar operations per element; an exponential or a root counts as one."""


@dataclass(frozen=True, kw_only=True)
class ElementwiseOperators:
    """Operators of one kind: elements read and written by all of them in a step."""

    phase: str  # forward, recompute or backward
    kind: str  # key of ARITHMETIC
    reads: int
    writes: int

    @property
    def operations(self) -> int:
        """Return the scalar operations: of each element read by a sum, else of each written."""
        sums = self.kind in ("sum", "embedding backward")
        return ARITHMETIC[self.kind] * (self.reads if sums else self.writes)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A pass over tensors, a fused group of operators."""

    name: str
    phase: str  # forward, recompute or backward
    reads: int  # elements, in a step
    writes: int
    stays: bool = False  # on chip: part of fused attention


class _Sizes:
    """Elements of the tensors of a micro-batch."""

    def __init__(self, plan: TensorPlan) -> None:
        arch = plan.arch
        try:
            attention, mlp = llama_parts(arch)
        except ValueError as error:
            raise UserError(f"{error}: only such models are counted element by element") from None
        t = int(plan.tokens)
        self.t, self.time = t, int(plan.sequence)
        self.layers, self.trained = arch.layers, plan.trained_blocks
        self.width = attention.head_dim
        self.h, self.f, self.q, self.k = (
            n * t for n in (arch.hidden, mlp.intermediate, attention.query, attention.key)
        )
        self.hidden, self.vocab = arch.hidden, arch.vocab * t
        self.scores = attention.heads * self.time * t
        self.batch = plan.run.batch
        tensors = {x.parameter.name: x for x in plan.tensors}
        self.norms = tensors["attention norm"].trains  # whether norms train
        self.embedding = tensors["embedding"].trains
        self.adapted = [x for x in plan.tensors if x.treatment.trains_factors]


def operators(plan: TensorPlan) -> list[ElementwiseOperators]:
    """Return the operators of a step with eager attention in float32.

    Fused attention has the same inside.

    Raises:
        UserError: If the model is not counted.
    """
    s = _Sizes(plan)
    micro = plan.run.accumulation
    found = [*_blocks(s, "forward"), *_ends(s)]
    if not plan.method.forward_only:
        if plan.run.checkpointing != "none":
            found += _blocks(s, "recompute")
        found += _backward(s)
    return [replace(o, reads=o.reads * micro, writes=o.writes * micro) for o in found]


def _op(phase: str, count: int, kind: str, writes: int, *reads: int) -> ElementwiseOperators:
    """Return ``count`` operators of a kind."""
    return ElementwiseOperators(
        phase=phase, kind=kind, reads=count * sum(reads), writes=count * writes
    )


def _norm(s: _Sizes, phase: str, count: int) -> Iterator[ElementwiseOperators]:
    """Yield the operators of ``count`` RMS norms."""
    yield _op(phase, count, "pow", s.h, s.h)
    yield _op(phase, count, "sum", s.t, s.h)
    yield _op(phase, count, "add", s.t, s.t)
    yield _op(phase, count, "rsqrt", s.t, s.t)
    yield _op(phase, count, "mul", s.h, s.h, s.t)
    yield _op(phase, count, "mul", s.h, s.h, s.hidden)


def _blocks(s: _Sizes, phase: str) -> Iterator[ElementwiseOperators]:
    """Yield the forward pass of all blocks; a recomputation ends at the last saved tensor."""
    f, n, qk, again = phase, s.layers, s.q + s.k, phase == "recompute"
    angles = s.time * s.width
    yield from _norm(s, f, 2 * n)
    yield _op(f, n, "mul", 2 * qk, 2 * qk, 4 * angles)  # rotary: by cosine and sine
    yield _op(f, n, "neg", qk // 2, qk // 2)
    yield _op(f, n, "add", qk, 2 * qk)
    yield _op(f, n, "mul", s.scores, s.scores)
    yield _op(f, n, "add", s.scores, s.scores, s.t * s.time)  # the mask
    yield _op(f, n, "softmax", s.scores, s.scores)
    yield _op(f, n, "silu", s.f, s.f)
    yield _op(f, n, "mul", s.f, 2 * s.f)
    yield _op(f, n if again else 2 * n, "add", s.h, 2 * s.h)  # residuals
    for tensor in s.adapted:  # an adapter's result is scaled and added
        if again and tensor.parameter.name == "down":
            continue
        rows = tensor.parameter.rows * s.t
        yield _op(f, n, "mul", rows, rows)
        yield _op(f, n, "add", rows, 2 * rows)


def _ends(s: _Sizes) -> Iterator[ElementwiseOperators]:
    """Yield what the forward pass has outside the blocks."""
    f, angles = "forward", s.time * s.width
    yield _op(f, 1, "neg", s.width // 2, s.width // 2)  # rotary angles, made once
    yield _op(f, 1, "mul", angles // 2, s.time, s.width // 2)
    yield from _norm(s, f, 1)
    yield _op(f, 1, "log-softmax", s.vocab, s.vocab)
    yield _op(f, 1, "nll", 1, s.vocab, s.t)


def _backward(s: _Sizes) -> Iterator[ElementwiseOperators]:
    """Yield the operators of the backward pass."""
    b, n, qk, angles = "backward", s.layers, s.q + s.k, s.time * s.width
    blocks = n if s.embedding else n - 1  # whose input needs a gradient
    norms = blocks + n + 1  # attention norms of those, all MLP norms, the final one
    yield _op(b, 1, "nll backward", s.vocab, 1, s.vocab, s.t, 1)
    yield _op(b, 1, "log-softmax backward", s.vocab, 2 * s.vocab)
    yield _op(b, norms, "mul", s.h, s.h, s.hidden)
    if s.norms:
        # of blocks that are not sampled the norms rest
        own = 2 * s.trained + 1
        yield _op(b, own, "mul", s.h, 2 * s.h)
        yield _op(b, own, "sum", s.hidden, s.h)
    yield _op(b, norms, "mul", 2 * s.h, 3 * s.h, s.t)  # by the root; by the input
    yield _op(b, norms, "sum", s.t, s.h)
    yield _op(b, norms, "pow", s.t, s.t)
    yield _op(b, norms, "mul", 2 * s.t, 3 * s.t)  # by -1/2, by the gradient
    yield _op(b, norms, "div", s.h, s.h)  # of the mean, a number for each element
    yield _op(b, norms, "pow", s.h, s.h)
    yield _op(b, norms, "mul", 2 * s.h, 3 * s.h)  # by 2, by the gradient
    yield _op(b, norms, "add", s.h, 2 * s.h)
    yield _op(b, n, "mul", 2 * qk, 2 * qk, 4 * angles)
    yield _op(b, n, "neg", qk // 2, qk // 2)
    yield _op(b, n, "add", 2 * qk, 4 * qk)
    if s.q != s.k:
        yield _op(b, 2 * n, "sum", s.k, s.q)  # heads that share keys and values
    yield _op(b, n, "softmax backward", s.scores, 2 * s.scores)
    yield _op(b, n, "mul", s.scores, s.scores)
    yield _op(b, n, "mul", 2 * s.f, 4 * s.f)
    yield _op(b, n, "silu backward", s.f, 2 * s.f)
    yield _op(b, n, "add", 2 * s.h, 4 * s.h)  # two inputs of the MLP, its residual
    yield _op(b, blocks, "add", 3 * s.h, 6 * s.h)  # three of the attention, its residual
    if s.embedding:
        yield _op(b, 1, "embedding backward", s.vocab // s.t * s.hidden, s.h, s.t)
    for tensor in s.adapted:  # scale; two gradients of one input
        rows, columns = tensor.parameter.rows * s.t, tensor.parameter.columns * s.t
        first = tensor.parameter.name in ("query", "key", "value")
        yield _op(b, n, "mul", rows, rows)
        yield _op(b, blocks if first else n, "add", columns, 2 * columns)


def passes(plan: TensorPlan) -> list[Pass]:
    """Return the passes of an accelerator in a step.

    Sums of gradients are made where products accumulate.

    Raises:
        UserError: If the model is not counted.
    """
    s, run = _Sizes(plan), plan.run
    found = list(_forward_passes(s, "forward", run.attention == "eager"))
    found.append(_pass("embedding", "forward", s.h, s.h))
    found += [_pass("final norm", "forward", s.h, s.h), _pass("loss", "forward", s.vocab, s.t)]
    if not plan.method.forward_only:
        if run.checkpointing != "none":
            found += _forward_passes(s, "recompute", run.attention == "eager")
        found += _backward_passes(s, run.attention == "eager")
    micro = run.accumulation
    return [replace(p, reads=p.reads * micro, writes=p.writes * micro) for p in found]


def _pass(name: str, phase: str, reads: int, writes: int, count: int = 1) -> Pass:
    """Return ``count`` passes of a name."""
    return Pass(name=name, phase=phase, reads=count * reads, writes=count * writes)


def _forward_passes(s: _Sizes, phase: str, eager: bool) -> Iterator[Pass]:
    """Yield the passes of all blocks forward."""
    n = s.layers
    yield _pass("norms", phase, 2 * s.h, 2 * s.h, n)
    yield _pass("rotary embedding", phase, s.q + s.k, s.q + s.k, n)
    yield replace(_pass("softmax", phase, s.scores, s.scores, n), stays=not eager)
    yield _pass("SwiGLU", phase, 2 * s.f, s.f, n)
    # nothing needs the block's result again: its last residual does not run in a recomputation
    yield _pass("residuals", phase, 2 * s.h, s.h, n if phase == "recompute" else 2 * n)


def _backward_passes(s: _Sizes, eager: bool) -> Iterator[Pass]:
    """Yield the passes of the backward pass."""
    n, phase = s.layers, "backward"
    yield _pass("loss", phase, s.vocab, s.vocab)
    yield _pass("final norm", phase, 2 * s.h, s.h)
    yield _pass("norms", phase, 4 * s.h, 2 * s.h, n)  # input and gradient; the sum with residuals
    yield _pass("rotary embedding", phase, s.q + s.k, s.q + s.k, n)
    yield replace(_pass("softmax", phase, 2 * s.scores, s.scores, n), stays=not eager)
    yield _pass("SwiGLU", phase, 3 * s.f, 2 * s.f, n)
    if s.embedding:
        yield _pass("embedding", phase, s.h, s.h)
