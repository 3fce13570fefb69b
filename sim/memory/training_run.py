"""The question that the ledger answers: one training run on one kind of GPU."""

from dataclasses import dataclass, fields
from typing import Any

from consilico.golden.config import check_fields
from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.methods import REFERENCE_METHODS, TrainingMethod, find_method
from consilico.sim.memory.settings import Settings

__all__ = ["TrainingRun"]


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Settings):
    """Training run: model, method and settings.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    model: Architecture
    method: str = "adamw"

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UserError(str(error)) from None
        method = find_method(self.method)
        if self.sharding != "none" and self.gpus == 1:
            raise UserError(f"gpus must be at least 2 with sharding {self.sharding}, not 1")
        if (self.per_layer or method.per_layer) and self.accumulation > 1:
            raise UserError(
                "accumulation must be 1 with per_layer (lomo and adalomo always have it): an update"
                f" frees the gradient that would be accumulated; not {self.accumulation}"
            )
        if self.rank > self.model.hidden:
            raise UserError(
                f"rank must be at most {self.model.hidden}, the hidden size of"
                f" {self.model.name}, not {self.rank}"
            )
        if self.dtype == "mixed" and (method.low_bit or self.kernel == "reference"):
            raise UserError(
                "dtype must not be mixed where integer weights are trained, or with kernel"
                f" reference: there are no master weights; not with {self.method}"
            )
        if self.model.positions and self.sequence > self.model.context:
            raise UserError(
                f"sequence must be at most {self.model.context}, the learned positions of"
                f" {self.model.name}, not {self.sequence}"
            )
        if self.kernel == "reference" and self.method not in REFERENCE_METHODS:
            known = ", ".join(REFERENCE_METHODS)
            raise UserError(f"kernel reference runs {known}, not {self.method}")
        if self.published and method.published is None:
            raise UserError(f"published is only known for q-galore, not for {self.method}")

    @property
    def method_description(self) -> TrainingMethod:
        """Return the method, as published or as our own code runs it where that is asked for."""
        if self.kernel == "reference":
            return REFERENCE_METHODS[self.method]
        method = find_method(self.method)
        return method.published if self.published and method.published else method

    @property
    def used_rank(self) -> int:
        """Return the rank, or the method's usual one where none is given."""
        usual = self.method_description.rank
        if self.rank or usual >= 0:
            return self.rank or usual
        return _USUAL.get(self.model.name, self.model.hidden // 4)

    def settings(self) -> dict[str, Any]:
        """Return all fields but the model by name, with the rank that is used."""
        names = [item.name for item in fields(self) if item.name != "model"]
        return {name: getattr(self, name) for name in names} | {"rank": self.used_rank}


_USUAL = {"llama-130m": 256}  # GaLore, Q-GaLore: elsewhere a quarter of the hidden size
