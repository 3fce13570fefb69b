"""The measurements that sections share, and how one is run: in any process, from the cache."""

from dataclasses import dataclass
from typing import Any, ClassVar

from consilico.reports.page.section import Chosen, Outcome, ReportJob
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.results import cached, digest, stored
from consilico.sim.rtlsim.mutation.score import MutationScore, mutation_score, score_key
from consilico.sim.rtlsim.proofs.prove import Proofs, proofs_key, prove
from consilico.sim.rtlsim.verify import Verification, check
from consilico.sim.silicon.flow import Flow, last_rung
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.units.catalogue import catalogue, configure, find_unit, verilog
from consilico.sim.units.consmax import PAPER

__all__ = [
    "SEED",
    "KitFacts",
    "Task",
    "Verified",
    "implement_job",
    "kit_facts",
    "known",
    "mutate_job",
    "plain_json",
    "prove_job",
    "run_task",
    "stored_proofs",
    "stored_score",
    "verify_job",
]

SEED = 7  # of verification
_SIMULATORS = ("icarus", "verilator")
_CACHE = "report"
_VERIFY_S, _IMPLEMENT_S = 25.0, 60.0  # processor seconds of a usual unit
_MUTATE_S, _PROVE_S = 90.0, 60.0

Task = tuple[ReportJob, str | None]  # a job and its key; None: not to be kept


def verify_job(unit: Chosen, *, quick: bool = True) -> ReportJob:
    """Return the job that verifies a unit on all simulators."""
    return ReportJob(
        work=_verify,
        arguments=(unit.name, unit.settings),
        label=f"verify {_words(unit)}",
        command=f"consilico verify {unit.name}{_options(unit)}",
        cpu_s=_VERIFY_S,
        quick=quick,
        unit=unit.name,
    )


def mutate_job(unit: Chosen) -> ReportJob:
    """Return the job that scores the verification of a unit by mutants."""
    return ReportJob(
        work=_mutate,
        arguments=(unit.name, unit.settings),
        label=f"mutants of {_words(unit)}",
        command=f"consilico mutate {unit.name}{_options(unit)}",
        cpu_s=_MUTATE_S,
        quick=False,
        unit=unit.name,
    )


def prove_job(unit: Chosen) -> ReportJob:
    """Return the job that proves what a unit promises about its streams."""
    return ReportJob(
        work=_prove,
        arguments=(unit.name, unit.settings),
        label=f"proofs of {_words(unit)}",
        command=f"consilico prove {unit.name}{_options(unit)}",
        cpu_s=_PROVE_S,
        quick=False,
        unit=unit.name,
    )


def implement_job(
    unit: Chosen,
    kit: str,
    clock_ns: float,
    source: str,
    *,
    rung: str | None = "cells",
    quick: bool = True,
    cpu_s: float = 0.0,
) -> ReportJob:
    """Return the job that implements a unit in a kit, on one source of traffic.

    It goes up to a rung; as far as the kit allows if that is None.
    """
    return ReportJob(
        work=_implement,
        arguments=(unit.name, unit.settings, kit, clock_ns, source, rung),
        label=f"implement {_words(unit)} in {kit} for {clock_ns:g} ns, {source} traffic"
        f"{f', {rung}' if rung else ''}",
        command=f"consilico implement {unit.name}{_options(unit)} --pdk {kit}"
        f" --clock-ns {clock_ns:g} --traffic {source}{f' --rung {rung}' if rung else ''}",
        cpu_s=cpu_s or _IMPLEMENT_S,
        quick=quick,
        unit=unit.name,
    )


@dataclass(frozen=True, kw_only=True)
class KitFacts(Facts):
    """A process kit at one corner, as captions name it."""

    name: str
    title: str
    node_nm: float | None  # None: not known
    corner: str
    voltage_v: float
    sha256: str  # of the Liberty file


def kit_facts(name: str) -> KitFacts:
    """Return the name, title, corner, supply and hash of a kit, as captions name them.

    Raises:
        UserError: If the kit is unknown or its files are missing.
    """
    kit = find_kit(name)
    return KitFacts(
        name=kit.name,
        title=kit.title,
        node_nm=kit.node_nm,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        sha256=kit.sha256,
    )


def _words(unit: Chosen) -> str:
    return " ".join([unit.name, *unit.settings])


def _options(unit: Chosen) -> str:
    return "".join(f" --set {setting}" for setting in unit.settings)


