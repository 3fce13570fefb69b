"""Keep the low-rank subspace of a layer's gradient: GaLore's projection, Q-GaLore's lazy update.

GaLore: arXiv 2403.03507. Q-GaLore: arXiv 2407.08296, sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from consilico.golden.training.affine import Affine, quantize_affine
from consilico.golden.training.method import Method

__all__ = ["Subspace"]


class Subspace:
    """Leading singular vectors of a gradient, renewed now and then.

    They are renewed before each update whose index, from 0, is a multiple of the gap. The vectors
    lie on the shorter side of the gradient. With ``method.lazy`` the gap doubles when
    the last ``method.queue`` renewals changed the subspace little: when the mean cosine between the
    leading vectors before and after reaches the threshold. The other vectors swap places too freely
    to be compared one by one.

    The cosine's absolute value counts, as the sign of a singular vector is arbitrary, and the
    vector before is the one that is held, in 4 bits or in 32. In the published variant the sign
    counts, and the vector before is kept in float for that purpose; and INT4 groups run along the
    vectors of a tall gradient, but across those of a wide one.
    """

    def __init__(self, method: Method, threshold: float) -> None:
        self._method = method
        self._threshold = threshold
        self.basis: Tensor | Affine | None = None  # one vector per row, unless transposed
        self.gap = method.gap
        self.renewals = 0  # singular value decompositions so far
        self._updates = 0
        self._similarities: list[float] = []
        self._transposed = False  # the basis has one vector per column
        self._leading: Tensor | None = None  # of the published variant

    def advance(self, gradient: Tensor) -> None:
        """Go on to the next update, and renew the subspace from its gradient if that is due.

        Args:
            gradient: Float32, shape ``(outputs, inputs)``.
        """
        if self.basis is None or self._updates % self.gap == 0:
            self._renew(gradient)
        self._updates += 1

    def down(self, gradient: Tensor) -> Tensor:
        """Project a gradient to ``(outputs, rank)`` if tall or square, else ``(rank, inputs)``."""
        tall = gradient.shape[0] >= gradient.shape[1]
        return gradient @ self.vectors().T if tall else self.vectors() @ gradient

    def up(self, low: Tensor, shape: torch.Size) -> Tensor:
        """Bring back what :meth:`down` made of a gradient of this shape."""
        return low @ self.vectors() if shape[0] >= shape[1] else self.vectors().T @ low

    def vectors(self) -> Tensor:
        """Return the singular vectors in use, float32, shape ``(rank, min(outputs, inputs))``.

        Raises:
            RuntimeError: If there has been no gradient yet.
        """
        if self.basis is None:
            raise RuntimeError("a subspace needs a gradient first")
        basis = self.basis.dequantize() if isinstance(self.basis, Affine) else self.basis
        return basis.T if self._transposed else basis

    def to_plain(self) -> dict[str, Any]:
        """Return tensors and numbers that :meth:`from_plain` makes the same subspace of."""
        basis = self.basis
        return {
            "basis": dict(vars(basis)) if isinstance(basis, Affine) else basis,
            "gap": self.gap,
            "renewals": self.renewals,
            "updates": self._updates,
            "similarities": list(self._similarities),
            "transposed": self._transposed,
            "leading": self._leading,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], method: Method, threshold: float) -> Subspace:
        """Return the subspace that :meth:`to_plain` was called on."""
        made = cls(method, threshold)
        basis = plain["basis"]
        made.basis = Affine(**basis) if isinstance(basis, Mapping) else basis
        made.gap, made.renewals = plain["gap"], plain["renewals"]
        made._updates, made._similarities = plain["updates"], list(plain["similarities"])
        made._transposed, made._leading = plain["transposed"], plain["leading"]
        return made

    def _renew(self, gradient: Tensor) -> None:
        left, _, right = torch.linalg.svd(gradient, full_matrices=False)
        tall = gradient.shape[0] >= gradient.shape[1]
        short = right if tall else left.T
        vectors = short[: self._method.rank].clone()  # a slice would keep all of them alive
        if self._method.lazy:
            self._note(vectors[0])
        four, self._transposed = self._method.projection == 4, False
        if four and self._method.published and not tall:
            vectors, self._transposed = vectors.T.contiguous(), True
        self.basis = quantize_affine(vectors, self._method.projection_format) if four else vectors
        self.renewals += 1

    def _note(self, vector: Tensor) -> None:
        """Compare the leading vector with the one before, and double the gap where that is due."""
        published = self._method.published
        if self.basis is not None:
            before = self._leading if self._leading is not None else self.vectors()[0]
            cosine = F.cosine_similarity(before, vector, dim=0).item()
            similarity = cosine if published else abs(cosine)
            self._similarities = [*self._similarities, similarity][-self._method.queue :]
            full = len(self._similarities) == self._method.queue
            if full and sum(self._similarities) / self._method.queue >= self._threshold:
                self.gap *= 2
        if published:
            self._leading = vector.clone()
