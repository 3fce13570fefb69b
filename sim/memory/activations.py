"""What blocks keep between forward and backward, and what one needs while it runs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.autograd import Moment, Op, Walk, walk
from consilico.sim.memory.entries import BITS, Entry, LiveTensors, Size, most, total
from consilico.sim.memory.operations import Kernels, Trained, block_ops, loss_ops
from consilico.sim.memory.tensor_plan import TensorPlan

__all__ = ["Activations"]


class Activations:
    """Chains of one block and of the loss, walked once, and parts of stages made from them."""

    def __init__(self, plan: TensorPlan) -> None:
        run, arch, k = plan.run, plan.arch, plan.kernels
        self.plan = plan
        self.recomputes = run.checkpointing != "none"
        self.x: Size = k.residual_bytes * arch.hidden * plan.tokens
        step = (arch, k, plan.tokens, plan.sequence)
        self.block_ops, self.block = _walked("block", plan.block_trained(), *step)
        self.resting, self.resting_ops = self.block, self.block_ops
        if plan.trained_blocks < arch.layers:
            frozen = plan.block_trained(frozen=True)
            self.resting_ops, self.resting = _walked("block", frozen, *step)
        bare = self.recomputes or plan.method.forward_only
        walked = _walked("bare block", plan.block_trained(), *step)[1] if bare else self.block
        self.forward = walked.forward
        outside = frozenset(t.parameter.name for t in plan.tensors if not t.in_block and t.trains)
        if arch.tied and "embedding" in outside:
            outside |= {"output layer"}
        self.loss_ops, self.loss = _walked("loss", Trained(trained=outside), *step)
        upcast = {"logits, float32", "log-probabilities", "loss"}
        self.logits = {m.op for m in self.loss.forward} - upcast  # operations up to the logits
        self.keeps = self._keeps(self.block_ops)
        self.always = tuple(self._always())

    def _keeps(self, ops: Sequence[Op]) -> dict[str, tuple[str, Size]]:
        """What a recomputed block keeps: its input, and selectively results of products."""
        kept = {"x": ("activations: checkpoints", self.x)}
        if self.plan.run.checkpointing == "selective":
            size = {op.makes: op for op in ops}
            names = {p.name for p in self.plan.arch.parameters() if p.columns > 1}
            names |= {"scores", "weighted values"}
            if self.plan.kernels.attention != "eager":
                names.add("attended")
            for name in self.plan.block_trained().adapted:
                names |= {f"{name} adapter", f"{name} adapter, low rank"}
            for name in sorted(names & set(size)):
                kept[name] = ("activations: checkpoints", size[name].bytes)
                for extra, more in size[name].extra:
                    kept[extra] = ("activations: checkpoints", more)
        return kept

    def block_of(self, index: int) -> Walk:
        """The chain of a block: the trained ones come last."""
        trained = index >= self.plan.arch.layers - self.plan.trained_blocks
        return self.block if trained else self.resting

    def kept(self, blocks: int) -> LiveTensors:
        """By the first so many blocks, between their forward and their backward pass."""
        trained = max(0, blocks - (self.plan.arch.layers - self.plan.trained_blocks))
        if self.recomputes:
            lines = [(n, kind, size, blocks) for n, (kind, size) in self.keeps.items()]
        else:
            lines = [
                (saved.name, saved.kind, saved.bytes, count)
                for chain, count in ((self.block, trained), (self.resting, blocks - trained))
                for saved in chain.saved
                if count
            ]
        if self.plan.method.forward_only:
            lines = []
        if self.plan.run.offload in ("activations", "both"):
            # on the GPU only those of the block in use and of the next
            lines = [(n, kind, size, min(count, 2)) for n, kind, size, count in lines]
        return self._part(lines)

    def matrix(self, operation: str) -> int:
        """Elements of the matrix that an operation multiplies by, 0 if it is no such product."""
        fused = operation == "loss" and self.plan.kernels.loss == "fused"
        if operation == "output layer" or fused:
            return self.plan.arch.vocab * self.plan.arch.hidden
        return next(
            (t.dims.full for t in self.plan.tensors
             if t.parameter.name == operation and t.parameter.columns > 1),
            0,
        )  # fmt: skip

    def weight_bytes(self, operation: str) -> float:
        """Bytes of that matrix as they are read."""
        elements = self.matrix(operation)
        if operation in ("output layer", "loss") or not elements:
            return elements * self.plan.weight_bytes
        stored = self.plan.method.blocks.holdings[0]
        return elements * BITS[self.plan.dtype_of(stored)] / 8

    def dequantized_bytes(self, operation: str) -> float:
        """Bytes read and written to make a float matrix of a quantized one before a product."""
        scratch = self.plan.method.blocks.weight_copies * self.plan.kernels.bytes
        if not scratch or operation in ("output layer", "loss"):
            return 0.0
        return self.weight_bytes(operation) + 2 * scratch * self.matrix(operation)

    def during(self, moment: Moment) -> LiveTensors:
        """The block in work, or the loss."""
        return self._part(
            [
                ("block in work: kept for backward", "activations: block in work", moment.saved, 1),
                ("block in work: in use", "activations: block in work", moment.working, 1),
            ]
        )

    def after(self, moment: Moment) -> LiveTensors:
        """The same once the operation is done."""
        return self._part([("block in work", "activations: block in work", moment.after, 1)])

    def input(self) -> LiveTensors:
        """A block's input, which the program holds while the block runs."""
        saved = not self.recomputes and any(s.name == "x" for s in self.block.saved)
        return self._part(
            [] if saved else [("input of a block", "activations: block in work", self.x, 1)]
        )

    def held_logits(self) -> LiveTensors:
        """The logits, where the program keeps them through the backward pass."""
        k, arch = self.plan.kernels, self.plan.arch
        if not k.holds_logits or k.loss != "eager":
            return self._part([])
        size = k.bytes * arch.vocab * self.plan.tokens
        return self._part([("logits", "activations: logits", size, 1)])

    def checkpoint(self) -> LiveTensors:
        """The input of a block that is recomputed."""
        lines = [("x", "activations: checkpoints", self.x, 1)] if self.recomputes else []
        return self._part(lines)

    def output_gradient(self) -> LiveTensors:
        """The gradient of a block's result."""
        return self._part(
            [("gradient of a block's result", "activations: block in work", self.x, 1)]
        )

    def casts(self, blocks: int, *, head: bool = False) -> LiveTensors:
        """Copies of weights that autocast makes: those of so many blocks, of the output layer."""
        if not self.plan.kernels.autocast:
            return self._part([])
        arch = self.plan.arch
        one = 2 * arch.block_matrix_parameters
        lines = [("blocks: autocast copies of weights", "transients", one, blocks)]
        if head:
            size = 2 * arch.vocab * arch.hidden
            lines.append(("output layer: autocast copy of weight", "transients", size, 1))
        return self._part(lines)

    def casts_forward(self, blocks: int) -> LiveTensors:
        """Those there after so many blocks: all, or with frozen, recomputed blocks the last."""
        alone = self.recomputes and self.plan.method.blocks.beside
        return self.casts(min(blocks, 1) if alone else blocks)

    def casts_loss(self, *, backward: bool) -> LiveTensors:
        """Those there during the loss; recomputed blocks' are gone after the forward pass."""
        frozen = self.plan.method.blocks.beside
        gone = self.recomputes and (backward or frozen)
        return self.casts(0 if gone else self.plan.arch.layers, head=True)

    def casts_backward(self, block: int) -> LiveTensors:
        """Those there in a block's backward pass."""
        return self.casts(1 if self.recomputes else block + 1)

    def gathered(self) -> LiveTensors:
        """Shared weights that are whole for a while: of the block in use and of the next."""
        plan = self.plan
        if plan.shards["weights"] == 1:
            return self._part([])
        sizes = [(t.in_block, t.dims.full * plan.weight_bytes) for t in plan.tensors]
        block = sum(size for in_block, size in sizes if in_block)
        ends = [size for in_block, size in sizes if not in_block]
        return self._part([("gathered weights", "transients", most(2 * block, *ends), 1)])

    def _always(self) -> list[LiveTensors]:
        """What the model holds all the time while it runs: mask, rotary angles, cache."""
        plan, arch, k = self.plan, self.plan.arch, self.plan.kernels
        lines = []
        if k.attention == "eager":
            size = k.bytes * plan.tokens * plan.sequence
            lines.append(("attention mask", "activations: attention", size, 1))
        if not arch.positions:
            size = 2 * k.bytes * arch.head_dim * plan.sequence
            lines.append(("rotary angles", "activations: attention", size, 1))
        if plan.method.forward_only:
            size = 2 * arch.layers * arch.key * plan.tokens * k.bytes
            lines.append(("key and value cache", "key and value cache", size, 1))
        return [self._part(lines)]

    def _part(self, lines: list[tuple[str, str, Size, int]]) -> LiveTensors:
        return LiveTensors(
            total(size * count for _, _, size, count in lines),
            lambda: [Entry(n, kind, "", size * count, count) for n, kind, size, count in lines],
        )


