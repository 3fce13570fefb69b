"""The measurements that sections share, and how one is run: in any process, from the cache."""

from dataclasses import dataclass
from typing import Any

from consilico.reports.page.section import Chosen, Job, Outcome
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.results import cached, digest, stored

__all__ = [
    "SEED",
    "KitFacts",
    "Task",
    "implement_job",
    "kit_facts",
    "known",
    "plain_json",
    "run_task",
    "scores_job",
    "training_traffic_job",
    "verify_job",
]

SEED = 7  # of verification
_SIMULATORS = ("icarus", "verilator")
_CACHE = "report"
_VERIFY_S, _IMPLEMENT_S = 25.0, 60.0  # processor seconds of a usual unit

Task = tuple[Job, str | None]  # a job and its key; None: not to be kept


def verify_job(unit: Chosen, *, quick: bool = True) -> Job:
    """Return the job that verifies a unit on all simulators."""
    return Job(
        work=_verify,
        arguments=(unit.name, unit.settings),
        label=f"verify {_words(unit)}",
        command=f"consilico verify {unit.name}{_options(unit)}",
        cpu_s=_VERIFY_S,
        quick=quick,
        unit=unit.name,
    )


def implement_job(
    unit: Chosen, kit: str, clock_ns: float, source: str, *, quick: bool = True, cpu_s: float = 0.0
) -> Job:
    """Return the job that implements a unit in a kit, on one source of traffic."""
    return Job(
        work=_implement,
        arguments=(unit.name, unit.settings, kit, clock_ns, source),
        label=f"implement {_words(unit)} in {kit} for {clock_ns:g} ns, {source} traffic",
        command=f"consilico implement {unit.name}{_options(unit)} --pdk {kit}"
        f" --clock-ns {clock_ns:g} --traffic {source}",
        cpu_s=cpu_s or _IMPLEMENT_S,
        quick=quick,
        unit=unit.name,
    )


def scores_job() -> Job:
    """Return the job that collects a language model's attention scores; verification needs them."""
    return Job(
        work=_scores,
        label="attention scores of a language model",
        command="consilico report",
        cpu_s=35,
        early=True,
    )


def training_traffic_job() -> Job:
    """Return the job that collects operands of a small training; training units need them."""
    return Job(
        work=_training_traffic,
        label="operands of a small training",
        command="consilico report",
        cpu_s=15,
        early=True,
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
    from consilico.sim.silicon.kits.kit import find_kit

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


def _verify(name: str, settings: tuple[str, ...]) -> Any:
    from consilico.sim.rtlsim.verify import verify
    from consilico.sim.units.catalogue import configure, find_unit

    unit = find_unit(name)
    config = configure(unit, list(settings))
    return plain_json(verify(unit, config, list(_SIMULATORS), seed=SEED))


def _implement(
    name: str, settings: tuple[str, ...], kit: str, clock_ns: float, source: str
) -> dict[str, Any]:
    """Return an entry: what was asked for, and the implementation as ``result``."""
    from consilico.sim.silicon.implement import implement
    from consilico.sim.units.catalogue import configure, find_unit

    if name == "consmax/paper":  # a unit to compare with, that the catalogue does not offer
        from consilico.sim.units.consmax import PAPER as unit
    else:
        unit = find_unit(name)
    config = configure(unit, list(settings))
    return {
        "unit": name,
        "lanes": getattr(config, "lanes", 1),
        "clock_ns": clock_ns,
        "source": source,
        "result": plain_json(implement(unit, config, kit, clock_ns, source)),
    }


def _scores() -> dict[str, Any]:
    """Return what the report says of the scores; ``middle_head`` has the median scale."""
    from consilico.sim.traffic.score_traffic import score_traffic

    traffic = score_traffic()
    head = sorted(traffic.heads, key=lambda constants: constants.scale)[len(traffic.heads) // 2]
    return {
        **traffic.counts,
        "source": traffic.source,
        "synthetic": traffic.synthetic,
        "histogram": traffic.histogram.tolist(),
        "score_histogram": traffic.score_histogram.tolist(),
        "score_edges": traffic.score_edges.tolist(),
        "provenance": traffic.provenance,
        "middle_head": {
            "name": f"layer {head.layer}, head {head.head}", "scale": head.scale,
            "log_c": head.log_c,
        },
    }  # fmt: skip


def _training_traffic() -> dict[str, Any]:
    from consilico.sim.traffic.training_operands import training_traffic

    traffic = training_traffic()
    return {
        "source": traffic.source, "synthetic": traffic.synthetic, "provenance": traffic.provenance,
    }  # fmt: skip


def known(job: Job, tools: Any) -> tuple[str | None, Any | None]:
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
        from consilico.sim.units.catalogue import catalogue

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
