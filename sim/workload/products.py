"""Matrix products with their shapes, as a model's forward or backward pass has them."""

from dataclasses import dataclass

__all__ = ["ACTIVATION", "GRADIENT", "SCORES", "MatrixProduct", "ProductOperand"]


@dataclass(frozen=True, kw_only=True)
class ProductOperand:
    """One of the three matrices of a product."""

    kind: str  # weight, adapter, activation, gradient, weight gradient, scores, and of GaLore:
    # projection or INT4 projection, low-rank, update
    name: str = ""  # of the parameter, where it is one
    stays: bool = False  # on chip: part of a fused operation, never in DRAM


ACTIVATION, GRADIENT = ProductOperand(kind="activation"), ProductOperand(kind="gradient")
SCORES = ProductOperand(kind="scores")


@dataclass(frozen=True, kw_only=True)
class MatrixProduct:
    """Products of one shape: ``a`` of m x k by ``b`` of k x n makes ``c`` of m x n."""

    name: str
    phase: str  # forward, recompute, backward or projection
    m: int
    k: int
    n: int
    a: ProductOperand
    b: ProductOperand
    c: ProductOperand
    count: int = 1  # in all
    # part of the multiply-accumulates that a mask leaves something of
    seen: float = 1.0

    @property
    def macs(self) -> int:
        """Return the multiply-accumulates of all of them, masked ones included."""
        return self.m * self.k * self.n * self.count

    @property
    def useful_macs(self) -> float:
        """Return the multiply-accumulates of all of them that no mask makes void."""
        return self.macs * self.seen

    @property
    def flops(self) -> int:
        """Return the FLOPs of all of them: two for each multiply-accumulate."""
        return 2 * self.macs

    @property
    def elements(self) -> tuple[int, int, int]:
        """Return the elements of a, b and c of one product."""
        return self.m * self.k, self.k * self.n, self.m * self.n
