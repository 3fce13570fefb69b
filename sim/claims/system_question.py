"""Questions that the simulator of a chip answers: a prompt or a token, or two of them compared."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import FORMS, UNITS, ClaimAnswer, Figure
from consilico.sim.explore.space import DesignPoint
from consilico.sim.memory.presets import find_model
from consilico.sim.system.answer import SystemAnswer
from consilico.sim.system.simulate import system
from consilico.sim.workload.graph import Workload

__all__ = ["QUANTITIES", "SystemQuestion"]

_OF_ATTENTION, _OF_LATENCY = "normaliser's share of attention", "normaliser's share of latency"
_ON_LANES = "share of latency of softmax on vector lanes"
_SHARES = (_OF_ATTENTION, _OF_LATENCY, _ON_LANES)
QUANTITIES = ("latency", "energy", "weight bytes", *_SHARES)
"""What may be asked for; a normalizer's share is of cycles that one without latency, buffer and
slices would not take. On vector lanes softmax of all scores comes in addition, one by one."""

_SOFTMAX_OPERATIONS = 5
"""Operations of softmax for each score: maximum, difference, exponential, sum and quotient."""

_WORKLOAD = {"model": "", "phase": "decode", "context": 4096, "new": 0, "batch": 1}


@dataclass(frozen=True, kw_only=True)
class SystemQuestion:
    """Cost of a prompt or a token on a chip, next to that of another one.

    A transform that the chip's units cannot do is in the bytes of weights, and not in cycles.
    """

    quantity: str  # one of QUANTITIES
    run: "_Run"
    against: "_Run | None"
    form: str  # one of FORMS but amounts
    dimension: ClassVar[str] = "ratio"

    @classmethod
    def read(cls, table: TomlTable) -> "SystemQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        quantity = table.choice("quantity", QUANTITIES)
        share = quantity in _SHARES
        runs = [_Run.read(run) for run in table.table("run")]
        others = [_Run.read(run) for run in table.table("against")]
        if not runs:
            raise table.error("run", "is missing")
        if share == bool(others):
            raise table.error("against", "must be given, but for a share of latency or attention")
        ratios = [form for form in FORMS if form not in ("amount", "less")]
        form = "amount" if share else table.choice("form", ratios)
        return cls(quantity=quantity, run=runs[0], against=others[0] if others else None, form=form)

    def answer(self, unit: str) -> ClaimAnswer:
        """Ask the simulator; the figure is in the unit that is named."""
        runs = [self.run] if self.against is None else [self.run, self.against]
        amounts = [_amount(self.quantity, run.answer()) for run in runs]
        other = amounts[1] if self.against else None
        figure = Figure.of(amounts[0], other, self.form, UNITS[unit])
        return ClaimAnswer(figure=figure, command=" && ".join(run.command for run in runs))


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A workload on a chip."""

    workload: Workload
    point: DesignPoint
    command: str

    @classmethod
    def read(cls, table: TomlTable) -> "_Run":
        """Return the run of a table: options of ``consilico system``, with ``_`` for ``-``."""
        known = {item.name: item.default for item in fields(DesignPoint)}
        given: dict[str, Any] = {}
        for name in table.data:
            default = (_WORKLOAD | known).get(name)
            if isinstance(default, str):
                given[name] = table.text(name)
            elif isinstance(default, float):
                given[name] = float(table.quantity(name))
            elif default is not None:
                given[name] = table.integer(name, 0)
        table.known += [*_WORKLOAD, *known]
        table.done()
        command = _command(given)
        try:
            workload = Workload(
                model=find_model(given.pop("model", "")),
                **{name: given.pop(name, _WORKLOAD[name]) for name in list(_WORKLOAD)[1:]},
            )
            point = DesignPoint(**given)
            point.chip()
        except UserError as error:
            raise table.error("", f"is not accepted: {error}") from None
        return cls(workload=workload, point=point, command=command)

    def answer(self) -> SystemAnswer:
        """Return what the run takes."""
        point = self.point
        return system(
            self.workload, point.chip(), point.normaliser, point.p_format, point.pdk,
            point.rung or None, transforms=point.transforms.split(),
        )  # fmt: skip


def _command(given: dict[str, Any]) -> str:
    parts = ["consilico system"]
    for name, value in given.items():
        if name == "transforms":
            parts += [f"--transform {text}" for text in value.split()]
        else:
            parts.append(f"--{name.replace('_', '-')} {value}")
    return " ".join(parts)


def _amount(quantity: str, found: SystemAnswer) -> Interval:
    """Return a quantity of an answer; of ratios only the middles are compared.

    What intervals come from is common to two runs on the same chip.
    """
    if quantity == "latency":
        return exactly(found.latency_s.value)
    if quantity == "energy":
        return exactly(found.total_j.value)
    if quantity == "weight bytes":
        ratio = found.effects[-1].weight_bytes_ratio if found.effects else 1.0
        return exactly(ratio)
    if quantity == _OF_LATENCY:
        return exactly(found.normalizer_share_of_latency)
    if quantity == _ON_LANES:
        operations = _SOFTMAX_OPERATIONS * sum(each.scores for each in found.graph.attention)
        softmax_s = operations / found.chip.lanes * found.chip.clock_ns * 1e-9
        return exactly(softmax_s / (found.latency_s.value + softmax_s))
    (work,) = {id(o): o.work for o in found.operators if o.work.engine == "tiles"}.values()
    return exactly((work.normalizer + work.buffer) / work.cycles.value)
