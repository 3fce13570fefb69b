"""Score the harness: how many single faults of a unit its verification would notice.

Every mutant goes through what :func:`consilico.sim.rtlsim.verify.verify` replays on Verilator,
judged by the same code. A mutant that passes all of it is proved equivalent to the unit, or has
survived: then the stimulus or the checks have a gap.
"""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.progress import Progress, silent
from consilico.sim.base.results import digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.rtlsim.builds import compiler_version
from consilico.sim.rtlsim.bulk_replay import Transcript
from consilico.sim.rtlsim.judgement import judged, quick_cycles
from consilico.sim.rtlsim.mutation.equivalence import Comparator, MutantComparison
from consilico.sim.rtlsim.mutation.forked import ForkedSimulation
from consilico.sim.rtlsim.mutation.mutants import make_mutants
from consilico.sim.rtlsim.plan import Planned, at_full_speed, planned
from consilico.sim.rtlsim.proofs.clocking import UnknownClock
from consilico.sim.rtlsim.script import Script
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.accepted import Expected
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.stimulus import Stimulus, prefix
from consilico.sim.units.unit import Unit

__all__ = ["COUNT", "MutationScore", "Survivor", "mutation_score", "score_key"]

COUNT = 200  # mutants of a unit
_FIRST_ITEMS, _FIRST_RESULTS = 400, 8  # of the stimulus, at least: they kill most mutants
_QUICK = 2  # replays before mutants are looked at for equivalence
_UNKNOWN = MutantComparison(verdict="not decided")


@dataclass(frozen=True, kw_only=True)
class Survivor(Facts):
    """A mutant that verification did not notice, and that is not proved equivalent."""

    file: str  # of the Verilog; empty if it is not known, or is the unit's own
    line: int | None  # of it, from 1
    change: str
    differs_after_cycles: int | None  # in which neighbours can tell; None: not known whether


@dataclass(frozen=True, kw_only=True)
class MutationScore(Facts):
    """Fate of the mutants of a unit."""

    derived: ClassVar[tuple[str, ...]] = ("score",)

    unit: str
    config: dict[str, Any]  # field values by name
    seed: int  # of stimulus, stalls and choice of mutants
    mutants: int
    killed: int
    equivalent: int  # proved to behave as the unit does
    survived: tuple[Survivor, ...]
    killed_by: dict[str, int]  # by what is replayed: mutants that nothing before it killed

    @property
    def score(self) -> float | None:
        """Return the share of killed ones among those not equivalent; None if there are none."""
        decided = self.killed + len(self.survived)
        return self.killed / decided if decided else None


def mutation_score(
    unit: Unit,
    config: Config,
    count: int = COUNT,
    seed: int = 1,
    progress: Progress | None = None,
    *,
    text: str | None = None,
    sound: str = "",
    timed: str = "",
) -> MutationScore:
    """Verify mutants of a unit, and return how many were noticed; the score is cached.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        count: Mutants wanted; fewer if the design has no more places for a fault.
        seed: Seed of stimulus, stalls and choice of mutants.
        progress: Called after each replay with a label, replays done and replays in all.
        text: Verilog that claims to be the unit; that of the unit if not given.
        sound: Further Verilog, such as a wrapper, that gets no faults.
        timed: Further Verilog that is no netlist, such as clocks of their own; with it no mutant is
            proved equivalent.

    Raises:
        UserError: If Yosys, ABC or Verilator is missing, or ``count`` is below 1.
        CheckFailed: If the unit fails without a fault, so that killing a mutant means nothing.
        ToolError: If a tool fails.
    """
    text = verilog(unit, config) if text is None else text
    stimulus = unit.vectors(config, seed)
    return cached_facts(
        MutationScore,
        "mutate",
        _key(unit, config, (text, sound, timed), stimulus, count, seed),
        lambda: _scored(
            unit, config, (text, sound, timed), stimulus, count, seed, progress or silent
        ),
    )


def score_key(unit: Unit, config: Config, text: str, count: int = COUNT, seed: int = 1) -> str:
    """Return the key under which the cache holds a unit's score (``mutate``), once measured.

    Args:
        unit: The unit.
        config: Its configuration.
        text: Its Verilog, as :func:`.verilog` writes it.
        count: Number of mutants.
        seed: Of their choice and of the stimulus.
    """
    return _key(unit, config, (text, "", ""), unit.vectors(config, seed), count, seed)


