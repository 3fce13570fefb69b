"""The matrices of a model that get adapters, by the short names that people use."""

from functools import lru_cache

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture

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
        targets: ``all`` matrices of the blocks (peft's ``all-linear``),
            those of ``attention``, or short names separated by commas.

    Raises:
        UserError: If a name is unknown, or the model has no such matrix.
    """
    roles = {"all": ("attention", "mlp", "expert"), "attention": ("attention",)}.get(targets)
    if roles:
        return frozenset(p.name for p in model.parameters() if p.role in roles)
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
