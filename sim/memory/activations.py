"""Find the activations that blocks keep for the backward pass, and those of a running block."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from consilico.sim.memory.architecture import Architecture, Block, Parameter
from consilico.sim.memory.attention_operations import adds_to_bias, is_kernel
from consilico.sim.memory.autograd import Lifetimes, Moment, Op, walk
from consilico.sim.memory.chain import Kernels, Trained
from consilico.sim.memory.entries import BITS, Entry, LiveTensors, Size, is_zero, least, most, total
from consilico.sim.memory.operations import attention_weights, block_ops, logits_of, loss_ops
from consilico.sim.memory.tensor_plan import TensorPlan

__all__ = ["Activations", "BlockActivations"]


@dataclass(frozen=True)
class BlockActivations:
    """A kind of block, followed once: its operations, and what lives while they run."""

    ops: tuple[Op, ...]
    lives: Lifetimes
    forward: tuple[Moment, ...]  # nothing is saved where it runs again later
    again: tuple[Moment, ...]  # of a recomputed block, as it runs again
    keeps: dict[str, tuple[str, Size]]  # by a recomputed block: headings in the ledger, bytes

    @property
    def kept_bytes(self) -> Size:
        """Return the bytes that the block keeps if it is recomputed."""
        return total(size for _, size in self.keeps.values())


class Activations:
    """The operations of the blocks and of the loss, followed once, and the live tensors they give.

    Attributes:
        blocks: By kind of block, what lives in one that trains and in one that is not sampled.
        first: What lives in the first block where its input differs from that of the others: it
            needs no gradient, or is of another type; else None.
        loss: What lives while ``loss_ops`` runs.
        logits: Names of the operations of the loss up to the logits.
        always: What the model holds whenever it runs.
    """

    def __init__(self, plan: TensorPlan) -> None:
        run, arch, k = plan.run, plan.arch, plan.kernels
        self.plan = plan
        self.recomputes = run.checkpointing != "none"
        self.x: Size = k.residual_bytes * arch.hidden * plan.tokens
        some_rest = plan.trained_blocks < arch.layers
        self.blocks: list[tuple[BlockActivations, BlockActivations]] = []
        for block in arch.kinds:
            trained = self._followed(block, plan.block_trained())
            rests = self._followed(block, plan.block_trained(frozen=True)) if some_rest else trained
            self.blocks.append((trained, rests))
        self.first: BlockActivations | None = None
        # transformers 5 makes the embeddings' result need a gradient wherever blocks run again
        # (modeling_utils.py, activation_checkpointing_enable)
        constant = not plan.embedding_trains and not self.recomputes
        if not some_rest and constant:
            self.first = self._followed(arch.block_of(0), plan.block_trained(), "first block")
        if run.kbit_cast and self.recomputes and not some_rest:
            # the embeddings' result is bfloat16, what the first block adds to it is float32
            first = self.first or self.blocks[arch.pattern[0]][0]
            kind, size = first.keeps["x"]
            self.first = replace(first, keeps={**first.keeps, "x": (kind, size // 2)})
        self.loss_ops, self.loss = _walked(
            "loss", plan.loss_trained(), arch, None, k, plan.tokens, plan.sequence
        )
        upcast = {"logits, float32", "logits, shifted", "log-probabilities", "loss"}
        self.logits = {m.op for m in self.loss.forward} - upcast  # operations up to the logits
        self.always = tuple(self._always())

    def _followed(self, block: Block, trained: Trained, what: str = "block") -> BlockActivations:
        """Return what lives while a block runs whose parameters are trained in a certain way."""
        plan = self.plan
        step = (trained, plan.arch, block, plan.kernels, plan.tokens, plan.sequence)
        ops, lives = _walked("block again" if self.recomputes else what, *step)
        keeps = self._keeps(ops, block, trained)
        forward = lives.forward
        if len(keeps) > 1:
            forward = walk([op.keeping(keeps) for op in ops], "x", self.x).forward
        elif self.recomputes or plan.method.forward_only:
            forward = _walked("bare block", *step)[1].forward
        return BlockActivations(ops, lives, forward, self._again(ops, lives), keeps)

    def _again(self, ops: Sequence[Op], lives: Lifetimes) -> tuple[Moment, ...]:
        """Return the moments of a block that runs again for its backward pass.

        A reentrant checkpoint runs all of it. Others stop once the last tensor is saved that the
        backward pass wants (torch.utils.checkpoint, ``early_stop``): before the operation runs that
        saves it, unless it is the result.
        """
        saving = [index for index, op in enumerate(ops) if op.asks]
        if self.plan.run.checkpointing == "reentrant" or not saving:
            return lives.forward
        *before, moment = lives.forward[: saving[-1] + 1]
        op = ops[saving[-1]]
        if op.makes not in op.saves:
            moment = replace(moment, working=moment.working - op.bytes - op.scratch)
        return (*before, moment)

    def _keeps(
        self, ops: Sequence[Op], block: Block, trained: Trained
    ) -> dict[str, tuple[str, Size]]:
        """Return what a recomputed block keeps by name: its heading in the ledger, and bytes.

        It keeps its input; with selective checkpointing also the results of its matrix products,
        but for those that add something to another tensor (``baddbmm``).
        """
        kept = {"x": ("activations: checkpoints", self.x)}
        if self.plan.run.checkpointing == "selective":
            size = {op.makes: op for op in ops}
            names = {p.name for p in self.plan.arch.parameters() if p.columns > 1}
            names.add("weighted values")
            if not adds_to_bias(block.attention):
                names.add("scores")
            if is_kernel(self.plan.kernels, block.attention):
                names.add("attended")
            for name in trained.adapted:
                names |= {f"{name} adapter", f"{name} adapter, low rank"}
            for name in sorted(names & set(size)):
                kept[name] = ("activations: checkpoints", size[name].bytes)
                for extra, more in size[name].extra:
                    kept[extra] = ("activations: checkpoints", more)
        return kept

    def of(self, index: int) -> BlockActivations:
        """Return what lives while a block runs, by its index; the blocks that train come last."""
        if index == 0 and self.first is not None:
            return self.first
        trained, rests = self.blocks[self.plan.arch.pattern[index]]
        return trained if index >= self.plan.arch.layers - self.plan.trained_blocks else rests

    def groups(self, blocks: int | None = None) -> list[tuple[BlockActivations, int]]:
        """Return the blocks that are alike, and how many there are among the first ``blocks``."""
        arch = self.plan.arch
        resting = arch.layers - self.plan.trained_blocks
        pattern = arch.pattern if blocks is None else arch.pattern[:blocks]
        apart: list[tuple[BlockActivations, int]] = []
        if self.first is not None and pattern:
            apart, pattern = [(self.first, 1)], pattern[1:]
        counts = (Counter(pattern[resting:]), Counter(pattern[:resting]))
        return apart + [
            (alike, count)
            for which, counted in enumerate(counts)
            for kind, both in enumerate(self.blocks)
            if (count := counted[kind])
            for alike in (both[which],)
        ]

    def kept_by(self, block: BlockActivations) -> Size:
        """Return the bytes that stay on the GPU from a block's forward pass to its backward one."""
        if self.plan.method.forward_only or self.plan.run.offload in ("activations", "both"):
            return 0
        return block.kept_bytes if self.recomputes else block.lives.saved_bytes

    def kept(self, blocks: int) -> LiveTensors:
        """Return the activations that the first ``blocks`` blocks keep for their backward pass.

        With activations in host memory, only those of the block in use and of the next are on the
        GPU.
        """
        if self.plan.method.forward_only:
            return self._part([])
        first = 0
        if self.plan.run.offload in ("activations", "both"):
            first = max(0, blocks - 2)  # those of the blocks before are in host memory
        lines: list[tuple[str, str, Size, int]] = []
        for block, count in self.groups(blocks):
            before = sum(n for other, n in self.groups(first) if other is block) if first else 0
            if count == before:
                continue
            if self.recomputes:
                lines += [(n, kind, s, count - before) for n, (kind, s) in block.keeps.items()]
            else:
                lines += [(s.name, s.kind, s.bytes, count - before) for s in block.lives.saved]
        return self._part(lines)

    def matrix(self, operation: str) -> int:
        """Return the elements that an operation multiplies each token by; 0 if it is no product.

        Of a stack of experts they are those of the experts that a token meets.
        """
        fused = operation == "loss" and self.plan.kernels.loss in ("fused", "liger", "cut")
        if operation == "output layer" or fused:
            return self.plan.arch.vocab * self.plan.arch.hidden
        found = self._parameter(operation)
        return 0 if found is None else found.rows * found.columns * found.used

    def _parameter(self, operation: str) -> Parameter | None:
        """Return the matrices that an operation multiplies by; None if it is no product."""
        matrices = (t.parameter for t in self.plan.tensors if t.parameter.columns > 1)
        return next((p for p in matrices if p.name == operation), None)

    def weight_bytes(self, operation: str) -> float:
        """Return the bytes of that matrix as it is stored, which is what a product reads."""
        if operation in ("output layer", "loss"):
            return self.matrix(operation) * self.plan.weight_bytes
        found = self._parameter(operation)
        stored = self.plan.method.blocks.holdings[0]
        return 0.0 if found is None else found.elements * BITS[self.plan.dtype_of(stored)] / 8

    def dequantized_bytes(self, operation: str) -> float:
        """Return the bytes moved to make a float matrix of a quantized one before a product."""
        scratch = self.plan.method.blocks.weight_copies * self.plan.kernels.product_bytes
        if not scratch or operation in ("output layer", "loss"):
            return 0.0
        found = self._parameter(operation)
        elements = 0 if found is None else found.elements
        return self.weight_bytes(operation) + 2 * scratch * elements

    def during(self, moment: Moment) -> LiveTensors:
        """Return what the block in work, or the loss, holds while an operation runs."""
        kind, name = "activations: block in work", "block in work: {}".format
        return LiveTensors(
            moment.saved + moment.working,
            lambda: [
                Entry(name("kept for backward"), kind, "", moment.saved, 1),
                Entry(name("in use"), kind, "", moment.working, 1),
            ],
        )

    def after(self, moment: Moment) -> LiveTensors:
        """Return what the block in work, or the loss, holds once an operation is done."""
        return self._part([("block in work", "activations: block in work", moment.after, 1)])

    def input(self, block: int) -> LiveTensors:
        """Return a block's input where nothing saves it: the program holds it meanwhile."""
        saved = not self.recomputes and self._saves_input(block)
        return self._part(
            [] if saved else [("input of a block", "activations: block in work", self.x, 1)]
        )

    def embedded(self, block: int) -> LiveTensors:
        """Return the embeddings' result where nothing but the program holds it any more.

        Models have a name for it, as it was before they changed it, until all blocks have run, and
        one for what they looked up for the positions of a sequence.
        """
        arch = self.plan.arch
        size: Size
        if arch.changes_embedding:
            size = 0 if self._keeps_embedding else self._embedding_bytes
            if arch.positions:
                size = size + self.plan.kernels.residual_bytes * arch.hidden * self.plan.sequence
        else:
            kept = self.recomputes or self._saves_input(0)
            size = 0 if kept or block == 0 else self.x
        line = ("embedding", "activations: embedding", size, 1)
        return self._part([] if is_zero(size) else [line])

    def answered(self, block: int) -> LiveTensors:
        """Return what the block before handed back beside its result, where programs keep that."""
        if not block or not self.plan.arch.block_of(block - 1).keeps_answer:
            return self._part([])
        before = self.of(block - 1)
        weights = attention_weights(before.ops)
        saved = before.keeps if self.recomputes else {s.name for s in before.lives.saved}
        if weights is None or weights.makes in saved:
            return self._part([])
        return self._part([("attention weights", "activations: attention", weights.bytes, 1)])

    def held_logits(self) -> LiveTensors:
        """Return the logits where the program keeps them through the backward pass."""
        k, arch = self.plan.kernels, self.plan.arch
        if not k.holds_logits or k.loss not in ("eager", "in-place"):
            return self._part([])
        size = k.float_bytes * arch.vocab * self.plan.tokens
        return self._part([("logits", "activations: logits", size, 1)])

    def checkpoint(self, block: int) -> LiveTensors:
        """Return the input of a block that is recomputed, unless the block itself saves it.

        It does where the residual stream is float32: a norm then has no copy of it to save.
        """
        lines = [("x", "activations: checkpoints", self.x, 1)]
        return self._part(lines if self.recomputes and not self._saves_input(block) else [])

    def _saves_input(self, block: int) -> bool:
        """Tell whether operations of a block save the tensor that is its input."""
        return any(saved.name == "x" for saved in self.of(block).lives.saved)

    def finished(self, blocks: int) -> LiveTensors:
        """Return what stays of the blocks that have run backward, until all of them have.

        That is something only where FSDP has sharded frozen weights and the checkpoint around a
        block is reentrant: for each block FSDP waits for the gradient of its input, to reshard the
        weights (``_register_post_backward_reshard_only_hook``, torch/distributed/fsdp). The input
        is a leaf there, the hook of ``register_multi_grad_hook`` holds the node that accumulates
        its gradient, and the node holds the input and the gradient: a cycle, which FSDP breaks
        when it removes its hooks at the end of the backward pass.
        """
        if not self._held_by_fsdp:
            return self._part([])
        heading = "activations: checkpoints"
        return self._part(
            [
                ("x", heading, self.x, blocks),
                ("gradient of x, held by FSDP", heading, self.x, max(blocks - 1, 0)),
            ]
        )

    @property
    def _held_by_fsdp(self) -> bool:
        """Tell whether FSDP's hooks hold the inputs of blocks that have run backward."""
        run, method = self.plan.run, self.plan.method
        frozen = method.blocks.trains_factors
        return run.sharding == "fsdp" and run.checkpointing == "reentrant" and frozen

    def result(self) -> LiveTensors:
        """Return the result of a block that is computed again, where its backward pass holds it.

        PyTorch's reentrant checkpoint does (``CheckpointFunction.backward``).
        """
        held = self.plan.run.checkpointing == "reentrant"
        line = ("result of a block, computed again", "activations: block in work", self.x, 1)
        return self._part([line] if held else [])

    def output_gradient(self, block: int) -> LiveTensors:
        """Return the gradients that live while a block is computed again.

        A reentrant checkpoint computes first. Others do so where the backward pass first wants a
        saved tensor: the gradients of the operations after it are there by then.
        """
        reentrant = self.plan.run.checkpointing == "reentrant"
        size = self.x if reentrant else self.of(block).lives.unsaved
        return self._part([("gradient of a block's result", "activations: block in work", size, 1)])

    def weight_copies(self, blocks: int) -> LiveTensors:
        """Return the copies of weights that autocast keeps once ``blocks`` blocks have run forward.

        It keeps those of float32 weights that train, adapters among them, until the forward pass is
        over. Where blocks are not recomputed, their operations keep the same copies.
        """
        plan, k = self.plan, self.plan.kernels
        if not (self.recomputes and k.autocast):
            return self._part([])
        sizes: list[Size] = [0] * len(self.blocks)
        if plan.method.blocks.trains_factors:
            name = "blocks: autocast copies of adapters"
            if plan.adapter == "float32":
                sizes = [plan.block_gradient_bytes(kind) // 2 for kind in range(len(sizes))]
        elif k.copies:
            name = "blocks: autocast copies of weights"
            sizes = [2 * plan.arch.matrix_elements(kind) for kind in range(len(sizes))]
        counts = Counter(plan.arch.pattern[:blocks])
        return self._part(
            [(name, "transients", sizes[kind], n) for kind, n in counts.items() if sizes[kind]]
        )

    def gathered(self, blocks: int) -> LiveTensors:
        """Return sharded weights that are whole for a while.

        FSDP gathers what is outside the blocks with the first of it, and keeps it to the end of the
        backward pass (torch/distributed/fsdp, ``_post_forward_reshard``: not of the root). ZeRO-3
        gathers a parameter at a time, and the next one of a block's size meanwhile.

        Args:
            blocks: Whole blocks that FSDP has gathered at the time.
        """
        plan = self.plan
        if plan.shards["weights"] == 1:
            return self._part([])
        sizes = [(t.parameter.kinds, plan.stored_bytes(t)) for t in plan.tensors]
        every_kind = range(len(self.blocks))
        each = max(sum(size for kinds, size in sizes if kind in kinds) for kind in every_kind)
        ends = [size for kinds, size in sizes if not kinds]
        fsdp = plan.run.sharding == "fsdp"
        size: Size = blocks * each + total(ends) if fsdp else most(2 * each, *ends)
        return self._part([("gathered weights", "transients", size, 1)])

    @property
    def gathered_backward(self) -> int:
        """Return the blocks that FSDP has gathered while one runs backward.

        It gathers the next one meanwhile. Adapters are units of their own between the blocks, so
        that with them the next block comes only when the first adapter of this one is done.
        """
        return 1 if self.plan.method.blocks.trains_factors else 2

    def mask(self) -> LiveTensors:
        """Return the mask of scores, where only the forward pass holds it.

        Nothing is saved of one that is added; blocks that are computed again hold it as their
        argument. One that decides where scores are replaced is saved.
        """
        return self._part([] if self.recomputes or self._replaces_scores else self._mask())

    @property
    def _replaces_scores(self) -> bool:
        """Tell whether a mask of booleans says where scores are replaced (``masked_fill``)."""
        return any(block.attention.scores == "biased" for block in self.plan.arch.kinds)

    def _mask(self) -> list[tuple[str, str, Size, int]]:
        """Return the lines of the masks of scores, one for each kind of window."""
        k, plan = self.plan.kernels, self.plan
        parts = [block.attention for block in plan.arch.kinds]
        # the families' own code adds numbers; kernels are handed booleans, and convert them
        own = k.attention == "eager" or any(part.held == "own" for part in parts)
        added = own and not self._replaces_scores
        if not own and k.attention != "masked" and not any(part.masked for part in parts):
            return []
        size = (k.residual_bytes if added else 1) * plan.tokens * plan.sequence
        masks = len({part.window for part in parts})
        return [("attention mask", "activations: attention", size, masks)]

    def _always(self) -> list[LiveTensors]:
        """Return what the model holds whenever it runs: mask, rotary angles, key cache."""
        plan, arch, k = self.plan, self.plan.arch, self.plan.kernels
        lines: list[tuple[str, str, Size, int]] = []
        parts = [block.attention for block in arch.kinds]
        if self.recomputes or self._replaces_scores:
            lines += self._mask()
        # where blocks make angles of their own, those of the model live on only to run blocks again
        shared = [part for part in parts if self.recomputes or not part.angles.startswith("own")]
        if rotary := max((part.rotary for part in shared), default=0):
            embedded = 2 if plan.run.kbit_cast else k.residual_bytes  # the embeddings' result
            wide = any(part.angles.endswith("float32") for part in shared)
            size = 2 * (4 if wide else embedded) * rotary * plan.sequence
            lines.append(("rotary angles", "activations: attention", size, arch.angles))
        if plan.run.packed > 1:  # where each text begins, and each token's place in its own
            size = 8 * plan.tokens + 4 * (plan.run.packed * plan.tokens // plan.sequence + 1)
            lines.append(("positions of packed texts", "activations: attention", size, 1))
        if arch.embedding_norm and plan.embedding_trains and not plan.method.forward_only:
            lines.append(("embedding, before its norm", "activations: norm", self.x, 1))
        if self._keeps_embedding:
            size = self._embedding_bytes
            lines.append(("embedding, unchanged", "activations: embedding", size, 1))
        if "embedding" in plan.run.adapted:
            size = BITS[plan.adapter] // 8 * plan.rank * plan.tokens
            lines.append(("embedding adapter, low rank", "activations: adapters", size, 1))
        if plan.method.forward_only:
            size = total(
                part.kv_cache_elements
                * k.bytes
                * _seen(part.window, plan.tokens, plan.sequence)
                * count
                for kind, part in enumerate(parts)
                for count in (arch.pattern.count(kind),)
            )
            lines.append(("key and value cache", "key and value cache", size, 1))
        return [self._part(lines)]

    @property
    def _keeps_embedding(self) -> bool:
        """Tell whether the embeddings' result, unchanged, is a leaf of autograd's graph.

        It lives as long as the graph then.
        """
        changes = self.plan.arch.changes_embedding
        return changes and self.recomputes and not self.plan.embedding_trains

    @property
    def _embedding_bytes(self) -> Size:
        """Return the bytes of the embeddings' result before anything is done to it."""
        width = self.plan.arch.embedding_width or self.plan.arch.hidden
        return self.plan.kernels.residual_bytes * width * self.plan.tokens

    def _part(self, lines: list[tuple[str, str, Size, int]]) -> LiveTensors:
        """Make live tensors of lines: name, heading, bytes of one, and how many there are."""
        return LiveTensors(
            total(size * count for _, _, size, count in lines),
            lambda: [Entry(n, kind, "", size * count, count) for n, kind, size, count in lines],
        )


def _seen(window: int, tokens: Size, sequence: Size) -> Size:
    """Return the tokens whose keys a cache keeps: of each sequence, as many as a window has."""
    return tokens if not window else tokens * least(window, sequence) // sequence


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
    what: str,
    trained: Trained,
    arch: Architecture,
    block: Block | None,
    kernels: Kernels,
    tokens: Size,
    sequence: Size,
) -> tuple[tuple[Op, ...], Lifetimes]:
    """List the operations of a block or of the loss, and follow them.

    ``what`` is ``block``; ``first block``, whose input needs no gradient; ``block again``, which
    runs again for its backward pass; ``bare block``, which saves nothing; or ``loss``.
    """
    entry = kernels.residual_bytes * arch.hidden * tokens
    if block is None:
        ops = tuple(loss_ops(arch, kernels, trained, tokens))
        held = (logits_of(arch),) if kernels.loss == "eager" else ()
        return ops, walk(ops, "x", entry, held, held_backward=kernels.holds_logits)
    ops = tuple(block_ops(arch, block, kernels, trained, tokens, sequence))
    if what == "bare block":
        ops = tuple(op.unsaved() for op in ops)
    return ops, walk(ops, "x", entry, leaf=what == "first block", again=what == "block again")
