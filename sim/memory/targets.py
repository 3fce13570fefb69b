"""The matrices of a model that get adapters, by the short names that people use."""

from functools import lru_cache

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture, Parameter

__all__ = ["adapted_parameters"]

_NAMES = {
    "q": ("query", "query, key and value"),
    "k": ("key", "query, key and value"),
    "v": ("value", "query, key and value"),
    "o": ("attention output",),
    "gate": ("gate", "gate and up"),
    "up": ("up", "gate and up"),
    "down": ("down",),
    "head": ("output layer",),
    "embed": ("embedding",),
}
"""The short names, and the parameters that one stands for: one of them, as a model has it."""


@lru_cache(maxsize=256)
def adapted_parameters(model: Architecture, targets: str) -> frozenset[str]:
    """Return the names of the parameters that get adapters.

    Args:
        model: The model.
        targets: ``all`` that peft's ``all-linear`` finds in the blocks, those of ``attention``, or
            short names separated by commas.

    Raises:
        UserError: If a name is unknown, or the model has no such matrix.
    """
    if targets == "attention":
        return frozenset(p.name for p in model.parameters() if p.role == "attention")
    if targets == "all":
        return frozenset(p.name for p in model.parameters() if _is_found(p, model))
    there = {p.name for p in model.parameters()}
    found = set()
    for short in (text.strip() for text in targets.split(",")):
        if short not in _NAMES:
            known = ", ".join(("all", "attention", *_NAMES))
            raise UserError(f"targets must be among {known}, not {short!r}")
        names = [name for name in _NAMES[short] if name in there]
        if not names:
            tied = ": it is the embedding" if short == "head" and model.tied else ""
            raise UserError(
                f"targets must name matrices of {model.name}, which has no {short}{tied}"
            )
        found.update(names)
    return frozenset(found)


def _is_found(p: Parameter, model: Architecture) -> bool:
    """Tell whether peft's ``all-linear`` gives a parameter of the blocks an adapter.

    It finds linear layers. Where it knows a mixture's parameters by name it adapts those instead of
    layers that are called as the experts' matrices once were: dense and shared MLPs get none (peft
    0.21.2, ``_convert_peft_config_moe``).
    """
    if p.role == "attention":
        return True
    if model.adapts_stacks and p.role in ("mlp", "expert", "router"):
        return p.role == "expert" or p.name == "router"
    return p.role in ("mlp", "router") and p.columns > 1 and p.layer