def _walked(what: str, *key: Any) -> tuple[tuple[Op, ...], Walk]:
    """Operations and walk; remembered for single runs, of which advice asks many alike."""
    try:
        return _remembered(what, *key)
    except TypeError:  # arrays have no hash
        return _walk(what, *key)


@lru_cache(maxsize=256)
def _remembered(what: str, *key: Any) -> tuple[tuple[Op, ...], Walk]:
    return _walk(what, *key)


def _walk(
    what: str, trained: Trained, arch: Architecture, kernels: Kernels, tokens: Size, sequence: Size
) -> tuple[tuple[Op, ...], Walk]:
    entry = kernels.residual_bytes * arch.hidden * tokens
    if what == "loss":
        ops = tuple(loss_ops(arch, kernels, trained, tokens))
        held = ("output layer",) if kernels.loss == "eager" else ()
        return ops, walk(ops, "x", entry, held, held_backward=kernels.holds_logits)
    ops = tuple(block_ops(arch, kernels, trained, tokens, sequence))
    if what == "bare block":
        ops = tuple(_bare(op) for op in ops)
    return ops, walk(ops, "x", entry)


def _bare(op: Op) -> Op:
    """Without what it keeps: a forward pass that nothing follows."""
    return Op(makes=op.makes, reads=op.reads, bytes=op.bytes, passes=op.passes, scratch=op.scratch)
