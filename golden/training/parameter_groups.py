"""Divide a model's parameters into the groups that its training usually treats differently."""

from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

__all__ = ["parameter_groups"]


def parameter_groups(model: nn.Module, *, keep: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return groups for :class:`consilico.golden.training.qgalore.QGaLore`, parameters named.

    - Weights of linear layers take the optimizer's own options: they are projected, where it has a
      rank.
    - Weights of embeddings are not projected and keep float32 states, as the authors of 8-bit Adam
      advise (arXiv 2110.02861, section 2.3): where a row's gradient is zero, a second moment that
      rounds to zero next to a first moment that does not would make the step explode.
    - Other matrices, and the weights of linear layers in ``keep``, are not projected.
    - Vectors, which are biases and the weights of norms, are neither projected nor decayed.

    Args:
        model: The model. If its layers are to be INT8, they are so already.
        keep: Names of linear layers, such as the output layer, that are not projected.

    Raises:
        ValueError: If ``keep`` names no module.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    unknown = set(keep) - set(modules)
    if unknown:
        raise ValueError(f"keep must name modules of the model, not {sorted(unknown)}")
    kept = {modules[name] for name in keep}
    embeddings = {m.weight for m in modules.values() if isinstance(m, nn.Embedding)}
    linear = {m.weight for m in modules.values() if isinstance(m, nn.Linear) and m not in kept}
    linear -= {m.weight for m in kept if isinstance(m, nn.Linear)}
    projected: list[tuple[str, Tensor]] = []
    embedded: list[tuple[str, Tensor]] = []
    matrices: list[tuple[str, Tensor]] = []
    vectors: list[tuple[str, Tensor]] = []
    for name, parameter in model.named_parameters():
        if parameter in embeddings:
            embedded.append((name, parameter))
        elif parameter in linear:
            projected.append((name, parameter))
        else:
            (vectors if parameter.dim() < 2 else matrices).append((name, parameter))
    groups: list[dict[str, Any]] = [
        {"params": projected},
        {"params": embedded, "rank": 0, "states": 32},
        {"params": matrices, "rank": 0},
        {"params": vectors, "rank": 0, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
