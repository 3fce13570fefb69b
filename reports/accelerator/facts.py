"""What the report says of training hardware: one run in full, scenarios and methods beside it."""

from dataclasses import replace
from typing import Any

from consilico.sim.accelerator.accelerator import PRECISIONS, Accelerator, SystolicArrays, find_dram
from consilico.sim.accelerator.step_cost import step_cost
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["training_hw_facts"]

_PDK = "nangate45"
_METHODS = ("adamw", "adamw-8bit", "galore", "galore-8bit", "q-galore", "lora")
_TOKENS = (256, 2048, 16384)  # of a step, as sequences of 256


def training_hw_facts() -> dict[str, Any]:
    """JSON-able; a second or two of work.

    Returns:
        ``headline``: LLaMA-7B with Q-GaLore, as
        :func:`consilico.sim.accelerator.step_cost.step_cost` gives it. ``scenarios``: the same in
        each precision, with each kind of SVD. ``methods``, in
        INT8. ``batches``, of the headline's run. Rows have ``label``, ``energy_j``, ``time_s``,
        ``power_w`` and ``area_um2`` (intervals), ``tokens`` and ``phases`` (energy and time).
    """
    run = TrainingRun(model=find_model("llama-7b"), method="q-galore", rank=1024, sequence=256)
    accelerator = Accelerator(array=SystolicArrays(), dram=find_dram("hbm2"))
    scenarios = [
        _row(
            f"{precision}, {svd} SVD",
            run,
            step_cost(run, replace(accelerator, precision=precision), _PDK, svd).to_json(),
        )
        for precision in PRECISIONS
        for svd in ("full", "randomised")
    ]
    methods = []
    for name in _METHODS:
        own = replace(run, method=name, rank=0 if name == "lora" else 1024)
        methods.append(
            _row(own.method_description.title, own, step_cost(own, accelerator, _PDK).to_json())
        )
    batches = []
    for tokens in _TOKENS:
        own = replace(run, batch=tokens // run.sequence)
        batches.append(_row(f"{tokens} tokens", own, step_cost(own, accelerator, _PDK).to_json()))
    return {
        "headline": step_cost(run, accelerator, _PDK).to_json(),
        "float": step_cost(run, replace(accelerator, precision="bf16"), _PDK).to_json(),
        "scenarios": scenarios,
        "methods": methods,
        "batches": batches,
    }


def _row(label: str, run: TrainingRun, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "label": label,
        "tokens": run.batch * run.sequence * run.accumulation,
        "energy_j": found["energy_j"],
        "time_s": found["time_s"],
        "power_w": found["power_w"],
        "area_um2": found["area_um2"]["total"],
        "phases": {
            phase["phase"]: {"energy_j": phase["total_j"], "time_s": phase["time_s"]}
            for phase in found["phases"]
        },
    }
