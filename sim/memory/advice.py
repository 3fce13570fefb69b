"""Find changes that would make a run fit a GPU, the cheapest first."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.memory.ledger import footprint, peak_bytes
from consilico.sim.memory.methods import find_method
from consilico.sim.memory.sweep import largest
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["Suggestion", "suggestions"]

_SHORT = 512  # tokens, below which no shorter sequence is proposed
_LIGHTER = {  # methods of one family, from heavy to light
    "adamw": ("adamw-8bit", "galore-8bit", "q-galore"),
    "adamw-8bit": ("galore-8bit", "q-galore"),
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


@dataclass(frozen=True, kw_only=True)
class Suggestion(Facts):
    """A change of the run's settings, and the peak that follows."""

    changes: dict[str, Any]  # fields of the run and their new values
    peak_bytes: int
    exact: bool  # whether training computes the same numbers, up to rounding
    time_factor: float | None  # estimated step time against that of the run as it is

    @property
    def text(self) -> str:
        """Return the change in words, such as ``checkpointing full, batch 4``."""
        return ", ".join(f"{name.replace('_', '-')} {_word(v)}" for name, v in self.changes.items())

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the change in words and as settings, peak, exactness and time."""
        return {
            "change": self.text,
            "settings": self.changes,
            "peak_bytes": self.peak_bytes,
            "exact": self.exact,
            "time_factor": self.time_factor,
        }


def _word(value: Any) -> str:
    """Return a setting's value in words."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _changes(run: TrainingRun) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield single changes, from cheap to costly in time, and whether they are exact."""
    method = find_method(run.method)
    if run.published:
        yield {"published": False}, True
    if run.gradients == "kept":
        yield {"gradients": "freed"}, True
    if run.logits == "held":
        yield {"logits": "dropped"}, True
    if run.attention != "fused":
        yield {"attention": "fused"}, True
    if run.loss != "fused" and not method.forward_only:
        yield {"loss": "fused"}, True
    if run.kernel in ("foreach", "loop") and method.blocks.kernel:
        yield {"kernel": "fused"}, True
    fused = run.per_layer or method.per_layer or method.forward_only
    if not fused and run.accumulation == 1 and run.gpus == 1:
        yield {"per_layer": True}, True
    if not method.forward_only:
        if run.checkpointing == "none":
            yield {"checkpointing": "selective"}, True
        if run.checkpointing != "full":
            yield {"checkpointing": "full"}, True
        if run.offload == "none":
            yield {"offload": "optimizer"}, True
            yield {"offload": "activations"}, True
        if run.offload != "both":
            yield {"offload": "both"}, True


