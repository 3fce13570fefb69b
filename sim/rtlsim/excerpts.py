"""Parts and repetitions of a stimulus."""

import dataclasses

import numpy as np

from consilico.sim.rtlsim.outcome import results_in
from consilico.sim.units.stimulus import Kind, Stimulus

__all__ = ["prefix", "repeat"]


def prefix(stimulus: Stimulus, items: int) -> Stimulus:
    """The first items of a stimulus. Coverage is left out: it counts the whole."""
    completes = stimulus.completes[:items]
    beats = int(completes.sum())
    return Stimulus(
        kind=stimulus.kind[:items],
        bits=stimulus.bits[:items],
        completes=completes,
        expected=stimulus.expected[:beats],
        results=results_in(stimulus, beats),
        operations=stimulus.operations * beats // max(1, len(stimulus.expected)),
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
        completes=np.tile(stimulus.completes, times),
        expected=np.tile(stimulus.expected, (times, 1)),
        results=stimulus.results * times,
        operations=stimulus.operations * times,
        coverage={point: hits * times for point, hits in stimulus.coverage.items()},
    )
