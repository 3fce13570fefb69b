"""Find the activations that blocks keep for the backward pass, and those of a running block."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.autograd import Lifetimes, Moment, Op, walk
from consilico.sim.memory.chain import Kernels, Trained
from consilico.sim.memory.entries import BITS, Entry, LiveTensors, Size, most, total
from consilico.sim.memory.operations import block_ops, loss_ops
from consilico.sim.memory.tensor_plan import TensorPlan

__all__ = ["Activations"]


class Activations:
    """The operations of a block and of the loss, followed once, and the live tensors they give.

    Attributes:
        block_ops: Operations of a block that trains; ``resting_ops`` of one that is not sampled.
        block: What lives while ``block_ops`` runs; ``resting`` while ``resting_ops`` does.
        forward: Moments of a block's forward pass; nothing is saved where it runs again later.
        loss: What lives while ``loss_ops`` runs.
        logits: Names of the operations of the loss up to the logits.
        keeps: What a recomputed block keeps, by name: its heading in the ledger, and bytes.
        always: What the model holds whenever it runs.
    """

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
        upcast = {"logits, float32", "logits, shifted", "log-probabilities", "loss"}
        self.logits = {m.op for m in self.loss.forward} - upcast  # operations up to the logits
        self.keeps = self._keeps(self.block_ops)
        self.always = tuple(self._always())

    def _keeps(self, ops: Sequence[Op]) -> dict[str, tuple[str, Size]]:
        """Return what a recomputed block keeps by name: its heading in the ledger, and bytes.

        It keeps its input; with selective checkpointing also the results of its matrix products.
        """
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

    def block_of(self, index: int) -> Lifetimes:
        """Return what lives while a block runs, by its index; the blocks that train come last."""
        trained = index >= self.plan.arch.layers - self.plan.trained_blocks
        return self.block if trained else self.resting

    def kept(self, blocks: int) -> LiveTensors:
        """Return the activations that the first ``blocks`` blocks keep for their backward pass.

        With activations in host memory, only those of the block in use and of the next are on the
        GPU.
        """
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
        """Return the elements of the matrix that an operation multiplies by; 0 if there is none."""
        fused = operation == "loss" and self.plan.kernels.loss == "fused"
        if operation == "output layer" or fused:
            return self.plan.arch.vocab * self.plan.arch.hidden
        return next(
            (t.dims.full for t in self.plan.tensors
             if t.parameter.name == operation and t.parameter.columns > 1),
            0,
        )  # fmt: skip

    def weight_bytes(self, operation: str) -> float:
        """Return the bytes of that matrix as it is stored, which is what a product reads."""
        elements = self.matrix(operation)
        if operation in ("output layer", "loss") or not elements:
            return elements * self.plan.weight_bytes
        stored = self.plan.method.blocks.holdings[0]
        return elements * BITS[self.plan.dtype_of(stored)] / 8

    def dequantized_bytes(self, operation: str) -> float:
        """Return the bytes moved to make a float matrix of a quantized one before a product."""
        scratch = self.plan.method.blocks.weight_copies * self.plan.kernels.bytes
        if not scratch or operation in ("output layer", "loss"):
            return 0.0
        return self.weight_bytes(operation) + 2 * scratch * self.matrix(operation)

    def during(self, moment: Moment) -> LiveTensors:
        """Return what the block in work, or the loss, holds while an operation runs."""
        return self._part(
            [
                ("block in work: kept for backward", "activations: block in work", moment.saved, 1),
                ("block in work: in use", "activations: block in work", moment.working, 1),
            ]
        )

    def after(self, moment: Moment) -> LiveTensors:
        """Return what the block in work, or the loss, holds once an operation is done."""
        return self._part([("block in work", "activations: block in work", moment.after, 1)])

    def input(self) -> LiveTensors:
        """Return a block's input where nothing saves it: the program holds it meanwhile."""
        saved = not self.recomputes and any(s.name == "x" for s in self.block.saved)
        return self._part(
            [] if saved else [("input of a block", "activations: block in work", self.x, 1)]
        )

    def held_logits(self) -> LiveTensors:
        """Return the logits where the program keeps them through the backward pass."""
        k, arch = self.plan.kernels, self.plan.arch
        if not k.holds_logits or k.loss not in ("eager", "in-place"):
            return self._part([])
        size = k.bytes * arch.vocab * self.plan.tokens
        return self._part([("logits", "activations: logits", size, 1)])

    def checkpoint(self) -> LiveTensors:
        """Return the input of a block that is recomputed."""
        lines = [("x", "activations: checkpoints", self.x, 1)] if self.recomputes else []
        return self._part(lines)

    def output_gradient(self) -> LiveTensors:
        """Return the gradient of a block's result."""
        return self._part(
            [("gradient of a block's result", "activations: block in work", self.x, 1)]
        )

    def casts(self, blocks: int, *, head: bool = False) -> LiveTensors:
        """Return the copies of weights that autocast makes.

        Args:
            blocks: Number of blocks whose copies live.
            head: Whether that of the output layer lives, too.
        """
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
        """Return the autocast copies that are alive once the first ``blocks`` blocks have run.

        With checkpointing and frozen weights only the last block's are kept; else all of them are.
        """
        alone = self.recomputes and self.plan.method.blocks.trains_factors
        return self.casts(min(blocks, 1) if alone else blocks)

    def casts_loss(self, *, backward: bool) -> LiveTensors:
        """Return the autocast copies that are alive during the loss.

        Args:
            backward: Whether the loss runs backward: recomputed blocks have dropped theirs by then.
        """
        frozen = self.plan.method.blocks.trains_factors
        gone = self.recomputes and (backward or frozen)
        return self.casts(0 if gone else self.plan.arch.layers, head=True)

    def casts_backward(self, block: int) -> LiveTensors:
        """Return the autocast copies that are alive in the backward pass of a block."""
        return self.casts(1 if self.recomputes else block + 1)

    def gathered(self) -> LiveTensors:
        """Return sharded weights that are whole for a while: of this block and the next."""
        plan = self.plan
        if plan.shards["weights"] == 1:
            return self._part([])
        sizes = [(t.in_block, t.dims.full * plan.weight_bytes) for t in plan.tensors]
        block = sum(size for in_block, size in sizes if in_block)
        ends = [size for in_block, size in sizes if not in_block]
        return self._part([("gathered weights", "transients", most(2 * block, *ends), 1)])

    def _always(self) -> list[LiveTensors]:
        """Return what the model holds whenever it runs: mask, rotary angles, key cache."""
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
        """Make live tensors of lines: name, heading, bytes of one, and how many there are."""
        return LiveTensors(
            total(size * count for _, _, size, count in lines),
            lambda: [Entry(n, kind, "", size * count, count) for n, kind, size, count in lines],
        )


def _walked(what: str, *key: Any) -> tuple[tuple[Op, ...], Lifetimes]:
    """Return operations and what lives while they run.

    Answers for single runs are remembered, as advice asks for many runs that differ in little.
    """
    try:
        return _remembered(what, *key)
    except TypeError:  # arrays have no hash
        return _walk(what, *key)


@lru_cache(maxsize=256)
def _remembered(what: str, *key: Any) -> tuple[tuple[Op, ...], Lifetimes]:
    """Remember the answers of :func:`_walk`, whose arguments are then hashable: no arrays."""
    return _walk(what, *key)


def _walk(
    what: str, trained: Trained, arch: Architecture, kernels: Kernels, tokens: Size, sequence: Size
) -> tuple[tuple[Op, ...], Lifetimes]:
    """List the operations of a ``block``, a ``bare block`` or the ``loss``, and follow them."""
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
    """Return an operation that saves nothing, as no backward pass follows it."""
    return Op(makes=op.makes, reads=op.reads, bytes=op.bytes, passes=op.passes, scratch=op.scratch)
