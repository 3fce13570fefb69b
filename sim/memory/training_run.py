"""The question that the ledger answers: one training run on one kind of GPU."""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Protocol

from consilico.golden.config import check_fields
from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.bases import BASES, BITSANDBYTES, base_of
from consilico.sim.memory.idle_settings import idle_settings
from consilico.sim.memory.methods import TrainingMethod, find_method, varied
from consilico.sim.memory.recipes.recipe import AppliedRecipe, find_recipe
from consilico.sim.memory.reference_methods import REFERENCE_METHODS
from consilico.sim.memory.settings import Settings
from consilico.sim.memory.targets import adapted_parameters

__all__ = ["TrainedModel", "TrainingRun", "run_by_recipe"]


class TrainedModel(Protocol):
    """Facts about a model that a run needs; the ledger needs its whole :class:`Architecture`."""

    @property
    def name(self) -> str:
        """Return the name by which answers call the model."""

    @property
    def hidden(self) -> int:
        """Return the elements of a token's hidden state."""

    @property
    def context(self) -> int:
        """Return the longest sequence that the model was made for."""

    @property
    def positions(self) -> int:
        """Return the number of learned position embeddings; 0 if it has none."""

    @property
    def quantization(self) -> str:
        """Return what its configuration says of quantized weights; empty if nothing."""


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Settings):
    """Training run: model, method and settings.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    model: TrainedModel
    method: str = "adamw"
    recipe: str = ""  # that the settings were taken from

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UserError(str(error)) from None
        if problem := self._contradiction(find_method(self.method)) or self._idle():
            raise UserError(problem)
        if self.targets != "all" and isinstance(self.model, Architecture):
            adapted_parameters(self.model, self.targets)  # refuses what the model has not

    def _contradiction(self, method: TrainingMethod) -> str:
        """Say which field contradicts another one, and what is accepted; empty if none does."""
        if self.sharding != "none" and self.gpus == 1:
            return f"gpus must be at least 2 with sharding {self.sharding}, not 1"
        if (self.per_layer or method.per_layer) and self.accumulation > 1:
            return (
                "accumulation must be 1 with per_layer (lomo and adalomo always have it): an update"
                f" frees the gradient that would be accumulated; not {self.accumulation}"
            )
        if (self.per_layer or method.per_layer) and self.gradients == "kept":
            return (
                "gradients must be freed with per_layer (lomo and adalomo always have it): an"
                " update inside the backward pass frees each; not kept"
            )
        if self.logits == "held" and self.loss not in ("eager", "in-place", "compiled"):
            return f"logits must be dropped with loss {self.loss}: it makes none; not held"
        if isinstance(self.model, Architecture) and self.sampled > self.model.layers:
            return (
                f"sampled must be at most {self.model.layers}, the blocks of {self.model.name}, not"
                f" {self.sampled}"
            )
        if self.rank > self.model.hidden:
            return (
                f"rank must be at most {self.model.hidden}, the hidden size of"
                f" {self.model.name}, not {self.rank}"
            )
        masters = method.low_bit or self.kernel in ("reference", *_BITSANDBYTES)
        if self.dtype == "mixed" and masters:
            return (
                "dtype must not be mixed where integer weights are trained, or with kernel"
                " reference or bitsandbytes: there are no master weights; not with"
                f" {self.method}, {self.kernel}"
            )
        if self.model.positions and self.sequence > self.model.context:
            return (
                f"sequence must be at most {self.model.context}, the learned positions of"
                f" {self.model.name}, not {self.sequence}"
            )
        if self.packed > self.sequence:
            return f"packed must be at most the {self.sequence} tokens, not {self.packed}"
        if self.kernel == "reference" and self.method not in REFERENCE_METHODS:
            return f"kernel reference runs {', '.join(REFERENCE_METHODS)}, not {self.method}"
        if self.published and method.published is None:
            return f"published is only known for q-galore, not for {self.method}"
        if not 0 <= self.lora_dropout < 1:
            return f"lora_dropout must be at least 0 and below 1, not {self.lora_dropout!r}"
        return self._base_contradiction()

    def _base_contradiction(self) -> str:
        """Say how the base below the adapters contradicts another field; empty if it does not."""
        base = self.used_base
        if self.base == "bfloat16" and self.dtype not in ("bfloat16", "bfloat16-amp", "mixed"):
            return f"base must not be bfloat16 with dtype {self.dtype}: a model is loaded in one"
        if self.kbit_prepared and base not in BITSANDBYTES:
            return (
                f"kbit_prepared must be off with base {base or 'of floats'}: peft prepares"
                f" {', '.join(BITSANDBYTES)} so"
            )
        if self.kbit_cast and not (self.kbit_prepared and self.dtype == "bfloat16-amp"):
            return (
                "kbit_cast must be off without kbit_prepared and dtype bfloat16-amp: trl casts what"
                f" was prepared, under autocast; not with {self.dtype}"
            )
        if self.loading == "whole" and not base:
            return "loading must be direct where the base stays floats: nothing is quantized then"
        if self.dora and base in ("gptq4", "awq4"):
            return f"dora must be off with base {base}: peft has no such layer"
        return ""

    def _idle(self) -> str:
        """Say which setting was given and does nothing for the method; empty if none was.

        A setting counts as given where it is not its default.
        """
        for name, why in idle_settings(self.method_description, self.kernel).items():
            value, default = getattr(self, name), Settings.__dataclass_fields__[name].default
            if value != default:
                usual, given = ("off", "on") if default is False else (default, value)
                return f"{name} must be {usual} with {self.method}, {why}; not {given}"
        return ""

    @property
    def architecture(self) -> Architecture:
        """Return the model's architecture.

        Raises:
            UserError: If only ``transformers`` knows it.
        """
        if not isinstance(self.model, Architecture):
            raise UserError(
                f"{self.model.name} is of a family that the ledger does not know: it is counted"
                " with --engine execute only"
            )
        return self.model

    @property
    def method_description(self) -> TrainingMethod:
        """Return the method as the run has it: published, our own, or with other tensors."""
        return _described(
            self.method, self.kernel, self.published, self._base, self.dora, self.first_moment
        )

    @property
    def used_rank(self) -> int:
        """Return the rank, or the method's usual one where none is given."""
        usual = self.method_description.rank
        if self.rank or usual >= 0:
            return self.rank or usual
        return _USUAL.get(self.model.name, self.model.hidden // 4)

    @property
    def used_base(self) -> str:
        """Return how the frozen matrices are quantized, or an empty text if they are floats."""
        if self._base in BASES:
            return self._base
        usual = {"nf4": "nf4-double", "int4": "gptq4"}.get(find_method(self.method).frozen_base, "")
        return usual if self._base == "usual" else ""

    @property
    def _base(self) -> str:
        """Return the base that was given, or else what the model's configuration asks for."""
        if self.base != "usual" or not find_method(self.method).frozen_base:
            return self.base
        return base_of(self.model.quantization) or "usual"

    @property
    def adapted(self) -> frozenset[str]:
        """Return the names of the model's matrices that get adapters."""
        if not self.method_description.adapters:
            return frozenset()
        return adapted_parameters(self.architecture, self.targets)

    @property
    def weight_dtype(self) -> str:
        """Return the type of weights as they are loaded."""
        return {
            "mixed": "bfloat16", "amp": "float32", "bfloat16-amp": "bfloat16",
            "float16-amp": "float16",
        }.get(self.dtype, self.dtype)  # fmt: skip

    @property
    def autocast(self) -> bool:
        """Tell whether products run under autocast."""
        return self.dtype.endswith("amp")

    @property
    def used_states_block(self) -> int:
        """Return how many 8-bit states share a scale."""
        return self.states_block or (2048 if self.published or self.kernel == "reference" else 256)

    def settings(self) -> dict[str, Any]:
        """Return all fields but the model by name, with the rank, base and block that are used."""
        names = [item.name for item in fields(self) if item.name not in ("model", "recipe")]
        used: dict[str, Any] = {"rank": self.used_rank, "states_block": self.used_states_block}
        if self.method_description.frozen_base:
            used["base"] = self.used_base or self.weight_dtype
        return {name: getattr(self, name) for name in names} | used

    @property
    def applied_recipe(self) -> AppliedRecipe | None:
        """Return the run's recipe and where each setting comes from; None without a recipe."""
        if not self.recipe:
            return None
        defaults = {item.name: item.default for item in fields(self)}
        asked = {name: getattr(self, name) for name in self.settings()}
        return AppliedRecipe.of(find_recipe(self.recipe), asked, self.settings(), defaults)


def run_by_recipe(
    model: TrainedModel, recipe: str, method: str | None = None, **given: Any
) -> TrainingRun:
    """Return a run as a framework does it, but for what is given.

    Args:
        model: The model.
        recipe: Name of the recipe.
        method: Another method than the recipe's: what does nothing for it is left out.
        given: Settings that come before those of the recipe.

    Raises:
        UserError: If there is no such recipe, or a value is not accepted.
    """
    found = find_recipe(recipe)
    settings = dict(found.settings)
    if method not in (None, found.method):
        kernel = given.get("kernel", settings.get("kernel", ""))
        for name in idle_settings(find_method(method), kernel):
            settings.pop(name, None)
    return TrainingRun(
        model=model, method=method or found.method, recipe=recipe, **{**settings, **given}
    )


@lru_cache(maxsize=256)
def _described(
    name: str, kernel: str, published: bool, base: str, dora: bool, first_moment: bool
) -> TrainingMethod:
    """Return a method by name as a run with these settings has it."""
    if kernel == "reference":
        return REFERENCE_METHODS[name]
    method = find_method(name)
    if published and method.published:
        return method.published
    return varied(method, base=base, magnitudes=dora, first_moment=first_moment)


_BITSANDBYTES = ("bitsandbytes", "bitsandbytes-8bit")
_USUAL = {"llama-130m": 256}  # GaLore, Q-GaLore: elsewhere a quarter of the hidden size
