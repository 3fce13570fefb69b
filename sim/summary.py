"""All facts of the report, gathered: accuracy, verification, area, timing, power, traffic."""

import datetime
import multiprocessing
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.datapaths import CLOCK_NS, CONFIGURATIONS, datapath_targets, datapaths
from sim.errors import UserError
from sim.results import cached, digest
from sim.targets import ENERGY_CLOCK_NS, judge, representative
from sim.verdict import verdict

if TYPE_CHECKING:
    from sim.catalog import Unit
    from sim.doctor import Check

__all__ = ["PDK", "SEED", "summary"]

Progress = Callable[[str, int, int], None]
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
_WORKERS = 2


@dataclass(frozen=True)
class _Job:
    """One call of ``verify`` or ``implement``; plain data, so that it reaches another process."""

    kind: str
    unit: str
    settings: tuple[str, ...] = ()
    clock_ns: float = ENERGY_CLOCK_NS
    sources: tuple[str, ...] = ("normal",)

    @property
    def label(self) -> str:
        return f"{self.kind} {' '.join((self.unit, *self.settings))}"


_Done = list[tuple[_Job, list[dict[str, Any]]]]


def summary(progress: Progress | None = None) -> dict[str, Any]:
    """The facts of the report, JSON-able; from the cache if no source, tool or kit has changed.

    Facts that fail are not cached: a failure may come from the machine, such as no memory.

    Args:
        progress: Called with a label, steps done and steps in all.

    Returns:
        ``units``, ``certificates``, ``error_curve``, ``width_search``, ``verification``,
        ``implementations``, ``targets``, ``datapaths``, ``datapath_targets``, ``traffic`` and
        ``provenance``.

    Raises:
        UserError: If a tool, a package or the process kit is missing.
    """
    from sim.doctor import examine
    from sim.silicon.pdk import find_kit

    checks = examine()
    for check in checks:
        if check.required and not check.usable:
            raise UserError(f"{check.name}: {check.advice}")
    kit = find_kit(PDK)
    tools = {check.name: _version(check) for check in checks}
    sources = _source_digest()
    provenance = {
        "consilico": version("consilico"),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "tools": tools,
        "sources_sha256": sources,
        "kit": {
            "name": kit.name,
            "title": kit.title,
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
    return facts


def _version(check: "Check") -> str | None:
    if not check.usable:
        return None
    return check.version or "found"


def _source_digest() -> str:
    """Hash of everything that a measurement depends on in this project's own code."""
    root = Path(__file__).parents[1]
    files = sorted(
        path
        for folder in ("golden", "hw", "sim")
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return digest(*((str(path.relative_to(root)), path.read_bytes().hex()) for path in files))


def _gather(progress: Progress | None) -> dict[str, Any]:
    from sim.catalog import catalogue
    from sim.certify import certify_all
    from sim.error_curve import error_curve
    from sim.width_search import width_search
    from sim.workload.traffic import score_traffic

    units = catalogue()
    traffic = score_traffic(progress)  # collected here once, not by every worker
    certificates = certify_all(progress)
    widths = width_search(progress)
    head = sorted(traffic.heads, key=lambda constants: constants.scale)[len(traffic.heads) // 2]
    done = _run(_jobs(list(units.values())), progress)
    done += _run(_judged_jobs(_implementations(done)), progress)
    implementations = _implementations(done)
    rows = datapaths(entry for job, entries in done if job.kind == "datapath" for entry in entries)
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
        "verification": [
            entry for job, entries in done if job.kind == "verify" for entry in entries
        ],
        "implementations": implementations,
        "targets": judge(implementations),
        "datapaths": rows,
        "datapath_targets": datapath_targets(rows),
        "traffic": {
            **traffic.counts,
            "source": traffic.source,
            "synthetic": traffic.synthetic,
            "histogram": traffic.histogram.tolist(),
            "score_histogram": traffic.score_histogram.tolist(),
            "score_edges": traffic.score_edges.tolist(),
            "provenance": traffic.provenance,
        },
    }


def _implementations(done: _Done) -> list[dict[str, Any]]:
    return [entry for job, entries in done if job.kind == "implement" for entry in entries]


def _judged_jobs(implementations: list[dict[str, Any]]) -> list[_Job]:
    """16 lanes mapped for the clock of the netlist that area and path are judged on."""
    jobs = []
    for name in _ARCHITECTURES:
        best = representative(implementations, name)
        if best is not None and best["clock_ns"] != ENERGY_CLOCK_NS:
            jobs.append(_Job("implement", name, ("lanes=16",), best["clock_ns"]))
    return jobs


def _jobs(units: "list[Unit]") -> list[_Job]:
    """Everything to run, the longest first."""
    implement = [
        _Job("implement", name, (f"lanes={lanes}",), ENERGY_CLOCK_NS, ("normal", "model"))
        for lanes in reversed(_LANES)
        for name in reversed(_ARCHITECTURES)
    ]
    implement += [
        _Job("implement", name, (), clock_ns)
        for name in (*_ARCHITECTURES, _PAPER)
        for clock_ns in _SWEEP_NS
    ]
    implement.append(_Job("implement", _PAPER))
    implement += [
        _Job("datapath", unit.name, tuple(settings), CLOCK_NS, unit.sources)
        for unit in units
        if unit.name not in _ARCHITECTURES
        for settings in [(), *CONFIGURATIONS.get(unit.name, ())]
    ]
    verify = [
        _Job("verify", unit.name, tuple(settings))
        for unit in units
        for settings in [[], *_SETTINGS.get(unit.name, [])]
    ]
    return implement + verify


def _run(jobs: list[_Job], progress: Progress | None) -> _Done:
    """Run jobs, two at a time, and give their results in the order of the jobs."""
    spawn = multiprocessing.get_context("spawn")  # torch has threads: no fork
    results: dict[_Job, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(max_workers=_WORKERS, mp_context=spawn) as pool:
        futures = {pool.submit(_work, job): job for job in jobs}
        if progress is not None:
            progress("verify and implement", 0, len(jobs))
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                results[futures[future]] = future.result()
                if progress is not None:
                    progress("verify and implement", done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [(job, results[job]) for job in jobs]


def _work(job: _Job) -> list[dict[str, Any]]:
    import torch

    from sim.catalog import configure, find_unit

    torch.set_num_threads(1)
    if job.unit == _PAPER:
        from sim.units.consmax import PAPER as unit
    else:
        unit = find_unit(job.unit)
    config = configure(unit, list(job.settings))
    if job.kind == "verify":
        from sim.rtlsim.verify import verify

        return [verify(unit, config, _SIMULATORS, seed=SEED)]
    from sim.silicon.implement import implement

    return [
        {
            "unit": job.unit,
            "lanes": getattr(config, "lanes", 1),
            "clock_ns": job.clock_ns,
            "source": source,
            "result": implement(unit, config, PDK, job.clock_ns, source),
        }
        for source in job.sources
    ]
