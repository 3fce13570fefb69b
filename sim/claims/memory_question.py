"""Questions that the memory ledger answers: what a training run holds, and next to another one."""

from dataclasses import dataclass
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import FORMS, UNITS, ClaimAnswer, Figure
from consilico.sim.memory.entries import Entry
from consilico.sim.memory.gpus import GpuMemory, find_gpu
from consilico.sim.memory.ledger import Ledger, ledger
from consilico.sim.memory.margins import needed_memory
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.settings import Settings
from consilico.sim.memory.training_run import TrainingRun, run_by_recipe

__all__ = ["QUANTITIES", "MemoryQuestion"]

QUANTITIES = {  # what they are amounts of
    "peak": "bytes",  # of all tensors
    "needed": "bytes",  # with the context of a GPU and its allocator, and with the ledger's error
    "persistent": "bytes",  # tensors that live through the whole step
    "weights": "bytes",  # with their quantization constants
    "weights and states": "bytes",
    "states": "bytes",  # of the optimizer: moments with their constants, and projections
    "moments": "bytes",  # the same without projections
    "adapters": "bytes",
    "gradients": "bytes",  # of all parameters, whether or not they live at the same time
    "parameters": "count",  # of the model
    "trained parameters": "count",
}
_RUN = ("model", "method", "recipe")


@dataclass(frozen=True, kw_only=True)
class MemoryQuestion:
    """Memory that a training run takes by the ledger, or its ratio to that of another run."""

    quantity: str  # one of QUANTITIES
    run: TrainingRun
    against: TrainingRun | None
    form: str  # one of FORMS
    families: tuple[str, ...]  # headings of the ledger that count, such as MLP matrices; all if ()
    gpu: str  # whose context is added to what is needed
    commands: tuple[str, ...]

    @classmethod
    def read(cls, table: TomlTable) -> "MemoryQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        quantity = table.choice("quantity", (*QUANTITIES,))
        runs = [_run(run) for run in table.table("run")]
        if not runs:
            raise table.error("run", "is missing")
        others = [_run(run) for run in table.table("against")]
        form = table.choice("form", FORMS, "amount")
        if (form == "amount") == bool(others):
            raise table.error(
                "form", f"must be amount without against, and one of the others with it, not {form}"
            )
        gpu = table.text("gpu", "") or "rtx4090-24gb"
        families = table.texts("families", ())
        if families and quantity in ("peak", "needed", "parameters", "trained parameters"):
            raise table.error("families", f"must be left out with quantity {quantity}")
        try:
            find_gpu(gpu)
        except UserError as error:
            raise table.error("gpu", f"is not accepted: {error}") from None
        for run in (*runs, *others) if families else ():
            known = {entry.name.partition(":")[0] for entry in ledger(run).plan.persistent}
            if missing := [name for name in families if name not in known]:
                raise table.error(
                    "families",
                    f"must be some of {', '.join(sorted(known))}, not {missing[0]!r}",
                )
        more = f" --gpu {gpu}" if quantity == "needed" else ""
        return cls(
            quantity=quantity,
            run=runs[0],
            against=others[0] if others else None,
            form=form,
            families=families,
            gpu=gpu,
            commands=tuple(_command(run) + more for run in (*runs, *others)),
        )

    @property
    def dimension(self) -> str:
        """Return what the answer measures: a key of no unit's name, such as ``bytes``."""
        return "ratio" if self.form not in ("amount", "less") else QUANTITIES[self.quantity]

    def answer(self, unit: str) -> ClaimAnswer:
        """Ask the ledger; the figure is in the unit that is named."""
        against = None if self.against is None else self._amount(self.against)
        figure = Figure.of(self._amount(self.run), against, self.form, UNITS[unit])
        return ClaimAnswer(figure=figure, command=" && ".join(self.commands))

    def _amount(self, run: TrainingRun) -> Interval:
        """Return the quantity of one run."""
        if self.quantity == "parameters":
            return exactly(run.architecture.parameter_count)
        if self.quantity == "needed":
            needed = needed_memory(run, GpuMemory.of(find_gpu(self.gpu))).in_bytes()
            return Interval(needed.value, needed.low, needed.high)
        found = ledger(run)
        if self.quantity == "peak":
            return exactly(found.peak_bytes)
        if self.quantity == "trained parameters":
            return exactly(_trained(found))
        if self.quantity == "gradients":
            return exactly(float(found.plan.gradient_bytes))
        return exactly(
            sum(
                float(entry.bytes)
                for entry in found.plan.persistent
                if not self.families or entry.name.partition(":")[0] in self.families
                if _counts(entry, self.quantity)
            )
        )


def _counts(entry: Entry, quantity: str) -> bool:
    """Tell whether a line of the ledger is part of a quantity."""
    constants = entry.kind == "quantization constants"
    weights = entry.kind == "weights" or (constants and entry.name.endswith("of weight"))
    projections = entry.kind == "projections" or (constants and "projection" in entry.name)
    moments = entry.kind == "optimizer states" or (constants and not weights and not projections)
    return {
        "persistent": True,
        "weights": weights,
        "weights and states": weights or moments or projections,
        "states": moments or projections,
        "moments": moments,
        "adapters": entry.kind == "adapters",
    }[quantity]


def _trained(found: Ledger) -> float:
    """Return the number of elements that have a gradient."""
    return float(
        sum(
            t.treatment.gradient(t.dims) * t.trained_count
            for t in found.plan.tensors
            if t.treatment.gradient is not None
        )
    )


def _run(table: TomlTable) -> TrainingRun:
    """Return the run that a table describes: a model, a method or a recipe, and settings."""
    names = (*_RUN, *Settings.__dataclass_fields__)
    model, recipe = table.text("model"), table.text("recipe", "")
    given = {name: value for name, value in table.data.items() if name not in _RUN}
    if unknown := [name for name in table.data if name not in names]:
        raise table.error(unknown[0], f"is unknown; accepted: {', '.join(names)}")
    method = table.text("method", "") or None
    try:
        shape = find_model(model)
        if recipe:
            return run_by_recipe(shape, recipe, method, **given)
        return TrainingRun(model=shape, method=method or "adamw", **given)
    except UserError as error:
        raise table.error("", f"is not accepted: {error}") from None


def _command(run: TrainingRun) -> str:
    """Return the command that shows the ledger of a run."""
    words = ["consilico memory", f"--model {run.model.name}"]
    words.append(f"--recipe {run.recipe}" if run.recipe else f"--method {run.method}")
    plain = TrainingRun(model=run.model, method=run.method)
    if run.recipe:
        plain = run_by_recipe(run.model, run.recipe, run.method)
        words.append(f"--method {run.method}")
    for name, field in Settings.__dataclass_fields__.items():
        value: Any = getattr(run, name)
        if value == getattr(plain, name):
            continue
        option = field.metadata.get("flag") or name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option} {value}")
    return " ".join(words)
