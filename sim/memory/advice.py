"""Find changes that would make a run fit a GPU, the cheapest first.

Changes are tried in combination, in the order of their cost: those that leave the numbers as they
are and take no time, then those that take time, then more GPUs, then those that change the numbers;
other methods are a group of their own. A combination is offered only if it fits as
:mod:`consilico.sim.memory.margins` has it, if no part of it can be left out, and if no other one
does with a part of it. Where no combination with the same numbers fits beyond doubt, those that are
likely to are offered, and say so.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import isqrt
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.memory.gpus import GpuMemory
from consilico.sim.memory.idle_settings import idle_settings
from consilico.sim.memory.margins import needed_memory
from consilico.sim.memory.methods import find_method
from consilico.sim.memory.settings import Settings
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["GROUPS", "Suggestion", "suggestions"]

GROUPS = ("same numbers", "more GPUs", "other numbers", "other method")
"""Kinds of suggestions, in the order in which they come."""

_MOST_OF_GROUP = 5
_LIKELY = "likely to fit, but tight"
_SHORT = 512  # tokens, below which no shorter sequence is proposed
_GPUS = (2, 4, 8)
_LIGHTER = {  # methods of one family, from heavy to light
    "adamw": ("adamw-8bit", "galore-8bit", "q-galore", "lora", "qlora"),
    "adamw-8bit": ("galore-8bit", "q-galore", "lora", "qlora"),
    "galore": ("galore-8bit", "q-galore"),
    "galore-8bit": ("q-galore",),
    "fira": ("galore-8bit", "q-galore"),
    "apollo": ("apollo-mini", "q-apollo"),
    "apollo-mini": ("q-apollo",),
    "lora": ("qlora",),
    "relora": ("galore-8bit", "q-galore"),
    "loram": ("qloram",),
    "sgd": ("lomo",),
    "adafactor": ("adalomo", "galore-8bit", "q-galore"),
    "lisa": ("owlore", "qlora"),
}
_FREE: dict[str, Any] = {  # settings that cost no time and change no number
    "published": False,
    "gradients": "freed",
    "logits": "dropped",
    "attention": "fused",
    "loss": "fused",
    "kernel": "fused",
}
_WHAT = {  # what a setting's change comes to, by setting
    "published": "INT4 codes packed, gradients of the embeddings freed",
    "gradients": "gradients are None between steps, not zeros",
    "logits": "the program keeps no name for the logits",
    "attention": "a kernel that never holds the scores",
    "loss": "the output layer and the loss in one kernel, such as Liger's",
    "kernel": "torch.optim.AdamW(fused=True)",
    "per_layer": "updates inside the backward pass: clipping by the global norm is gone",
    "checkpointing": "activations are computed again in the backward pass",
    "offload": "goes through host memory",
    "accumulation": "a step in more micro-batches",
    "sharding": "weights, gradients and states shared out among the GPUs",
    "targets": "other matrices have no adapters",
    "sequence": "longer texts are cut",
    "method": "trains in another way",
}
Changes = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Suggestion(Facts):
    """A change of the run's settings, what is needed then, and what it costs."""

    changes: Changes  # fields of the run and their new values
    group: str  # one of GROUPS
    peak_bytes: int
    needed_bytes: int  # what nine of ten such runs do not exceed
    exact: bool  # whether training computes the same numbers, up to rounding
    time_factor: float | None  # estimated time per token and GPU against that of the run as it is
    what: tuple[str, ...]  # what the changes come to

    @property
    def text(self) -> str:
        """Return the change in words, such as ``checkpointing full, batch 4``."""
        return ", ".join(f"{name.replace('_', '-')} {_word(v)}" for name, v in self.changes.items())

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the change in words and as settings, and what follows from it."""
        return {
            "change": self.text,
            "settings": self.changes,
            "group": self.group,
            "peak_bytes": self.peak_bytes,
            "needed_bytes": self.needed_bytes,
            "exact": self.exact,
            "time_factor": self.time_factor,
            "what": list(self.what),
        }


def _word(value: Any) -> str:
    """Return a setting's value in words."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def suggestions(
    run: TrainingRun, memory: GpuMemory, seconds: Callable[[TrainingRun], float] | None = None
) -> list[Suggestion]:
    """Return changes that make a run fit, group by group, and in a group by estimated time.

    Args:
        run: The run.
        memory: The memory that it is to fit.
        seconds: Estimates the time per token of a run; None leaves the order as it is found.
    """
    search = _Search(run, memory, seconds)
    exact = search.same_numbers() or search.likely()
    return [*exact, *search.more_gpus(), *search.others(), *search.methods()]


