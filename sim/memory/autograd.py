"""Find the tensors that live while a chain of operations runs forward and backward in autograd.

A tensor lives in the forward pass until its last reader is done, and on until the backward step of
every operation that saved it. A gradient lives from the first operation that adds to it until the
operation that made the tensor has used it. Sizes may be arrays: one walk serves a whole sweep.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import count

from consilico.sim.memory.entries import Size, is_zero, most, total

__all__ = ["Lifetimes", "Moment", "Op", "Saved", "peak", "walk"]


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation, as autograd sees it."""

    makes: str  # its result
    reads: tuple[str, ...]  # differentiable inputs
    names: tuple[str, ...] = ()  # what else the program has a name for while it runs
    bytes: Size = 0  # of the result; 0 for a view
    saves: tuple[str, ...] = ()  # inputs or the result, kept for backward
    extra: tuple[tuple[str, Size], ...] = ()  # what else it makes and keeps for backward
    copied: Size = 0  # bytes of a copy of its weight in another type, kept for backward, too
    passes: bool = False  # backward hands its gradient on as it is: an addition, a view
    copies: bool = False  # so does that of a copy, which is no view
    part: bool = False  # a view of a part of its input, for which backward makes a whole gradient
    also: tuple[tuple[str, Size], ...] = ()  # more parts of it, whose gradients backward joins
    parameter: str = ""  # whose gradient backward makes
    weighs: bool = False  # backward wants its weight, which autograd saves with the rest
    trains: bool = False  # its result needs a gradient even where its inputs need none
    scratch: Size = 0  # more bytes while it runs forward
    back_scratch: Size = 0  # more bytes while it runs backward
    back_casts: Size = 0  # more bytes at its end, where its gradients are cast to their types
    flops: Size = 0  # of an attention's products; those of a linear layer follow from its weight
    kind: str = "activations"  # heading in the ledger of what it saves first

    @property
    def keeps(self) -> tuple[tuple[str, Size], ...]:
        """Return what it makes and keeps for backward in addition to inputs and result."""
        copy = ((f"{self.makes}: copy of weight", self.copied),)
        return self.extra if is_zero(self.copied) else (*self.extra, *copy)

    def unsaved(self) -> "Op":
        """Return the operation where no backward pass follows it: it keeps nothing."""
        scratch = self.scratch + self.copied
        return replace(
            self, saves=(), extra=(), copied=0, parameter="", weighs=False, scratch=scratch,
            back_scratch=0, back_casts=0,
        )  # fmt: skip

    def keeping(self, names: Container[str]) -> "Op":
        """Return the operation where only what ``names`` has of what it makes is kept."""
        extra = tuple(item for item in self.extra if item[0] in names)
        saves = (self.makes,) if self.makes in names else ()
        return replace(self.unsaved(), saves=saves, extra=extra)

    @property
    def asks(self) -> bool:
        """Tell whether backward wants anything that autograd saved."""
        return bool(self.saves or self.keeps or self.weighs)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A tensor that is kept for the backward pass."""

    name: str
    kind: str
    bytes: Size


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Bytes while one operation runs, and once it is done: saved tensors, and all the rest."""

    op: str
    saved: Size
    working: Size  # results in use, gradients of results, scratch
    after: Size = 0  # saved and working together, once what it used is freed
    parameter: str = ""  # whose gradient it makes
    copied: Size = 0  # bytes of the copy of the parameter that it used; its gradient is made alike


@dataclass(frozen=True)
class Lifetimes:
    """Tensors that live during a forward and a backward pass over a chain, moment by moment."""

    saved: tuple[Saved, ...]
    forward: tuple[Moment, ...]
    backward: tuple[Moment, ...]
    unsaved: Size = 0  # gradients when the backward pass first wants anything saved

    @property
    def saved_bytes(self) -> Size:
        """Return the bytes that the chain keeps between its forward and its backward pass."""
        return total(s.bytes for s in self.saved)


