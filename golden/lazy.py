"""PyTorch, imported when it is first used.

A unit's configuration and its golden model are one module. The generators need only the
configuration, and importing PyTorch takes seconds, so modules that hold both say
``from consilico.golden.lazy import torch`` and write ``torch.where(...)`` as usual.
"""

from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["torch"]

if TYPE_CHECKING:
    import torch
else:

    class _Torch(ModuleType):
        def __getattr__(self, name: str) -> Any:
            import torch

            return getattr(torch, name)

    torch = _Torch("torch")