def _smaller(run: TrainingRun, space: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the largest smaller batches that fit: with as many sequences per step, then alone."""
    method = find_method(run.method)
    most = min(largest(run, "batch", space), run.batch - 1)
    if most < 1:
        return
    whole = run.batch * run.accumulation
    if not (run.per_layer or method.per_layer or method.forward_only):
        batch = next(size for size in range(most, 0, -1) if whole % size == 0)
        yield {"batch": batch, "accumulation": whole // batch}, True
    yield {"batch": most}, False


def _lighter(run: TrainingRun) -> Iterator[dict[str, Any]]:
    """Yield the changes to the lighter methods of the run's family."""
    for name in _LIGHTER.get(run.method, ()):
        changes: dict[str, Any] = {"method": name}
        if name == "apollo-mini":  # which is APOLLO of rank 1
            changes["rank"] = 1
        yield changes


def suggestions(
    run: TrainingRun, space: int, seconds: Callable[[TrainingRun], float] | None = None
) -> list[Suggestion]:
    """Return changes that make a run fit: exact ones before others, then by estimated time.

    Where no single change is enough, exact changes are added up in that order until the run fits,
    for the method as it is and for each lighter one.

    Args:
        run: The run.
        space: Bytes there are for its tensors and the allocator's slack.
        seconds: Estimates the time per token of a run; None leaves the order as it is.
    """
    search = _Search(run, space, seconds)
    return search.singles() or search.combinations()


class _Search:
    """The search for changes, with what each combination needs remembered."""

    def __init__(
        self, run: TrainingRun, space: int, seconds: Callable[[TrainingRun], float] | None
    ) -> None:
        self.run, self.space, self.seconds = run, space, seconds
        self.base = seconds(run) if seconds else None
        self.needed: dict[frozenset[tuple[str, Any]], float | None] = {}

    def singles(self) -> list[Suggestion]:
        """Return every single change that is enough."""
        changes = [*_changes(self.run), *_smaller(self.run, self.space)]
        changes += [(lighter, False) for lighter in _lighter(self.run)]
        if self.run.sequence > _SHORT:
            changes.append(({"sequence": self.run.sequence // 2}, False))
        return self.sorted([(c, exact) for c, exact in changes if self.fits(c)])

    def combinations(self) -> list[Suggestion]:
        """Return exact changes added up, maybe with a smaller batch; likewise by lighter methods.

        The flag of each says whether it is exact.
        """
        exact = [changes for changes, _ in _changes(self.run)]
        found = [self.together(start, exact) for start in ({}, *_lighter(self.run))]
        return self.sorted([item for item in found if item is not None])

    def together(
        self, start: dict[str, Any], changes: list[dict[str, Any]]
    ) -> tuple[dict[str, Any], bool] | None:
        """Return the fewest of the changes, in their order, that fit; less what turns out needless.

        Where all of them are not enough, they come with the largest batch that then fits; None if
        there is none. The flag says whether they are exact.
        """
        if _changed(self.run, start) is None:  # the lighter method does not run in these settings
            return None
        steps = [dict(start)]
        for change in changes:
            merged = {**steps[-1], **change}
            if _changed(self.run, merged) is not None:
                steps.append(merged)
        enough = bisect_left(steps, True, key=self.fits)
        merged = dict(steps[min(enough, len(steps) - 1)])
        if enough == len(steps):
            batch = largest(replace(self.run, **merged), "batch", self.space)
            if not 1 <= batch < self.run.batch:
                return None
            merged["batch"] = batch
        for name in [name for name in merged if name not in (*start, "batch")]:
            for change in changes:  # a cheaper value of the same field
                if set(change) == {name} and self.fits({**merged, **change}):
                    merged = {**merged, **change}
                    break
            fewer = {key: value for key, value in merged.items() if key != name}
            if self.fits(fewer):
                merged = fewer
        return merged, not start and "batch" not in merged

    def sorted(self, found: list[tuple[dict[str, Any], bool]]) -> list[Suggestion]:
        """Return suggestions: exact ones first, then by time, else in the order they come in."""
        made = [self.suggestion(changes, exact) for changes, exact in found]
        return sorted(made, key=lambda s: (not s.exact, round(s.time_factor or 0.0, 3)))

    def fits(self, changes: dict[str, Any]) -> bool:
        """Tell whether the run fits with these changes."""
        key = frozenset(changes.items())
        if key not in self.needed:
            changed = _changed(self.run, changes)
            self.needed[key] = None if changed is None else float(footprint(changed))
        needed = self.needed[key]
        return needed is not None and needed <= self.space

    def suggestion(self, changes: dict[str, Any], exact: bool) -> Suggestion:
        """Return what changes give that do not contradict each other."""
        changed = replace(self.run, **changes)
        factor = self.seconds(changed) / self.base if self.seconds and self.base else None
        return Suggestion(
            changes=changes, peak_bytes=int(peak_bytes(changed)), exact=exact, time_factor=factor
        )


def _changed(run: TrainingRun, changes: dict[str, Any]) -> TrainingRun | None:
    """Return the run with changes, or None where they contradict each other."""
    try:
        return replace(run, **changes)
    except UserError:
        return None
