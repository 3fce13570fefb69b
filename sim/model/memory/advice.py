"""What would make a run fit, the cheapest first; and the largest batch and sequence that do."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.errors import UserError
from sim.model.memory.ledger import peak_bytes
from sim.model.memory.methods import find_method
from sim.model.memory.run import Run

__all__ = ["Suggestion", "largest", "suggestions"]

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
class Suggestion:
    """A change of the run's settings, and the peak that follows."""

    changes: dict[str, Any]  # fields of the run and their new values
    peak_bytes: int
    exact: bool  # whether training computes the same numbers, up to rounding
    time_factor: float | None  # estimated step time against that of the run as it is

    @property
    def text(self) -> str:
        """For people."""
        return ", ".join(f"{name.replace('_', '-')} {_word(v)}" for name, v in self.changes.items())

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "change": self.text,
            "settings": self.changes,
            "peak_bytes": self.peak_bytes,
            "exact": self.exact,
            "time_factor": self.time_factor,
        }


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _changes(run: Run) -> Iterator[tuple[dict[str, Any], bool]]:
    """Single changes, from cheap to costly in time, and whether they are exact."""
    method = find_method(run.method)
    if run.published:
        yield {"published": False}, True
    if run.gradients == "kept":
        yield {"gradients": "freed"}, True
    if run.attention != "fused":
        yield {"attention": "fused"}, True
    if run.loss != "fused":
        yield {"loss": "fused"}, True
    if run.kernel != "fused" and run.kernel != "reference":
        yield {"kernel": "fused"}, True
    if not (run.per_layer or method.per_layer or method.forward_only) and run.accumulation == 1:
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
    batch = run.batch
    while batch > 1:
        batch = (batch + 1) // 2
        whole = run.batch * run.accumulation
        if not (run.per_layer or method.per_layer or method.forward_only) and whole % batch == 0:
            yield {"batch": batch, "accumulation": whole // batch}, True
        yield {"batch": batch}, False
    for lighter in _LIGHTER.get(run.method, ()):
        yield {"method": lighter}, False
    if run.sequence > 512:
        yield {"sequence": run.sequence // 2}, False


def suggestions(
    run: Run, room: int, seconds: Callable[[Run], float] | None = None
) -> list[Suggestion]:
    """Changes that make a run fit, in order: exact ones before others, then by estimated time.

    Where no single change is enough, exact changes are added up in that order until the run fits,
    for the method as it is and for each lighter one.

    Args:
        run: The run.
        room: Bytes there are for its tensors.
        seconds: Estimates the time of a run's step for each token.
    """
    search = _Search(run, room, seconds)
    return search.singles() or search.combinations()


class _Search:
    def __init__(self, run: Run, room: int, seconds: Callable[[Run], float] | None) -> None:
        self.run, self.room, self.seconds = run, room, seconds
        self.base = seconds(run) if seconds else None
        self.peaks: dict[frozenset[tuple[str, Any]], int | None] = {}

    def singles(self) -> list[Suggestion]:
        """Every single change that is enough."""
        found = [self.suggestion(c, exact) for c, exact in _changes(self.run) if self.fits(c)]
        return sorted(found, key=_cost)

    def combinations(self) -> list[Suggestion]:
        """Exact changes together; the same beside a smaller batch; beside each lighter method."""
        exact = [changes for changes, same in _changes(self.run) if same]
        smaller = [c for c, same in _changes(self.run) if not same and "method" not in c]
        plain = [changes for changes in exact if "accumulation" not in changes]
        found = [self.together({}, exact, exact=True)]
        if found == [None]:
            found = [self.together({}, [*plain, *smaller], exact=False)]
        found += [
            self.together({"method": lighter}, [*plain, *smaller], exact=False)
            for lighter in _LIGHTER.get(self.run.method, ())
        ]
        return sorted((s for s in found if s is not None), key=_cost)

    def together(
        self, start: dict[str, Any], changes: list[dict[str, Any]], *, exact: bool
    ) -> Suggestion | None:
        """The fewest of the changes, in their order, that fit; less what turns out needless."""
        steps = [dict(start)]
        for change in changes:
            merged = {**steps[-1], **change}
            if _changed(self.run, merged) is not None:
                steps.append(merged)
        enough = bisect_left(steps, True, key=self.fits)
        if enough == len(steps):
            return None
        merged = steps[enough]
        for name in [name for name in merged if name not in start]:
            for change in changes:  # a cheaper value of the same field
                if set(change) == {name} and self.fits({**merged, **change}):
                    merged = {**merged, **change}
                    break
            fewer = {key: value for key, value in merged.items() if key != name}
            if self.fits(fewer):
                merged = fewer
        return self.suggestion(merged, exact)

    def fits(self, changes: dict[str, Any]) -> bool:
        """Whether the run with these changes does."""
        peak = self.peak(changes)
        return peak is not None and peak <= self.room

    def peak(self, changes: dict[str, Any]) -> int | None:
        """Peak of the run with these changes; None where they contradict each other."""
        key = frozenset(changes.items())
        if key not in self.peaks:
            changed = _changed(self.run, changes)
            self.peaks[key] = None if changed is None else int(peak_bytes(changed))
        return self.peaks[key]

    def suggestion(self, changes: dict[str, Any], exact: bool) -> Suggestion:
        """What changes give that do not contradict each other."""
        changed = replace(self.run, **changes)
        factor = self.seconds(changed) / self.base if self.seconds and self.base else None
        peak = self.peak(changes)
        assert peak is not None
        return Suggestion(changes=changes, peak_bytes=peak, exact=exact, time_factor=factor)


def _cost(suggestion: Suggestion) -> tuple[bool, float, int, int]:
    return (
        not suggestion.exact,
        round(suggestion.time_factor or 1.0, 3),
        len(suggestion.changes),
        suggestion.peak_bytes,
    )


def _changed(run: Run, changes: dict[str, Any]) -> Run | None:
    """The run with changes, or None where they contradict each other."""
    try:
        return replace(run, **changes)
    except UserError:
        return None


def largest(run: Run, field: str, room: int) -> int:
    """The greatest batch or sequence that fits, the rest being as it is; 0 if none does.

    Args:
        run: The run.
        field: ``batch`` or ``sequence``.
        room: Bytes there are for its tensors.
    """
    low, high = 0, 1 << 20
    while high - low > 1:  # a whole grid at a time, by arrays
        grid = np.unique(np.geomspace(low + 1, high, 64).astype(np.int64))
        fits = np.broadcast_to(peak_bytes(run, **{field: grid}) <= room, grid.shape)
        if not fits[0]:
            return low
        last = int(np.flatnonzero(fits)[-1])
        if last + 1 == len(grid):
            return int(grid[last])
        low, high = int(grid[last]), int(grid[last + 1])
    return low