def _key(
    unit: Unit,
    config: Config,
    texts: tuple[str, str, str],
    stimulus: Stimulus,
    count: int,
    seed: int,
) -> str:
    simulator = find_simulator("verilator")
    return digest(
        [unit.name, config.to_json(), count, seed, unit.latency(config)],
        [simulator.version, compiler_version(simulator)],
        tool_versions(["yosys"]),
        asdict(unit.layouts(config)),
        code_digest(__name__),
        code_digest(unit.golden.__module__, unit.vectors.__module__),
        texts,
        stimulus.kind.tobytes(),
        stimulus.bits.tobytes(),
        stimulus.expected.tobytes(),
    )


def _scored(
    unit: Unit,
    config: Config,
    texts: tuple[str, str, str],
    stimulus: Stimulus,
    count: int,
    seed: int,
    progress: Progress,
) -> MutationScore:
    top, label = unit.module_name, f"mutate {unit.name}"
    text, sound, timed = texts
    mutants = make_mutants([text], top, count, seed, sound, timed)
    ready = unit.contract(config).ready if unit.contract else {}
    simulation = ForkedSimulation(mutants, top, unit.ports(config), ready)
    plans = _plans(unit, config, stimulus, seed)
    alive = [mutation.number for mutation in mutants.mutations]
    comparator = None
    if not timed:
        with contextlib.suppress(UnknownClock):  # then nothing is proved equivalent
            comparator = Comparator(mutants, top)
    equivalent = 0
    killed_by: dict[str, int] = {}
    for done, plan in enumerate(plans):
        progress(label, done, len(plans))
        if not alive:
            break
        script = plan.script()
        transcripts = simulation.replay(
            script, [0, *alive], hang_cycles=quick_cycles(script, unit.latency(config)), seed=seed
        )
        noticed = {
            number: _problems(unit, config, plan, script, transcript)
            for number, transcript in transcripts.items()
        }
        if noticed[0]:
            raise CheckFailed(f"{unit.name} fails without a mutation: {noticed[0][0]}")
        left = [number for number in alive if not noticed[number]]
        killed_by[plan.name] = len(alive) - len(left)
        alive = left
        # before the many replays that hardly any mutant is left for
        if done == _QUICK - 1 and comparator is not None:
            left = [number for number in alive if not comparator.alike(number)]
            equivalent += len(alive) - len(left)
            alive = left
    compared = {
        number: _UNKNOWN if comparator is None else comparator.compared(number) for number in alive
    }
    alive = [number for number in alive if compared[number].verdict != "equivalent"]
    equivalent += len(compared) - len(alive)
    progress(label, len(plans), len(plans))
    survived = [
        Survivor(
            file=mutation.file,
            line=mutation.line,
            change=mutation.change,
            differs_after_cycles=compared[mutation.number].cycles,
        )
        for mutation in mutants.mutations
        if mutation.number in set(alive)
    ]
    return MutationScore(
        unit=unit.name,
        config=config.to_json(),
        seed=seed,
        mutants=len(mutants.mutations),
        killed=sum(killed_by.values()),
        equivalent=equivalent,
        survived=tuple(survived),
        killed_by=killed_by,
    )


def _problems(
    unit: Unit, config: Config, plan: Planned, script: Script, transcript: Transcript
) -> list[str]:
    """Return what verification would find wrong in a replay."""
    judgement = judged(unit, config, plan, script, transcript)
    problems = list(judgement.problems)
    latency, declared = judgement.outcome.latency_cycles, unit.latency(config)
    if plan.full_speed and latency not in (None, declared):
        problems.append(f"latency is {latency} cycles, declared {declared}")
    return problems


def _plans(unit: Unit, config: Config, stimulus: Stimulus, seed: int) -> list[Planned]:
    """Return what is replayed: the beginning of the stimulus, then all that verification replays.

    The golden model is asked once for each order of acceptance: most mutants have the unit's.
    """
    results = np.flatnonzero(stimulus.completes)[:_FIRST_RESULTS]
    items = max(_FIRST_ITEMS, 1 + int(results[-1]))
    first = at_full_speed("beginning", prefix(stimulus, items))
    plans = planned(unit, config, stimulus, seed, ["verilator"])["verilator"]
    return [replace(plan, expect=_remembered(plan.expect)) for plan in (first, *plans)]


def _remembered(
    expect: Callable[[NDArray[np.uint8], NDArray[np.uint8]], Expected],
) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], Expected]:
    known: dict[tuple[str, str], Expected] = {}

    def asked(kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
        key = digest(kind.tobytes()), digest(bits.tobytes())
        if key not in known:
            known[key] = expect(kind, bits)
        return known[key]

    return asked