def walk(
    ops: Sequence[Op],
    entry: str,
    entry_bytes: Size,
    held: Sequence[str] = (),
    *,
    held_backward: bool = False,
    leaf: bool = False,
    again: bool = False,
) -> Lifetimes:
    """Follow a chain of operations forward and backward.

    Args:
        ops: The operations in forward order; the last one makes the chain's result.
        entry: Name of the chain's input, which the caller holds on to until the chain is done.
        entry_bytes: Bytes of the input. They count here only where an operation saves it.
        held: Results that the program keeps a name for until the forward pass is over.
        held_backward: Whether it does so until the backward pass is over.
        leaf: Whether the input needs no gradient. What is made of it alone then needs none either,
            and the operations that make it save nothing.
        again: Whether the chain runs again for its backward pass: what an operation saved is then
            gone before its gradients are cast.
    """
    constant = _constant(ops, entry) if leaf else frozenset()
    ops = [
        replace(op.unsaved(), parameter=op.parameter) if op.makes in constant else op for op in ops
    ]
    keeps = [op.keeps for op in ops]
    size: dict[str, Size] = {entry: entry_bytes}
    shape: dict[str, Size] = {entry: entry_bytes}  # bytes of a tensor's gradient
    kind: dict[str, str] = {}
    last: dict[str, int] = {}
    savers: dict[str, int] = {}
    base: dict[str, str] = {}  # a view's tensor with storage
    for index, op in enumerate(ops):
        size[op.makes] = shape[op.makes] = op.bytes
        if op.passes and len(op.reads) == 1:
            base[op.makes] = base.get(op.reads[0], op.reads[0])
            shape[op.makes] = shape[op.reads[0]]
        for name, part in ((op.makes, op.bytes), *op.also) if op.part else ():
            base[name] = base.get(op.reads[0], op.reads[0])
            size[name] = shape[name] = part
        for name in (*op.reads, *op.names):
            last[base.get(name, name)] = index
        for name in (*op.saves, *(item for item, _ in keeps[index])):
            name = base.get(name, name)
            savers[name] = savers.get(name, 0) + 1
            kind.setdefault(name, op.kind)
        size.update(keeps[index])
        if not is_zero(op.copied):
            kind[keeps[index][-1][0]] = "transients"
    result = ops[-1].makes

    forward: list[Moment] = []
    kept: set[str] = set()
    working: dict[str, Size] = {}
    saved_bytes: Size = 0
    working_bytes: Size = 0
    for index, op in enumerate(ops):
        if op.makes not in base:
            working[op.makes] = op.bytes
            working_bytes = working_bytes + op.bytes
        for name in (*(base.get(name, name) for name in op.saves), *(n for n, _ in keeps[index])):
            if name not in kept:
                kept.add(name)
                saved_bytes = saved_bytes + size[name]
                working_bytes = working_bytes - working.pop(name, 0)
        forward.append(Moment(op=op.makes, saved=saved_bytes, working=working_bytes + op.scratch))
        for name in list(working):
            if last.get(name, -1) <= index and name not in held and name != result:
                working_bytes = working_bytes - working.pop(name)
    saved = tuple(Saved(name=n, kind=kind[n], bytes=size[n]) for n in sorted(kept))
    back = held if held_backward else ()
    backward, unsaved = _backward(ops, size, shape, savers, base, back, constant, again)
    return Lifetimes(saved, tuple(forward), backward, unsaved)


def _constant(ops: Sequence[Op], entry: str) -> frozenset[str]:
    """Return the tensors that need no gradient where the input of a chain needs none."""
    constant = {entry}
    for op in ops:
        if not (op.parameter or op.trains) and constant.issuperset(op.reads):
            constant.update((op.makes, *(name for name, _ in op.also)))
    return frozenset(constant)


def _backward(
    ops: Sequence[Op],
    size: dict[str, Size],
    shape: dict[str, Size],
    savers: dict[str, int],
    base: dict[str, str],
    held: Sequence[str],
    constant: frozenset[str],
    again: bool,
) -> tuple[tuple[Moment, ...], Size]:
    """Follow the chain backward, starting from what the forward pass saved.

    Returns the moments, and the gradients that live when one first wants anything saved.

    ``savers`` counts for each tensor the operations that saved it; ``base`` names the tensor with
    storage that a view belongs to; ``shape`` has the bytes of the gradient of each; tensors of
    ``constant`` have none.
    """
    alive = {name: size[name] for name in savers}
    users = dict(savers)
    for name in held:
        alive.setdefault(name, size[name])
        users[name] = users.get(name, 0) + 1
    number = count(1)
    storages: dict[int, Size] = {0: shape[ops[-1].makes]}
    gradient: dict[str, int] = {ops[-1].makes: 0}  # storage of each tensor's gradient
    alive_bytes = total(alive.values())
    gradient_bytes = total(storages.values())
    moments: list[Moment] = []
    unsaved: Size | None = None
    for op in reversed(ops):
        keeps = op.keeps
        if unsaved is None and op.asks:
            unsaved = gradient_bytes
        results = (op.makes, *(name for name, _ in op.also))
        owned = [gradient.pop(name) for name in results if name in gradient]
        if not owned:
            continue
        own = owned[0]
        dropped: list[int] = []
        for name in op.reads:
            if name in constant:
                continue
            if op.passes or op.copies:
                fresh = own
            else:
                fresh = next(number)
                storages[fresh] = shape[name]
                gradient_bytes = gradient_bytes + shape[name]
            earlier = gradient.get(name)
            if earlier is None:
                gradient[name] = fresh
            elif earlier in [g for n, g in gradient.items() if n != name] or earlier == own:
                # shared with another tensor's gradient: the sum goes into storage of its own
                summed = next(number)
                storages[summed] = shape[name]
                gradient_bytes = gradient_bytes + shape[name]
                gradient[name] = summed
                dropped.append(fresh)
            else:
                dropped.append(fresh)
        saved, working = alive_bytes, gradient_bytes + op.back_scratch
        if not again:
            working = working + op.back_casts
        for storage in (*dropped, *owned):
            if storage not in gradient.values():
                gradient_bytes = gradient_bytes - storages.pop(storage, 0)
        for name in (*op.saves, *(item for item, _ in keeps)):
            name = base.get(name, name)
            users[name] -= 1
            if not users[name]:
                alive_bytes = alive_bytes - alive.pop(name)
        moments.append(
            Moment(
                op=op.makes, saved=saved, working=working, parameter=op.parameter,
                copied=op.copied, after=alive_bytes + gradient_bytes,
            )
        )  # fmt: skip
    return tuple(moments), gradient_bytes if unsaved is None else unsaved


def peak(moments: Sequence[Moment]) -> Size:
    """Return the most bytes of any moment."""
    return most(*(moment.saved + moment.working for moment in moments))
