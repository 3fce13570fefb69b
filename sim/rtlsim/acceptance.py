"""Judges a replay by the order in which the unit accepted what it was offered.

Where data, configuration and resets are offered at the same time, only the unit decides which it
takes first. So what must come out is computed afterwards, by the golden model on the streams, and
compared with what came: nothing lost, doubled, reordered or changed, nothing before its input was
accepted, and after a reset nothing of what was accepted before it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.rtlsim.bulk_replay import Transcript
from consilico.sim.rtlsim.script import Script
from consilico.sim.units.accepted import Expected
from consilico.sim.units.stimulus import Kind

__all__ = ["Expect", "ReplayComparison", "accepted_order", "compare"]

# kinds and payloads of the items accepted from power-up on, in order -> what must come out
Expect = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Expected]


@dataclass(frozen=True, kw_only=True)
class ReplayComparison:
    """Comparison of what a unit delivered in a replay with what was due.

    Result ``delivered[n]`` stands for result ``due[n]``: beat ``delivered[n]`` of the transcript
    was compared with beat ``due[n]`` of what the golden model expects.
    """

    order: NDArray[np.int64]  # (accepted,), indices of the script's items
    cycles: NDArray[np.int64]  # (accepted,), of acceptance
    delivered: NDArray[np.int64]  # (compared,)
    due: NDArray[np.int64]  # (compared,)
    wrong: NDArray[np.bool_]  # (compared,)
    early: int  # results that came before their input was accepted
    extra: NDArray[np.int64]  # results that nothing was due for
    missing: int  # results due in the end that never came
    dropped: int  # results in flight at a reset
    delivered_cycles: NDArray[np.int64]  # (beats on ``o``,)
    source: NDArray[np.int64]  # (beats expected,), the accepted item that completes each
    expected: NDArray[np.uint8]  # (beats expected, bytes)
    got: NDArray[np.uint8]  # (beats on ``o``, bytes)
    resets_in_flight: int  # resets that dropped results
    configs_in_flight: int  # configurations accepted while results were in flight

    @property
    def differs(self) -> bool:
        """Tell whether anything came out otherwise than it should have."""
        return bool(self.wrong.any() or self.early or len(self.extra) or self.missing)


def accepted_order(script: Script, transcript: Transcript) -> tuple[NDArray[np.int64], ...]:
    """Return which items were accepted, in order, with the entry of the transcript of each.

    A configuration stands before the data accepted in the same cycle.

    Returns:
        Indices of the script's items, shape ``(accepted,)``, and of the transcript's entries.
    """
    epoch = np.cumsum(transcript.reset)  # resets before or at each entry
    items: list[NDArray[np.int64]] = []
    entries: list[NDArray[np.int64]] = []
    rank: list[NDArray[np.int64]] = []
    # among what happens in one cycle: 0, 1, 2
    for place, kind, took in (
        (0, Kind.CONFIG, transcript.config),
        (1, Kind.DATA, transcript.data),
        (2, Kind.RESET, transcript.reset),
    ):
        chosen = np.flatnonzero(script.kind == kind)
        when = np.flatnonzero(took)
        if kind == Kind.RESET:
            items.append(chosen[: len(when)])
        else:
            # the n-th one accepted after a reset is the n-th item after it
            starts = np.searchsorted(script.epoch[chosen], epoch[when], side="left")
            fresh = np.diff(epoch[when], prepend=-1) > 0
            within = np.arange(len(when)) - np.maximum.accumulate(
                np.where(fresh, np.arange(len(when)), 0)
            )
            items.append(chosen[starts + within])
        entries.append(when)
        rank.append(3 * when + place)
    sorting = np.argsort(np.concatenate(rank), kind="stable")
    return np.concatenate(items)[sorting], np.concatenate(entries)[sorting]


def compare(script: Script, transcript: Transcript, expect: Expect) -> ReplayComparison:
    """Compare what a unit delivered with what the golden model expects.

    Args:
        script: What was driven.
        transcript: What happened.
        expect: The unit's golden model on its streams.

    Raises:
        ValueError: If the unit's document promises nothing for the order of acceptance.
    """
    order, entries = accepted_order(script, transcript)
    kind = script.kind[order]
    completes, expected, _ = expect(kind, script.bits[order])
    source = np.repeat(np.arange(len(order)), completes)
    due_cycle = transcript.cycles[entries[source]]
    # results due and delivered, by the number of resets before them
    resets = np.cumsum(transcript.reset)
    due_epoch = resets[entries[source]]
    delivered_entry = np.flatnonzero(transcript.delivers)
    epoch = resets[delivered_entry]
    epochs = np.arange(len(np.flatnonzero(transcript.reset)) + 1)
    due_start = np.searchsorted(due_epoch, epochs)
    due_end = np.searchsorted(due_epoch, epochs, side="right")
    start = np.searchsorted(epoch, epochs)
    index = due_start[epoch] + np.arange(len(epoch)) - start[epoch]
    wanted = index < due_end[epoch]
    delivered, due = np.flatnonzero(wanted), index[wanted]
    got = transcript.results[: len(delivered_entry)]
    wrong = (got[delivered] != expected[due]).any(axis=1)
    unknown = transcript.unknown[delivered_entry]
    # results in flight after each entry of the transcript
    flight = np.cumsum(np.bincount(entries[source], minlength=len(resets)) - transcript.delivers)
    left = due_end - due_start - np.bincount(epoch[wanted], minlength=len(epochs))
    return ReplayComparison(
        order=order,
        cycles=transcript.cycles[entries],
        delivered=delivered,
        due=due,
        wrong=wrong | unknown[delivered],
        early=int((transcript.cycles[delivered_entry[delivered]] < due_cycle[due]).sum()),
        extra=np.flatnonzero(~wanted),
        missing=int(left[-1]),
        dropped=int(left[:-1].sum()),
        delivered_cycles=transcript.cycles[delivered_entry],
        source=source,
        expected=expected,
        got=got,
        resets_in_flight=int((left[:-1] > 0).sum()),
        configs_in_flight=_configs_in_flight(transcript, flight),
    )


def _configs_in_flight(transcript: Transcript, flight: NDArray[np.int64]) -> int:
    """Count configurations that were accepted while results were due."""
    before = np.append(0, flight[:-1])  # entry by entry; what a reset dropped is still counted
    at_reset = np.where(transcript.reset, before, 0)
    dropped = np.maximum.accumulate(at_reset) if len(before) else before
    return int((transcript.config & (before > dropped)).sum())
