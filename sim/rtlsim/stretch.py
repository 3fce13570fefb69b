"""Parts and repetitions of a stimulus."""

import dataclasses

import numpy as np

from sim.rtlsim.outcome import results_in
from sim.stimulus import Kind, Stimulus

__all__ = ["prefix", "repeat"]


def prefix(stimulus: Stimulus, items: int) -> Stimulus:
    """The first items of a stimulus. Coverage is left out: it counts the whole."""
    kind = stimulus.kind[:items]
    data = int((kind == Kind.DATA).sum())
    return Stimulus(
        kind=kind,
        bits=stimulus.bits[:items],
        expected=stimulus.expected[:data],
        results=results_in(stimulus, data),
    )


def repeat(stimulus: Stimulus, times: int) -> Stimulus:
    """A stimulus several times over.

    Raises:
        ValueError: If it relies on what was configured before it, so that the second round would
            see other constants than the first.
    """
    configures = bool((stimulus.kind == Kind.CONFIG).any())
    if configures and stimulus.kind[0] != Kind.CONFIG:
        raise ValueError("a stimulus is repeatable only if it begins with its configuration")
    return dataclasses.replace(
        stimulus,
        kind=np.tile(stimulus.kind, times),
        bits=np.tile(stimulus.bits, (times, 1)),
        expected=np.tile(stimulus.expected, (times, 1)),
        results=stimulus.results * times,
        coverage={point: hits * times for point, hits in stimulus.coverage.items()},
    )
