"""What would make a run fit, the cheapest first; and the largest batch and sequence that do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

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
    return (
        {True: "on", False: "off"}.get(value, str(value)) if value in (True, False) else str(value)
    )


def _changes(run: Run) -> Iterator[tuple[dict[str, Any], bool]]:
    """Single changes and whether they are exact."""
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
        yield {"method": lighter, "rank": 0 if not find_method(lighter).rank else run.rank}, False
    if run.sequence > 512:
        yield {"sequence": run.sequence // 2}, False


def suggestions(
    run: Run, room: int, seconds: Callable[[Run], float] | None = None
) -> list[Suggestion]:
    """Changes that make a run fit, in order: exact ones before others, then by estimated time.

    Where no single change is enough, changes are added up in that order until the run fits.

    Args:
        run: The run.
        room: Bytes there are for its tensors.
        seconds: Estimates the time of a run's step for each token.
    """
    base = seconds(run) if seconds else None
    found = []
    for changes, exact in _changes(run):
        changed = _changed(run, changes)
        if changed is None:
            continue
        peak = int(peak_bytes(changed))
        factor = seconds(changed) / base if seconds and base else None
        found.append(Suggestion(changes=changes, peak_bytes=peak, exact=exact, time_factor=factor))
    found.sort(key=lambda s: (not s.exact, s.time_factor or 1.0, s.peak_bytes))
    enough = [s for s in found if s.peak_bytes <= room]
    if enough:
        return enough
    together = _together(run, room, found)
    return [together] if together else []


def _together(run: Run, room: int, singles: list[Suggestion]) -> Suggestion | None:
    """Changes that help, one after the other, until the run fits; less what turns out needless."""
    chosen: list[Suggestion] = []
    merged: dict[str, Any] = {}
    peak = int(peak_bytes(run))
    for single in singles:
        tried = _changed(run, {**merged, **single.changes})
        if tried is None:
            continue
        reached = int(peak_bytes(tried))
        if reached < peak:
            merged, peak = {**merged, **single.changes}, reached
            chosen.append(single)
        if peak <= room:
            break
    if peak > room:
        return None
    for name in list(merged):
        fewer = {key: value for key, value in merged.items() if key != name}
        tried = _changed(run, fewer)
        if tried is not None and int(peak_bytes(tried)) <= room:
            merged = fewer
    changed = _changed(run, merged)
    assert changed is not None
    exact = all(single.exact for single in chosen if set(single.changes) & set(merged))
    return Suggestion(
        changes=merged, peak_bytes=int(peak_bytes(changed)), exact=exact, time_factor=None
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

    def fits(value: int) -> bool:
        return bool(peak_bytes(replace(run, **{field: value})) <= room)  # type: ignore[arg-type]

    if not fits(1):
        return 0
    high = 1
    while high < 1 << 20 and fits(high):
        high *= 2
    low = high // 2
    if fits(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