def plain_json(result: Any) -> Any:
    """Return a result as JSON carries it, whether it is a dataclass or plain already."""
    return result.to_json() if hasattr(result, "to_json") else result


@dataclass(frozen=True, kw_only=True)
class Verified(Facts):
    """The verdict on a unit, and where its mutants and proofs are kept once they are measured.

    The keys belong to exactly this Verilog, stimulus, code and tools, so that what ``consilico
    mutate`` and ``consilico prove`` have measured is found, and nothing older.
    """

    derived: ClassVar[tuple[str, ...]] = ("passed",)

    verification: Verification
    score_key: str
    proofs_key: str

    @property
    def passed(self) -> bool:
        """Tell whether the unit is right."""
        return self.verification.passed


def stored_score(verified: Verified | None) -> MutationScore | None:
    """Return what ``consilico mutate`` measured of a unit's Verilog, if it did."""
    value = None if verified is None else stored("mutate", verified.score_key)
    return None if value is None else MutationScore.from_json(value)


def stored_proofs(verified: Verified | None) -> Proofs | None:
    """Return what ``consilico prove`` decided of a unit's Verilog, if it did."""
    value = None if verified is None else stored("prove", verified.proofs_key)
    return None if value is None else Proofs.from_json(value)


def _verify(name: str, settings: tuple[str, ...]) -> Verified:
    unit = find_unit(name)
    config = configure(unit, list(settings))
    text = verilog(unit, config)  # once for all three: it takes seconds
    return Verified(
        verification=check(unit, config, text, list(_SIMULATORS), seed=SEED),
        score_key=score_key(unit, config, text),
        proofs_key=proofs_key(unit, config, text),
    )


def _mutate(name: str, settings: tuple[str, ...]) -> MutationScore:
    unit = find_unit(name)
    return mutation_score(unit, configure(unit, list(settings)))


def _prove(name: str, settings: tuple[str, ...]) -> Proofs:
    unit = find_unit(name)
    return prove(unit, configure(unit, list(settings)))


def _implement(
    name: str, settings: tuple[str, ...], kit: str, clock_ns: float, source: str, rung: str | None
) -> Implementation:
    # the catalogue does not offer the paper's unit: it is there to compare with
    unit = PAPER if name == PAPER.name else find_unit(name)
    config = configure(unit, list(settings))
    flow = Flow(rung=rung or last_rung(find_kit(kit)))
    return implement(unit, config, kit, clock_ns, source, flow=flow)


def known(job: ReportJob, tools: Any) -> tuple[str | None, Any | None]:
    """Return the key of a job's result and, if it was measured before, the result.

    Args:
        job: The job.
        tools: Versions of all tools and packages and hashes of kits, as JSON.

    Returns:
        The key is None for a unit of another package: its result is not kept here, as what its
        code depends on is not known.
    """
    modules = [job.work.__module__]
    if job.unit:
        unit = catalogue().get(job.unit)
        owners = [] if unit is None else [_owner(unit.component), _owner(unit.config)]
        if any(owner.partition(".")[0] != "consilico" for owner in owners):
            return None, None
        modules += owners or ["consilico.sim.units.consmax"]
    key = digest(
        job.work.__module__, job.work.__qualname__, list(job.arguments), tools,
        code_digest(*modules),
    )  # fmt: skip
    return key, stored(_CACHE, key)


def _owner(thing: Any) -> str:
    """Return the name of the module that a class or function comes from."""
    while hasattr(thing, "func"):  # a partial call of it
        thing = thing.func
    return str(thing.__module__)


def run_task(task: Task) -> Outcome:
    """Run a job, or take its result from the cache; a failure is an outcome, and is not kept."""
    job, key = task
    try:
        import torch

        torch.set_num_threads(1)  # other jobs run next to this one
    except ModuleNotFoundError:
        pass  # the job says what it misses
    try:
        if key is None:
            value = plain_json(job.work(*job.arguments))
        else:
            value = cached(_CACHE, key, lambda: plain_json(job.work(*job.arguments)), keep=_right)
    except (CheckFailed, UserError) as error:
        line = " ".join(str(error).split())
        return Outcome(failure=line, mendable=isinstance(error, UserError))
    except Exception as error:  # one job must not lose the others; the page and the status say it
        return Outcome(failure=f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome(value=value)


def _right(value: Any) -> bool:
    """Tell whether to keep a result: a verdict that failed may come from the machine."""
    return not isinstance(value, dict) or bool(value.get("passed", True))
