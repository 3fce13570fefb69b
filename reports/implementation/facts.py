"""What the report says of implementation quality: curves, areas, proofs, the choice of Yosys."""

from typing import Any

from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.progress import Progress
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.synthesis.yosys import yosys_version
from consilico.sim.silicon.synthesis.yosys_compare import comparison
from consilico.sim.silicon.timing.opensta import sta_version

__all__ = ["implementation_facts"]

_PDK = "nangate45"
_CLOCKS_NS = (4.0, 1.4, 1.1, 0.9, 0.8, 0.7)
_RESOLUTION = 0.01  # of the fastest clock
_SWEPT: tuple[tuple[str, tuple[str, ...]], ...] = (  # small ones: a netlist in seconds
    ("consmax/log2", ()),
    ("consmax/split", ()),
    ("matmul/dot", ("lanes=4",)),
    ("matmul/requant", ("lanes=1",)),
    ("training/stochastic_round", ()),
)
_MODULES_NS = 2.0  # clock that areas and proofs are for

Job = tuple[str, str, tuple[str, ...]]  # what to do, unit, settings


def implementation_facts(progress: Progress | None = None) -> dict[str, Any]:
    """Facts of the report's section, two jobs at a time; netlists and proofs are cached.

    Args:
        progress: Called with a label, jobs done and jobs in all.

    Returns:
        ``pdk``, ``title``, ``corner``, ``voltage_v``, ``node_nm``, ``tools``; ``curves``, of some
        units (:func:`sweep.sweep`, with ``unit`` and ``config``); ``modules``, a row a
        unit: ``flat_um2``, ``area_um2`` with boundaries kept, ``by_module_um2``,
        ``by_purpose_um2``, ``cells`` and ``proof``, mapped for ``clock_ns``; ``yosys``
        (:func:`consilico.sim.silicon.synthesis.yosys_compare.comparison`).

    Raises:
        UserError: If a tool or the kit is missing.
    """
    from consilico.sim.units.catalogue import catalogue

    kit = find_kit(_PDK)
    jobs: list[Job] = [("proof", name, ()) for name in catalogue()]
    jobs += [("sweep", *item) for item in _SWEPT]
    done = in_parallel(_work, jobs, "implementation", progress=progress)
    pairs = list(zip(jobs, done, strict=True))
    return {
        "pdk": kit.name,
        "title": kit.title,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "node_nm": kit.node_nm,
        "tools": {"yosys": yosys_version(), "sta": sta_version()},
        "clock_ns": _MODULES_NS,
        "curves": [found for job, found in pairs if job[0] == "sweep"],
        "modules": [found for job, found in pairs if job[0] == "proof"],
        "yosys": comparison().to_json(),
    }


def _work(job: Job) -> dict[str, Any]:
    from consilico.sim.silicon.implement import PROOF_S
    from consilico.sim.silicon.synthesis.equivalence import cached_proof
    from consilico.sim.silicon.synthesis.hierarchy import area_by_module, marked_unit
    from consilico.sim.silicon.synthesis.sweep import sweep
    from consilico.sim.silicon.synthesis.synthesize import synthesize
    from consilico.sim.units.catalogue import configure, find_unit, verilog

    what, name, settings = job
    unit, kit = find_unit(name), find_kit(_PDK)
    config = configure(unit, list(settings))
    text, top = verilog(unit, config), unit.module_name
    head = {"unit": name, "config": config.to_json(), "settings": list(settings)}
    if what == "sweep":
        return head | sweep(text, top, kit, _CLOCKS_NS, resolution=_RESOLUTION).to_json()
    found = synthesize(text, top, kit, _MODULES_NS)
    parts = area_by_module(marked_unit(unit, config), top, kit, _MODULES_NS, found.recipe)
    return head | {
        "flat_um2": found.area_um2,
        **parts.to_json(),
        "cells": found.cells,
        "proof": cached_proof(text, found, top, kit, PROOF_S).to_json(),
    }
