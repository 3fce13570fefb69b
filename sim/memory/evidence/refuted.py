"""Published peaks that cannot be, with the arithmetic that refutes them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.facts import Facts
from consilico.sim.memory.evidence.tables import UNITS
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.tensor_plan import TensorPlan
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["RefutedPeak", "refuted_peaks"]

_KINDS = {  # of tensors that a run cannot do without: kinds of the ledger
    "weights": ("weights", "quantization constants"),
    "adapters": ("adapters",),
    "states": ("optimizer states", "projections"),
}


@dataclass(frozen=True, kw_only=True)
class RefutedPeak(Facts):
    """A published peak, and the tensors that are larger than it."""

    source: str
    label: str
    model: str
    published: float
    unit: str
    parts: dict[str, float]  # weights, adapters, states and gradients, in that unit

    @property
    def least(self) -> float:
        """Return what the parts come to."""
        return sum(self.parts.values())

    @property
    def refuted(self) -> bool:
        """Tell whether the published peak is below that."""
        return self.published < self.least

    @property
    def arithmetic(self) -> str:
        """Return the sum in words, such as ``weights 137.95 + states 0.60 = 138.55 GB > 75``."""
        words = " + ".join(f"{name} {size:.2f}" for name, size in self.parts.items() if size)
        return f"{words} = {self.least:.2f} {self.unit} > {self.published:g}"


def refuted_peaks() -> tuple[RefutedPeak, ...]:
    """Return the peaks of ``refuted.toml``."""
    data = tomllib.loads(Path(__file__).with_name("refuted.toml").read_text())
    rows = []
    for item in data["run"]:
        settings = dict(item["settings"])
        run = TrainingRun(model=find_model(settings.pop("model")), **settings)
        plan = TensorPlan(run)
        sizes = {
            name: sum(float(e.bytes) for e in plan.persistent if e.kind in kinds)
            for name, kinds in _KINDS.items()
        }
        sizes["gradients"] = float(plan.gradient_bytes)
        unit = UNITS[item["unit"]]
        rows.append(
            RefutedPeak(
                source=item["source"],
                label=item["label"],
                model=run.model.name,
                published=item["published"],
                unit=item["unit"],
                parts={name: size / unit for name, size in sizes.items()},
            )
        )
    return tuple(rows)
