"""Facts about training hardware in the report: one run in full, others and methods next to it."""

from dataclasses import dataclass, replace
from typing import Any

from consilico.sim.accelerator.accelerator import PRECISIONS, Accelerator, SystolicArrays, find_dram
from consilico.sim.accelerator.step_cost import PhaseCost, StepCost, step_cost
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["PhaseRow", "StepRow", "TrainingHwFacts", "training_hw_facts"]

_PDK = "nangate45"
_METHODS = ("adamw", "adamw-8bit", "galore", "galore-8bit", "q-galore", "lora")
_TOKENS = (256, 2048, 16384)  # of a step, as sequences of 256


@dataclass(frozen=True, kw_only=True)
class PhaseRow(Facts):
    """Work and cost of one phase of a step."""

    phase: str
    flops: float
    dram_read_bytes: float
    dram_written_bytes: float
    sram_bytes: float  # read and written
    energy_j: Interval
    time_s: Interval


@dataclass(frozen=True, kw_only=True)
class StepRow(Facts):
    """The cost of a whole step, as one row of a table."""

    label: str
    tokens: int  # of the step
    energy_j: Interval
    time_s: Interval
    power_w: Interval  # mean over the step
    area_um2: Interval  # of all parts
    phases: tuple[PhaseRow, ...]

    @property
    def energy_per_token_mj(self) -> float:
        """Return the step's energy divided by its tokens, in millijoules."""
        return 1e3 * self.energy_j.value / self.tokens


@dataclass(frozen=True, kw_only=True)
class TrainingHwFacts(Facts):
    """One run in full, and others next to it."""

    answer: dict[str, Any]  # of ``consilico training-hw``: LLaMA-7B with Q-GaLore in INT8
    answer_in_bf16: dict[str, Any]  # the same run with products in bfloat16
    headline: StepRow  # the run of ``answer``
    scenarios: tuple[StepRow, ...]  # the run in each precision, with each kind of SVD
    methods: tuple[StepRow, ...]  # in INT8, with full SVD
    batches: tuple[StepRow, ...]  # the run with other numbers of tokens


def training_hw_facts() -> TrainingHwFacts:
    """Return the costs of training steps; a second or two of work."""
    run = TrainingRun(model=find_model("llama-7b"), method="q-galore", rank=1024, sequence=256)
    accelerator = Accelerator(array=SystolicArrays(), dram=find_dram("hbm2"))
    scenarios = [
        _row(
            f"{precision}, {svd} SVD",
            step_cost(run, replace(accelerator, precision=precision), _PDK, svd),
        )
        for precision in PRECISIONS
        for svd in ("full", "randomised")
    ]
    methods = []
    for name in _METHODS:
        own = replace(run, method=name, rank=1024 if "galore" in name else 0)
        methods.append(_row(own.method_description.title, step_cost(own, accelerator, _PDK)))
    batches = []
    for tokens in _TOKENS:
        own = replace(run, batch=tokens // run.sequence)
        batches.append(_row(f"{tokens} tokens", step_cost(own, accelerator, _PDK)))
    headline = step_cost(run, accelerator, _PDK)
    return TrainingHwFacts(
        answer=headline.to_json(),
        answer_in_bf16=step_cost(run, replace(accelerator, precision="bf16"), _PDK).to_json(),
        headline=_row("headline", headline),
        scenarios=tuple(scenarios),
        methods=tuple(methods),
        batches=tuple(batches),
    )


def _row(label: str, found: StepCost) -> StepRow:
    run = found.run
    return StepRow(
        label=label,
        tokens=run.batch * run.sequence * run.accumulation,
        energy_j=found.energy_j,
        time_s=found.time_s,
        power_w=found.power_w,
        area_um2=found.total_um2,
        phases=tuple(_phase(phase) for phase in found.phases),
    )


def _phase(phase: PhaseCost) -> PhaseRow:
    work = phase.work
    return PhaseRow(
        phase=work.name,
        flops=work.flops,
        dram_read_bytes=sum(work.bytes("read").values()),
        dram_written_bytes=sum(work.bytes("written").values()),
        sram_bytes=sum(item.sram_read_bytes + item.sram_written_bytes for item in work.items),
        energy_j=phase.total_j,
        time_s=phase.time_s,
    )
