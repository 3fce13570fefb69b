"""Find the moments of a training step, and the tensors that live at each next to the persistent."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from consilico.sim.memory.activations import Activations
from consilico.sim.memory.autograd import Moment
from consilico.sim.memory.entries import Entry, LiveTensors, Size, Stage, is_zero, total
from consilico.sim.memory.tensor_plan import TensorPlan

__all__ = ["stages"]


def stages(
    plan: TensorPlan, act: Activations | None = None, *, every_block: bool = False
) -> Iterator[Stage]:
    """Yield the moments of a step in their order, from the second step on, when all states exist.

    Args:
        plan: The run.
        act: Its activations, if they are known already.
        every_block: Go through all blocks. Otherwise only through those where a peak can be: what
            blocks keep and the gradients they leave change by the same amount from one to the next.
    """
    return _Step(plan, act or Activations(plan), every_block).stages()


class _Step:
    """The walk through one step."""

    def __init__(self, plan: TensorPlan, act: Activations, every_block: bool) -> None:
        self.plan = plan
        self.act = act
        self.every_block = every_block
        self.per_layer = plan.run.per_layer or plan.method.per_layer
        self.tensors = {t.parameter.name: t for t in plan.tensors}
        self.alone = [t.parameter.name for t in plan.tensors if not t.in_block and t.trains]
        self.in_block = [t.parameter.name for t in plan.tensors if t.in_block and t.trains]
        if plan.arch.tied:
            self.tensors["output layer"] = self.tensors["embedding"]
        self.known: dict[object, LiveTensors] = {}
        self.running = LiveTensors.joined(*self.act.always)

    def stages(self) -> Iterator[Stage]:
        """Yield the moments of loading, forward pass, loss and backward pass, and of an update."""
        if not is_zero(beyond := self.plan.loading_bytes()):
            label = "loading: weights before they are as they stay"
            yield self._stage("loading", label, _transient(label, beyond), whole=False)
        layers, pattern = self.plan.arch.layers, self.plan.arch.pattern
        # later blocks of a kind have more kept before them
        last = {kind: block for block, kind in enumerate(pattern)}
        for block in range(layers) if self.every_block else sorted(last.values()):
            base = LiveTensors.joined(
                self.act.kept(block), self.act.input(block), self.act.embedded(block),
                self.act.answered(block), self.act.weight_copies(block), self.act.mask(),
                self.act.gathered(1),
            )  # fmt: skip
            for moment in self._telling(self.act.of(block).forward):
                label = f"forward, block {block + 1} of {layers}: {moment.op}"
                yield self._stage("forward", label, base, self.act.during(moment))
        kept = LiveTensors.joined(
            self.act.kept(layers), self.act.weight_copies(layers), self.act.gathered(0)
        )
        for moment in self.act.loss.forward:
            if not self.plan.method.forward_only or moment.op in self.act.logits:
                yield self._stage("loss", f"loss: {moment.op}", kept, self.act.during(moment))
        if self.plan.method.forward_only:
            return
        yield from self._backward()
        if not self.per_layer:
            gradients = self._gradients(layers, [] if self.plan.keeps_gradients else self.alone)
            renewal = max((t.renewal for t in self.plan.tensors), key=_sortable)
            for name, size in (("update", self.plan.step_transient()), ("new subspace", renewal)):
                if name == "update" or not is_zero(size):
                    label = f"{name}, all parameters"
                    yield self._stage(
                        "update", label, gradients, _transient(name, size), whole=False
                    )

    def _backward(self) -> Iterator[Stage]:
        """Yield the moments of the backward pass, with the updates that are fused into it."""
        layers = self.plan.arch.layers
        waiting: list[str] = []  # parameters outside the blocks whose gradients are there
        kept = LiveTensors.joined(self.act.kept(layers), self.act.gathered(1))
        for moment in self.act.loss.backward:
            yield from self._moment("loss, backward", moment, kept, 0, waiting)
        for block in reversed(range(layers) if self.every_block else self._peaks()):
            above = layers - 1 - block
            base = LiveTensors.joined(
                self.act.kept(block), self.act.checkpoint(block),
                self.act.held_logits(), self.act.finished(above),
                self.act.gathered(self.act.gathered_backward),
            )  # fmt: skip
            label = f"backward, block {block + 1} of {layers}"
            inside = list(waiting)
            if self.act.recomputes:
                there = LiveTensors.joined(
                    base, self.act.output_gradient(block), self._gradients(above, inside)
                )
                for moment in self._telling(self.act.of(block).again):
                    yield self._stage(
                        "backward", f"{label}, again forward: {moment.op}", there,
                        self.act.during(moment),
                    )  # fmt: skip
            held = LiveTensors.joined(base, self.act.result())
            for moment in self._telling(self.act.of(block).lives.backward):
                yield from self._moment(label, moment, held, above, inside)
        if self.tensors["embedding"].trains:
            moment = Moment(op="embedding", saved=0, working=self.act.x, parameter="embedding")
            last = LiveTensors.joined(self.act.held_logits(), self.act.gathered(0))
            yield from self._moment("backward", moment, last, layers, waiting)

    def _peaks(self) -> list[int]:
        """Return the blocks where a peak of the backward pass can be.

        What blocks keep and the gradients they leave change by the same amount from one block to
        the next of its kind, but for the edge of those that are trained. Where kinds alternate, the
        block of each kind counts that has most next to it.
        """
        arch, resting = self.plan.arch, self.plan.arch.layers - self.plan.trained_blocks
        found = {0, max(resting - 1, 0), resting, arch.layers - 1}
        if len(arch.kinds) > 1:
            grow = not (self.plan.keeps_gradients or self.per_layer)
            blocks = [self.act.of(index) for index in range(arch.layers)]
            gradients = [self.plan.block_gradient_bytes(kind) * grow for kind in arch.pattern]
            gradients[:resting] = [0] * resting
            alike: dict[int, list[int]] = {}
            held: list[Size] = []
            size: Size = total(gradients)
            for index, block in enumerate(blocks):
                alike.setdefault(id(block), []).append(index)
                size = size - gradients[index]
                held.append(size)
                size = size + self.act.kept_by(block)
            for indices in alike.values():
                sizes = np.stack(np.broadcast_arrays(*(held[index] for index in indices)))
                found |= {indices[int(place)] for place in np.unique(sizes.argmax(axis=0))}
        return sorted(found)

    def _telling(self, moments: Sequence[Moment]) -> Sequence[Moment]:
        """Return the moments that a peak can be at.

        They are those that make a gradient, and between two of them the one that holds most.
        """
        if any(isinstance(m.saved + m.working, np.ndarray) for m in moments):
            return moments
        found: list[Moment] = []
        between: list[Moment] = []
        for moment in moments:
            if moment.parameter in self.tensors:
                found.extend(between)
                found.append(moment)
                between = []
            elif not between or moment.saved + moment.working > (
                between[0].saved + between[0].working
            ):
                between = [moment]
        return [*found, *between]

    def _moment(
        self,
        label: str,
        moment: Moment,
        base: LiveTensors,
        above: int,
        waiting: list[str],
    ) -> Iterator[Stage]:
        """Yield an operation's backward step, and the update that follows where updates are fused.

        Adds the operation's parameter to ``waiting`` unless its gradient is gone afterwards.
        """
        tensor = self.tensors.get(moment.parameter)
        own = (moment.parameter,) if tensor is not None and tensor.trains else ()
        phase = "loss" if label.startswith("loss") else "backward"
        label = f"{label}: {moment.op}"
        gradients = self._gradients(above, waiting, own)
        if own and not is_zero(moment.copied) and tensor and not tensor.treatment.trains_factors:
            # a gradient of autocast's copy, which is converted once the operation is done
            there = LiveTensors.joined(base, _transient("gradient of a copy", moment.copied))
            before = self._gradients(above, waiting)
            yield self._stage(phase, label, there, self.act.during(moment), before)
            yield self._stage(phase, label, there, self.act.after(moment), gradients)
        else:
            yield self._stage(phase, label, base, self.act.during(moment), gradients)
        if not own or tensor is None:
            return
        if self.plan.arch.tied and moment.parameter == "output layer":
            waiting.extend(own)  # complete only with that of the embedding
        elif not self.per_layer:
            if not self.plan.keeps_gradients:
                waiting.extend(own)
        else:
            after = self.act.during(moment) if self.plan.method.inside else self.act.after(moment)
            for name, size in (("update", tensor.update), ("new subspace", tensor.renewal)):
                if not is_zero(size):
                    parts = (base, after, gradients, _transient(name, size))
                    yield self._stage(name, f"{label}, {name}", *parts)

    def _gradients(
        self, blocks: int, single: list[str], fresh: tuple[str, ...] = ()
    ) -> LiveTensors:
        """Return the gradients of ``blocks`` whole blocks and of single parameters.

        The one named in ``fresh`` has just been made. Gradients that live on from the step before
        are among the persistent tensors.
        """
        key = (blocks, tuple(single))
        if key not in self.known:
            self.known[key] = self._make_gradients(blocks, single)
        part = self.known[key]
        if not fresh:
            return part
        (line,) = [self._fresh(name) for name in fresh]
        return LiveTensors(part.bytes + line.bytes, lambda: [*part.entries(), line])

    def _make_gradients(self, blocks: int, single: list[str]) -> LiveTensors:
        """Return the gradients of ``blocks`` blocks and of single parameters, made anew."""
        counts = Counter(single)
        if not (self.plan.keeps_gradients or self.per_layer):
            last = min(blocks, self.plan.trained_blocks)
            for name in self.in_block:
                counts[name] += self.plan.arch.blocks_with(self.tensors[name].parameter, last)
        there = [
            (name, count)
            for name, count in counts.items()
            if count and self.tensors[name].parameter.role not in self.plan.method.kept_gradients
        ]
        size = total(self._size(name, count) for name, count in there)
        return LiveTensors(size, lambda: [self._line(name, count) for name, count in there])

    def _size(self, name: str, count: int) -> Size:
        """Return the bytes of ``count`` gradients of a parameter, of one GPU's part of them."""
        return self.plan.kept_gradient(self.tensors[name], count)

    def _line(self, name: str, count: int) -> Entry:
        """Return the entry of ``count`` gradients of a parameter."""
        tensor = self.tensors[name]
        dtype = self.plan.kept_gradient_dtype(tensor)
        return Entry(
            f"{tensor.family}: gradient", "gradients", dtype, self._size(name, count), count
        )

    def _fresh(self, name: str) -> Entry:
        """Return the entry of a gradient that has just been made.

        It is whole even where gradients are shared out, and not yet added to an earlier one.
        """
        tensor = self.tensors[name]
        dtype = self.plan.gradient_dtype(tensor)
        words = f"{tensor.family}: gradient just made"
        return Entry(words, "gradients", dtype, tensor.gradient, 1)

    def _stage(self, phase: str, label: str, *parts: LiveTensors, whole: bool = True) -> Stage:
        """Make a moment from what lives at it.

        Args:
            phase: Name of the phase.
            label: What happens, for people.
            parts: What lives in addition to the persistent tensors.
            whole: Whether the model runs, with what it holds whenever it does.
        """
        if whole:
            parts = (*parts, self.running)
        size = self.plan.fixed
        for part in parts:
            size = size + part.bytes
        return Stage(phase, label, size, parts)


def _transient(name: str, size: Size) -> LiveTensors:
    """Make live tensors of one line."""
    return LiveTensors(size, lambda: [Entry(name, "transients", "", size, 1)])


def _sortable(size: Size) -> float:
    """Return a number to compare sizes by: of an array its greatest."""
    return float(size if isinstance(size, int | float) else size.max())
