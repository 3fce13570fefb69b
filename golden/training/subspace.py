"""Keep the low-rank subspace of a layer's gradient: GaLore's projection, Q-GaLore's lazy update.

GaLore: arXiv 2403.03507. Q-GaLore: arXiv 2407.08296, sections 3.2 and 3.3.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from consilico.golden.training.affine import Affine, quantize_affine
from consilico.golden.training.method import Method

__all__ = ["Subspace"]


class Subspace:
    """Leading singular vectors of a gradient, renewed every ``gap`` updates.

    The vectors lie on the shorter side of the gradient. With ``method.lazy`` the gap doubles when
    the last ``method.queue`` renewals changed the subspace little: when the mean cosine between the
    leading vectors before and after reaches the threshold. This follows the authors' code, except
    that the absolute value of the cosine counts: the sign of a singular vector is arbitrary. The
    other vectors swap places too freely to be compared one by one.
    """

    def __init__(self, method: Method, threshold: float) -> None:
        self._method = method
        self._threshold = threshold
        self.basis: Tensor | Affine | None = None  # one vector per row
        self.gap = method.gap
        self.renewals = 0  # singular value decompositions so far
        self._age = 0
        self._similarities: list[float] = []

    def advance(self, gradient: Tensor) -> None:
        """Go on to the next update, and renew the subspace from its gradient if that is due.

        Args:
            gradient: Float32, shape ``(outputs, inputs)``.
        """
        if self.basis is None or self._age >= self.gap:
            self._renew(gradient)
            self._age = 0
        self._age += 1

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
        return self.basis.dequantize() if isinstance(self.basis, Affine) else self.basis

    def _renew(self, gradient: Tensor) -> None:
        left, _, right = torch.linalg.svd(gradient, full_matrices=False)
        short = right if gradient.shape[0] >= gradient.shape[1] else left.T
        vectors = short[: self._method.rank].clone()  # a slice would keep all of them alive
        if self._method.lazy and self.basis is not None:
            self._note(vectors)
        four = self._method.projection == 4
        self.basis = quantize_affine(vectors, self._method.projection_format) if four else vectors
        self.renewals += 1

    def _note(self, vectors: Tensor) -> None:
        similarity = F.cosine_similarity(self.vectors()[0], vectors[0], dim=0).abs().item()
        self._similarities = [*self._similarities, similarity][-self._method.queue :]
        full = len(self._similarities) == self._method.queue
        if full and sum(self._similarities) / self._method.queue >= self._threshold:
            self.gap *= 2
