"""What the report measures: calls of ``verify`` and ``implement``, two at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consilico.reports.consmax.targets import ENERGY_CLOCK_NS, representative
from consilico.reports.datapaths.facts import CLOCK_NS, CONFIGURATIONS
from consilico.reports.datapaths.rounding_cost import RANDOM_BITS, UNIT
from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.progress import Progress

if TYPE_CHECKING:
    from consilico.sim.units.unit import Unit

__all__ = ["PDK", "SEED", "Done", "entries_of", "run_all"]

PDK = "nangate45"
SEED = 7  # of verification
_SIMULATORS = ["icarus", "verilator"]
_SETTINGS = {  # verified beside the default configuration
    "consmax/log2": [["output=fixed", "lanes=4"]],
    "consmax/split": [["output=fixed", "lanes=4"], ["storage=flop"], ["scores=int16", "lanes=4"]],
}
_LANES = (1, 4, 16, 64)
_SWEEP_NS = (1.4, 1.1, 0.9)  # clocks to map for, beside the energy targets' own
_ARCHITECTURES = ("consmax/log2", "consmax/split")
_PAPER = "consmax/paper"


@dataclass(frozen=True)
class Job:
    """One call of ``verify`` or ``implement``; plain data, so that it reaches another process."""

    kind: str  # verify, or what the implementation is for
    unit: str
    settings: tuple[str, ...] = ()
    clock_ns: float = ENERGY_CLOCK_NS
    sources: tuple[str, ...] = ("normal",)


Done = list[tuple[Job, list[dict[str, Any]]]]


def run_all(units: "Sequence[Unit]", progress: Progress | None = None) -> Done:
    """Verify and implement these units; then what hangs on the netlists found.

    Args:
        units: The units.
        progress: Called with a label, steps done and steps in all.

    Returns:
        Each job with its results, in the order of the jobs.
    """
    done = _run(_jobs(units), progress)
    return done + _run(_judged_jobs(entries_of(done, "implement")), progress)


def entries_of(done: Done, kind: str) -> list[dict[str, Any]]:
    """Results of all jobs of one kind: verify, implement, datapath or rounding."""
    return [entry for job, entries in done if job.kind == kind for entry in entries]


def _judged_jobs(implementations: list[dict[str, Any]]) -> list[Job]:
    """16 lanes mapped for the clock of the netlist that area and path are judged on."""
    jobs = []
    for name in _ARCHITECTURES:
        best = representative(implementations, name)
        if best is not None and best["clock_ns"] != ENERGY_CLOCK_NS:
            jobs.append(Job("implement", name, ("lanes=16",), best["clock_ns"]))
    return jobs


def _jobs(units: "Sequence[Unit]") -> list[Job]:
    """Everything to run, the longest first."""
    implement = [
        Job("implement", name, (f"lanes={lanes}",), ENERGY_CLOCK_NS, ("normal", "model"))
        for lanes in reversed(_LANES)
        for name in reversed(_ARCHITECTURES)
    ]
    implement += [
        Job("implement", name, (), clock_ns)
        for name in (*_ARCHITECTURES, _PAPER)
        for clock_ns in _SWEEP_NS
    ]
    implement.append(Job("implement", _PAPER))
    implement += [
        Job("datapath", unit.name, tuple(settings), CLOCK_NS, unit.measured_with)
        for unit in units
        if unit.name not in _ARCHITECTURES
        for settings in [(), *CONFIGURATIONS.get(unit.name, ())]
    ]
    implement += [Job("rounding", UNIT, (f"random_bits={bits}",), CLOCK_NS) for bits in RANDOM_BITS]
    verify = [
        Job("verify", unit.name, tuple(settings))
        for unit in units
        for settings in [[], *_SETTINGS.get(unit.name, [])]
    ]
    return implement + verify


def _run(jobs: list[Job], progress: Progress | None) -> Done:
    done = in_parallel(_work, jobs, "verify and implement", progress=progress)
    return list(zip(jobs, done, strict=True))


def _work(job: Job) -> list[dict[str, Any]]:
    import torch

    from consilico.sim.units.catalogue import configure, find_unit

    torch.set_num_threads(1)
    if job.unit == _PAPER:
        from consilico.sim.units.consmax import PAPER as unit
    else:
        unit = find_unit(job.unit)
    config = configure(unit, list(job.settings))
    if job.kind == "verify":
        from consilico.sim.rtlsim.verify import verify

        return [verify(unit, config, _SIMULATORS, seed=SEED).to_json()]
    from consilico.sim.silicon.implement import implement

    return [
        {
            "unit": job.unit,
            "lanes": getattr(config, "lanes", 1),
            "clock_ns": job.clock_ns,
            "source": source,
            "result": implement(unit, config, PDK, job.clock_ns, source).to_json(),
        }
        for source in job.sources
    ]
