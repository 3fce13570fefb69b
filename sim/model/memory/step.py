"""The stages of a training step, and what lives in each beside the persistent tensors."""

from collections.abc import Iterable, Iterator

from sim.model.memory.activations import Activations
from sim.model.memory.graph import Moment
from sim.model.memory.holdings import Entry, Plan, Tensor
from sim.model.memory.sizes import Size, total
from sim.model.memory.stage import Part, Stage

__all__ = ["stages"]


def stages(plan: Plan, *, every_block: bool = False) -> Iterator[Stage]:
    """The stages of a step in their order, from the second step on, when all states are there.

    Args:
        plan: The run.
        every_block: Go through all blocks. Else only those where a peak can be: what blocks keep
            and the gradients they leave change by the same amount from one to the next.
    """
    return _Step(plan, every_block).stages()


class _Step:
    def __init__(self, plan: Plan, every_block: bool) -> None:
        self.plan = plan
        self.act = Activations(plan)
        layers = plan.arch.layers
        edges = {0, layers - plan.trained_blocks, layers - 1}
        self.blocks = range(layers) if every_block else sorted(edges - {layers})
        self.per_layer = plan.run.per_layer or plan.method.per_layer
        self.tensors = {t.parameter.name: t for t in plan.tensors}
        if plan.arch.tied:
            self.tensors["output layer"] = self.tensors["embedding"]

    def stages(self) -> Iterator[Stage]:
        layers = self.plan.arch.layers
        for block in self.blocks:
            for moment in self.act.forward:
                yield self._stage(
                    "forward", f"forward, block {block + 1} of {layers}: {moment.op}",
                    self.act.before(block), self.act.during(moment), self.act.input(),
                    self.act.casts_forward(block + 1),
                )  # fmt: skip
        for moment in self.act.loss.forward:
            if self.plan.method.forward_only and moment.op not in self.act.logits:
                continue
            yield self._stage(
                "loss", f"loss: {moment.op}", self.act.kept(layers), self.act.during(moment),
                self.act.casts_loss(backward=False),
            )  # fmt: skip
        if self.plan.method.forward_only:
            return
        yield from self._backward()
        if not self.per_layer:
            yield self._stage(
                "update", "update of all parameters", self._gradients(layers, self.tensors),
                _transient("update", self.plan.step_transient()),
            )  # fmt: skip
            worst = max((t.renewal for t in self.plan.tensors), key=_sortable)
            if not _zero(worst):
                yield self._stage(
                    "new subspace", "update with a new subspace",
                    self._gradients(layers, self.tensors), _transient("new subspace", worst),
                )  # fmt: skip

    def _backward(self) -> Iterator[Stage]:
        layers = self.plan.arch.layers
        done: list[str] = []  # parameters outside the blocks whose gradients are there
        for moment in self.act.loss.backward:
            base = (self.act.kept(layers), self.act.casts_loss(backward=True))
            yield from self._moment("loss, backward", moment, base, 0, done)
        for block in reversed(self.blocks):
            above = layers - 1 - block
            base = (self.act.kept(block + self.act.recomputes), self.act.casts_backward(block))
            label = f"backward, block {block + 1} of {layers}"
            if self.act.recomputes:
                for moment in self.act.block.forward:
                    yield self._stage(
                        "backward", f"{label}, recomputed: {moment.op}", *base,
                        self.act.during(moment), self.act.output_gradient(),
                        self._gradients(above, done),
                    )  # fmt: skip
            inside = list(done)
            for moment in self.act.block_of(block).backward:
                yield from self._moment(label, moment, base, above, inside)
        embedding = self.tensors["embedding"]
        if not _zero(embedding.gradient):
            twice = embedding.gradient if self.plan.arch.tied else 0
            moment = Moment(
                op="embedding", saved=0, working=self.act.x, after=0, parameter="embedding"
            )
            extra = (_transient("gradient to be added to another", twice),)
            yield from self._moment("backward", moment, extra, layers, done)

    def _moment(
        self, label: str, moment: Moment, base: tuple[Part, ...], above: int, done: list[str]
    ) -> Iterator[Stage]:
        """An operation's backward step, and the update that follows where updates are fused.

        Adds the operation's parameter to ``done`` unless its gradient is freed at once.
        """
        tensor = self.tensors.get(moment.parameter)
        own = () if tensor is None or _zero(tensor.gradient) else (moment.parameter,)
        label = f"{label}: {moment.op}"
        phase = "loss" if label.startswith("loss") else "backward"
        gradients = self._gradients(above, done, own)
        yield self._stage(phase, label, *base, self.act.during(moment), gradients)
        if not own or tensor is None:
            return
        if not self.per_layer:
            done.extend(own)
            return
        after = self.act.during(moment) if self.plan.method.inside else self.act.after(moment)
        for name, size in (("update", tensor.update), ("new subspace", tensor.renewal)):
            if not _zero(size):
                yield self._stage(
                    name, f"{label}, {name}", *base, after, gradients, _transient(name, size)
                )

    def _gradients(self, blocks: int, outside: Iterable[str], fresh: tuple[str, ...] = ()) -> Part:
        """Those of so many whole blocks and of single parameters.

        Where gradients live on from the step before they are among the persistent tensors: only
        a fresh one, before it is added to the old one, is more.
        """
        plan = self.plan
        blocks = min(blocks, plan.trained_blocks)
        shards = plan.shards["gradients"]
        counts: dict[str, int] = dict.fromkeys(fresh, 1)
        whole = not (plan.keeps_gradients or self.per_layer)
        if whole:
            for t in plan.tensors:
                if t.in_block and blocks:
                    name = t.parameter.name
                    counts[name] = counts.get(name, 0) + blocks
            for name in outside:
                counts[name] = counts.get(name, 0) + 1
        held = [
            (self.tensors[name], self.tensors[name].gradient, count)
            for name, count in counts.items()
            if not _zero(self.tensors[name].gradient)
        ]
        kept = self.plan.method.kept_gradients

        def size(t: Tensor, gradient: Size, count: int) -> Size:
            if t.parameter.role in kept and count == 1 and t.parameter.name not in fresh:
                return 0
            return gradient * count // shards

        def entries() -> list[Entry]:
            return [
                Entry(f"{t.family}: gradient", "gradients", plan.weight, size(t, g, n), n)
                for t, g, n in held
            ]

        return Part(total(size(*item) for item in held), entries)

    def _stage(self, phase: str, label: str, *parts: Part) -> Stage:
        parts = (*parts, *self.act.always)
        return Stage(phase, label, self.plan.fixed + total(p.bytes for p in parts), parts)


def _transient(name: str, size: Size) -> Part:
    return Part(size, lambda: [Entry(name, "transients", "", size, 1)])


def _zero(size: Size) -> bool:
    return isinstance(size, int | float) and size == 0


def _sortable(size: Size) -> float:
    return float(size if isinstance(size, int | float) else size.max())
