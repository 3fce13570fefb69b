"""All facts of the report, gathered: accuracy, verification, area, timing, power, traffic."""

import datetime
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from consilico.reports.consmax.targets import judge
from consilico.reports.datapaths.facts import datapath_targets, datapaths, projected_element
from consilico.reports.datapaths.rounding_cost import rounding_cost
from consilico.reports.jobs import PDK, SEED, entries_of, run_all
from consilico.reports.verdict import verdict
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import cache_dir, cached, digest

if TYPE_CHECKING:
    from consilico.reports.doctor import Check

__all__ = ["summary"]


def summary(progress: Progress | None = None) -> dict[str, Any]:
    """The facts of the report, JSON-able; from the cache if no source, tool or kit has changed.

    Facts that fail are not cached: a failure may come from the machine, such as no memory. Those
    of training follow the result cache, where the bench may have added runs; those of memory are
    counted anew, in a second.

    Args:
        progress: Called with a label, steps done and steps in all.

    Returns:
        ``units``, ``certificates``, ``error_curve``, ``width_search``, ``verification``,
        ``implementations``, ``targets``, ``datapaths``, ``datapath_targets``,
        ``projected_element``, ``rounding_cost``, ``implementation``, ``power``, ``buffers``,
        ``scaling``, ``estimates``, ``training_hw``, ``traffic``, ``training_traffic``,
        ``provenance``, ``training`` and ``memory``.

    Raises:
        UserError: If a tool, a package or the process kit is missing.
    """
    from consilico.reports.doctor import examine
    from consilico.reports.memory.facts import memory_facts
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.units.catalogue import unit_modules

    checks = examine()
    for check in checks:
        if check.required and not check.usable:
            raise UserError(f"{check.name}: {check.advice}")
    kit = find_kit(PDK)
    tools = {check.name: _version(check) for check in checks}
    sources = code_digest(__name__, *unit_modules())
    provenance = {
        "consilico": version("consilico"),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "tools": tools,
        "sources_sha256": sources,
        "kit": {
            "name": kit.name,
            "title": kit.title,
            "node_nm": kit.node_nm,
            "corner": kit.corner,
            "voltage_v": kit.voltage_v,
            "sha256": kit.sha256,
        },
        "seeds": {"verification": SEED},
    }

    def gather() -> dict[str, Any]:
        measured_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return _gather(progress) | {"provenance": {"measured_at": measured_at, **provenance}}

    facts: dict[str, Any] = cached(
        "summary", digest(provenance), gather, keep=lambda found: bool(verdict(found)["passed"])
    )
    return facts | {"training": _training(provenance), "memory": memory_facts()}


def _training(provenance: dict[str, Any]) -> dict[str, Any]:
    """Facts of the training runs that the bench has left in the result cache, as it is now."""
    from consilico.sim.traffic.packages import load_works, works_provenance

    def gather() -> dict[str, Any]:
        from consilico.reports.training.facts import training_facts  # imports torch: seconds

        return training_facts()

    try:
        text = works_provenance(load_works())
    except UserError:
        text = None
    held = {path.name: path.read_bytes().hex() for path in cache_dir("training").iterdir()}
    facts: dict[str, Any] = cached("training_facts", digest(provenance, text, held), gather)
    return facts


def _version(check: "Check") -> str | None:
    if not check.usable:
        return None
    return check.version or "found"


def _gather(progress: Progress | None) -> dict[str, Any]:
    from consilico.reports.accelerator.facts import training_hw_facts
    from consilico.reports.consmax.certificates import certify_all
    from consilico.reports.consmax.error_curve import error_curve
    from consilico.reports.consmax.width_search import width_search
    from consilico.reports.estimates.facts import estimate_facts
    from consilico.reports.implementation.facts import implementation_facts
    from consilico.reports.memories.facts import buffer_facts
    from consilico.reports.power.facts import power_facts
    from consilico.reports.scaling.facts import scaling_facts
    from consilico.sim.traffic.score_traffic import score_traffic
    from consilico.sim.traffic.training_operands import training_traffic
    from consilico.sim.units.catalogue import catalogue

    units = catalogue()
    traffic = score_traffic(progress)  # collected here once, not by every worker
    training = training_traffic()
    certificates = certify_all(progress)
    widths = width_search(progress)
    head = sorted(traffic.heads, key=lambda constants: constants.scale)[len(traffic.heads) // 2]
    done = run_all(list(units.values()), progress)
    implementations = entries_of(done, "implement")
    rows = datapaths(entries_of(done, "datapath"))
    return {
        "units": [
            {
                "unit": unit.name,
                "family": unit.family,
                "summary": unit.summary,
                "config": unit.config().to_json(),
                "latency_cycles": unit.latency(unit.config()),
            }
            for unit in units.values()
        ],
        "certificates": certificates,
        "error_curve": error_curve(head.scale, head.log_c)
        | {"head": f"layer {head.layer}, head {head.head}"},
        "width_search": widths,
        "verification": entries_of(done, "verify"),
        "implementations": implementations,
        "targets": judge(implementations),
        "datapaths": rows,
        "datapath_targets": datapath_targets(rows),
        "projected_element": projected_element(rows),
        "rounding_cost": rounding_cost(entries_of(done, "rounding")),
        "traffic": {
            **traffic.counts,
            "source": traffic.source,
            "synthetic": traffic.synthetic,
            "histogram": traffic.histogram.tolist(),
            "score_histogram": traffic.score_histogram.tolist(),
            "score_edges": traffic.score_edges.tolist(),
            "provenance": traffic.provenance,
        },
        "implementation": implementation_facts(progress),
        "power": power_facts(),
        "buffers": buffer_facts(),
        "scaling": scaling_facts(),
        "estimates": estimate_facts(),
        "training_hw": training_hw_facts(),
        "training_traffic": {
            "source": training.source,
            "synthetic": training.synthetic,
            "provenance": training.provenance,
        },
    }