class _Search:
    """The search for changes, with what each combination needs remembered."""

    def __init__(
        self,
        run: TrainingRun,
        memory: GpuMemory,
        seconds: Callable[[TrainingRun], float] | None,
    ) -> None:
        self.run, self.memory, self.seconds = run, memory, seconds
        self.base = seconds(run) if seconds else None
        self._whole = run.batch * run.accumulation  # sequences of a step on each GPU
        self._doubtful = False  # whether a combination that is likely to fit is taken
        self.known: dict[frozenset[tuple[str, Any]], tuple[int, int, int] | None] = {}

    def same_numbers(self) -> list[Suggestion]:
        """Return combinations that change no number, with as many sequences per step."""
        free = self._free({})
        found: list[Changes] = []
        enough: list[Changes] = []
        for costly in self._costly({}):
            # none that holds a smaller one that is enough, such as none at all
            if any(_holds(costly, part) for part in enough):
                continue
            if least := self._least({**free, **costly}):
                enough.append(costly)
                found.append(least)
        for costly in ({}, *_again(self.run)):
            base = {**free, **costly}
            sizes = [n for n in _divisors(self.run.batch) if n < self.run.batch]
            splits = [{"batch": n, "accumulation": self._whole // n} for n in sizes]
            count = bisect_left(splits, True, key=lambda split: not self.fits({**base, **split}))
            if count:
                split = splits[count - 1]
                if least := self._least({**base, **split}, keep=split):
                    found.append(least)
        return self._offered(found, "same numbers")

    def likely(self) -> list[Suggestion]:
        """Return combinations that change no number and are likely to fit, if the run is not."""
        self._doubtful = True
        found = [] if self.fits({}) else self.same_numbers()
        self._doubtful = False
        return found

    def more_gpus(self) -> list[Suggestion]:
        """Return the fewest GPUs that are enough if they share out weights, states and gradients.

        Each takes its part of the sequences of a step where they can be divided.
        """
        for gpus in (count for count in _GPUS if count > self.run.gpus):
            more = gpus // self.run.gpus
            shared: Changes = {"gpus": gpus, "sharding": "fsdp"}
            if self.run.batch % more == 0:
                shared["batch"] = self.run.batch // more
            elif self.run.accumulation % more == 0:
                shared["accumulation"] = self.run.accumulation // more
            free = self._free(shared)
            for costly in ({}, *_again(self.run)):
                if least := self._least({**free, **costly, **shared}, keep=shared):
                    return self._offered([least], "more GPUs")
        return []

    def others(self) -> list[Suggestion]:
        """Return combinations with fewer sequences, shorter ones or fewer adapters."""
        starts: list[Changes] = []
        if self.run.targets == "all" and find_method(self.run.method).adapters:
            starts += [{"targets": "attention"}, {"targets": "q,v"}]
        if self.run.sequence > _SHORT:
            starts.append({"sequence": self.run.sequence // 2})
        free = self._free({})
        found = []
        for costly in ({}, *_again(self.run)):
            base = {**free, **costly}
            if self.fits(base):  # as it stands with the same numbers
                break
            found += [self._least({**base, **start}, keep=start) for start in starts]
            found.append(self._fewer(base))
        return self._offered(found, "other numbers")

    def methods(self) -> list[Suggestion]:
        """Return the lighter methods of the run's family, with what else they need to fit."""
        found = []
        for name in _LIGHTER.get(self.run.method, ()):
            start: Changes = {"method": name} | ({"rank": 1} if name == "apollo-mini" else {})
            for idle in idle_settings(find_method(name), self.run.kernel):
                usual = Settings.__dataclass_fields__[idle].default
                if getattr(self.run, idle) != usual:
                    start[idle] = usual
            if self._changed(start) is None:  # it does not run in these settings
                continue
            free = self._free(start)
            steps = [{}, *(c for c in self._costly(start) if "offload" not in c)]
            for costly in steps:
                if least := self._least({**free, **costly, **start}, keep=start):
                    found.append(least)
                    break
            else:
                base = {**free, **steps[-1], **start}
                if least := self._fewer(base, keep=start):
                    found.append(least)
        return self._offered(found, "other method", minimal=False)

    def _fewer(self, changes: Changes, keep: Iterable[str] = ()) -> Changes | None:
        """Return the changes with the largest smaller batch that then fits; None if none does."""
        low, high = 0, self.run.batch
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.fits({**changes, "batch": middle}) else (low, middle)
        return self._least({**changes, "batch": low}, keep=(*keep, "batch")) if low else None

    def fits(self, changes: Changes) -> bool:
        """Tell whether the run fits with these changes."""
        needed = self._needed(changes)
        return needed is not None and needed[1 if self._doubtful else 2] <= self.memory.bytes

    def _needed(self, changes: Changes) -> tuple[int, int, int] | None:
        """Return peak, what is likely needed and what is at most; None where they are refused."""
        key = frozenset(changes.items())
        if key not in self.known:
            changed = self._changed(changes)
            if changed is None:
                self.known[key] = None
            else:
                needed = needed_memory(changed, self.memory)
                self.known[key] = (int(needed.peak), int(needed.value), int(needed.high))
        return self.known[key]

    def _changed(self, changes: Changes) -> TrainingRun | None:
        """Return the run with changes, or None where they contradict each other."""
        try:
            return replace(self.run, **changes)
        except UserError:
            return None

    def _free(self, start: Changes) -> Changes:
        """Return all settings that cost nothing and that the run, once changed, does not have."""
        merged = dict(start)
        for name, value in _FREE.items():
            with_it = {**merged, name: value}
            if getattr(self.run, name) != value and self._applies(name, start, with_it):
                merged = with_it
        return {name: value for name, value in merged.items() if name not in start}

    def _applies(self, name: str, start: Changes, changes: Changes) -> bool:
        """Tell whether a setting that costs nothing does anything for the changed run."""
        method = find_method(start.get("method", self.run.method))
        if self._changed(changes) is None:
            return False
        if name == "kernel":
            return method.blocks.kernel and self.run.kernel in ("foreach", "loop")
        if name == "loss" and self.run.loss in ("liger", "cut"):
            return False
        return not (name in ("loss", "published") and method.forward_only)

    def _costly(self, start: Changes) -> Iterator[Changes]:
        """Yield the combinations of settings that take time or clipping, the cheapest first."""
        run, method = self.run, find_method(start.get("method", self.run.method))
        yield {}
        if method.forward_only:
            return
        updates: tuple[Changes, ...] = ({},)
        if run.gpus == 1 and run.accumulation == 1 and not (run.per_layer or method.per_layer):
            updates = ({}, {"per_layer": True})
        left = {"none": ("selective", "full"), "selective": ("full",), "full": ()}
        left["reentrant"] = left["selective"]
        again = [{}, *({"checkpointing": value} for value in left[run.checkpointing])]
        places = {"none": ("optimizer", "activations", "both"), "both": ()}
        moved = [{}, *({"offload": value} for value in places.get(run.offload, ("both",)))]
        shared: tuple[Changes, ...] = ({},)
        if run.gpus > 1 and "gpus" not in start and run.sharding not in ("fsdp", "zero3"):
            shared = ({}, {"sharding": "fsdp"})
        every = [{**s, **u, **c, **o} for o, c, u, s in product(moved, again, updates, shared)]
        yield from sorted(every[1:], key=len)

    def _least(self, changes: Changes, keep: Iterable[str] = ()) -> Changes | None:
        """Return the changes without those that are not needed to fit; None if they do not fit."""
        if not self.fits(changes):
            return None
        for name in [name for name in changes if name not in keep]:
            fewer = {key: value for key, value in changes.items() if key != name}
            if self.fits(fewer):
                changes = fewer
        return changes

    def _offered(
        self, found: Iterable[Changes | None], group: str, *, minimal: bool = True
    ) -> list[Suggestion]:
        """Return the combinations as suggestions: each once, and none with another inside it."""
        unique = {frozenset(item.items()): item for item in found if item}
        kept = [
            item for key, item in unique.items() if not (minimal and any(k < key for k in unique))
        ]
        made = [self._suggestion(changes, group) for changes in kept]
        made.sort(key=lambda s: (round(s.time_factor or 0.0, 2), len(s.changes)))
        return made[:_MOST_OF_GROUP]

    def _suggestion(self, changes: Changes, group: str) -> Suggestion:
        """Return what a reader is told of changes with which the run fits."""
        changed, needed = replace(self.run, **changes), self._needed(changes)
        assert needed is not None
        per_step = changed.batch * changed.accumulation * changed.gpus
        same = per_step == self.run.batch * self.run.accumulation * self.run.gpus
        exact = same and group in ("same numbers", "more GPUs")
        what = [_WHAT[name] for name in changes if name in _WHAT]
        if not same:
            what.append(f"sequences per step: {per_step}")
        if self._doubtful:
            what.append(_LIKELY)
        return Suggestion(
            changes=changes,
            group=group,
            peak_bytes=needed[0],
            needed_bytes=needed[2],
            exact=exact,
            time_factor=self.seconds(changed) / self.base if self.seconds and self.base else None,
            what=tuple(what),
        )


def _divisors(number: int) -> list[int]:
    """Return the divisors of a number in their order."""
    small = [n for n in range(1, isqrt(number) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})


def _holds(changes: Changes, part: Changes) -> bool:
    """Tell whether changes hold another combination, and more."""
    if not part:  # settings that cost nothing are enough, but others may do without them
        return len(changes) > 1
    lighter = {**changes, "offload": part.get("offload", "")} if _both(changes) else changes
    return part.items() <= lighter.items()


def _both(changes: Changes) -> bool:
    return changes.get("offload") == "both"


def _again(run: TrainingRun) -> list[Changes]:
    """Return full checkpointing, the usual second step, unless the run has it."""
    forward_only = find_method(run.method).forward_only
    return [] if run.checkpointing == "full" or forward_only else [{"checkpointing": "full"}]
