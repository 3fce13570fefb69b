"""Work after the gradients: new subspaces (SVD), the optimizer's arithmetic, INT8 weights."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from consilico.sim.base.errors import UserError
from consilico.sim.memory.entries import BITS
from consilico.sim.memory.holdings import Holding
from consilico.sim.memory.step_time import LAZY, svd_flops
from consilico.sim.memory.tensor_plan import TensorPlan, TrainedParameter

__all__ = [
    "ADAM",
    "SVDS",
    "Renewal",
    "held_bytes",
    "randomised_svd_flops",
    "svd_work",
    "update_operations",
]

SVDS = ("full", "randomised")

ADAM, APPLY, DECAY, SCALE = 12, 2, 1, 1
"""Scalar operations of an element: Adam's direction (Kingma and Ba, Algorithm 1: first moment 3,
second 4, its bias, root and epsilon 3, bias of the first and quotient 2) of each state; learning
rate and difference, decoupled decay, GaLore's scale of each weight."""

_OVERSAMPLED = 8  # vectors more than the rank: Halko et al., section 1.3: 5 or 10
_POWERS = 2  # of A A' (torch.svd_lowrank's default; Halko et al., section 4.5: 1 or 2)


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """Decompositions of a step, on average."""

    flops: float
    products_flops: float  # part of it in matrix products with the gradient (randomised only)
    read_bytes: float
    written_bytes: float
    decompositions: float


def randomised_svd_flops(rows: int, columns: int, rank: int) -> tuple[float, float]:
    """Return all FLOPs of a randomized SVD, and those of its products with the matrix.

    Halko, Martinsson and Tropp (SIAM Review 53, 2011, Algorithms 4.4 and 5.1), as
    ``torch.svd_lowrank`` runs it: products with the matrix, ``2 (q + 1)`` of them, each ``2 m n l``
    with ``l = rank + 8`` vectors and ``q = 2`` powers; an orthonormalization after each but the
    last (Householder, both factors: ``4 (m l^2 - l^3 / 3)``, Golub and Van Loan, section 5.2); the
    SVD of the ``l x n`` rest; left vectors ``2 m l^2``.
    """
    m, n = rows, columns
    width = min(rank + _OVERSAMPLED, m, n)
    products = 2 * (_POWERS + 1) * 2.0 * m * n * width
    factors = (_POWERS + 1) * _orthonormal(m, width) + _POWERS * _orthonormal(n, width)
    left = 2.0 * m * width * width
    return products + factors + svd_flops(width, n) + left, products


def _orthonormal(length: int, width: int) -> float:
    """Return the FLOPs of orthonormalizing ``width`` vectors (Golub and Van Loan, section 5.2)."""
    return 4.0 * (length * width * width - width**3 / 3)


def svd_work(plan: TensorPlan, svd: str, gap: int, sram_bytes: float) -> Renewal:
    """Return the work of new subspaces, spread over the ``gap`` steps between two.

    A full SVD is ``6 m n^2 + 20 n^3`` (Golub and Van Loan, table 8.6.1), as in the ledger's time.
    Half the work of its bidiagonalization is in products of the trailing matrix with a vector: it
    is read twice per column, float32, from DRAM as long as it does not fit on chip (Dongarra et
    al., J. Comput. Appl. Math. 27, 1989, section 6). Q-GaLore, which is lazy, renews 0.362 of its
    subspaces (arXiv 2407.08296, section 4.4, LLaMA-130M).

    Args:
        plan: The run.
        svd: One of :data:`SVDS`.
        gap: Steps between two subspaces.
        sram_bytes: SRAM on the chip.

    Raises:
        UserError: If ``svd`` or ``gap`` is not accepted.
    """
    if svd not in SVDS:
        raise UserError(f"svd must be one of {', '.join(SVDS)}, not {svd!r}")
    if type(gap) is not int or gap < 1:
        raise UserError(f"gap must be a positive number of steps, not {gap!r}")
    share = (LAZY if plan.method.lazy else 1.0) / gap
    flops = products = read = written = count = 0.0
    for t in plan.tensors:
        if not t.treatment.svd:
            continue
        m, n = int(t.dims.long), int(t.dims.short)
        times = share * t.trained_count
        element = t.gradient / t.dims.full
        if svd == "randomised":
            work, inner = randomised_svd_flops(m, n, int(t.dims.rank))
            gradient_reads = 2.0 * (_POWERS + 1)
        else:
            work, inner = svd_flops(m, n), 0.0
            gradient_reads = 1.0
            resident = min((sram_bytes / 4) ** 0.5, n)  # side of a square that fits
            read += times * 2 * 4 * (n**3 - resident**3) / 3
        flops, products, count = flops + times * work, products + times * inner, count + times
        read += times * gradient_reads * element * m * n
        written += times * basis_bytes(plan, t)
    return Renewal(
        flops=flops, products_flops=products, read_bytes=read, written_bytes=written,
        decompositions=count,
    )  # fmt: skip


def basis_bytes(plan: TensorPlan, tensor: TrainedParameter) -> float:
    """Return the bytes of a projection with its constants."""
    return sum(held_bytes(plan, tensor, h)[0] for h in _of(tensor, "projections"))


def held_bytes(plan: TensorPlan, tensor: TrainedParameter, holding: Holding) -> tuple[float, float]:
    """Return the bytes of a holding with the constants of its groups, and of these alone."""
    elements = int(holding.elements(tensor.dims))
    constants = 0.0
    if holding.group:
        constants = -(-elements // plan.group_of(holding.group)) * holding.constants
    return elements * BITS[plan.dtype_of(holding)] / 8 + constants, constants


def _of(tensor: TrainedParameter, kind: str) -> Iterator[Holding]:
    """Yield the holdings of a kind that a parameter brings with it."""
    return (h for h in tensor.treatment.holdings if h.kind == kind)


def update_operations(plan: TensorPlan) -> Counter[str]:
    """Return the operations of the update phase by the unit that does them.

    ``float operation``: Adam, decay, scaling. ``state quantization`` and ``dequantization``: 8-bit
    states, both moments. ``weight update``: INT8 weights, each with its stochastic rounding.
    ``value quantization``: gradients and steps that an INT4 projection meets as INT8.
    """
    found: Counter[str] = Counter()
    if plan.method.forward_only:
        return found
    for t in plan.tensors:
        if not t.trains:
            continue
        count = t.trained_count
        states = list(_of(t, "optimizer states"))
        weights = int(t.treatment.gradient(t.dims)) if t.treatment.gradient else 0
        for holding in states[:1]:  # the second moment has as many elements
            elements = int(holding.elements(t.dims)) * count
            found["float operation"] += ADAM * elements
            if plan.dtype_of(holding) == "uint8":
                found["state dequantization"] += 2 * elements
                found["state quantization"] += 2 * elements
        stored = t.treatment.holdings[0]
        if plan.dtype_of(stored) == "uint8" and not t.treatment.trains_factors:
            found["weight update"] += weights * count
        else:
            found["float operation"] += (APPLY + DECAY * bool(states)) * weights * count
        for holding in _of(t, "projections"):
            found["float operation"] += SCALE * weights * count
            if plan.dtype_of(holding) == "int4":
                groups = -(-int(t.dims.short) // plan.run.group)
                found["value quantization"] += (weights + groups * int(t.dims.low)) * count
    return found
