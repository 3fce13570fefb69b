"""Effects of published ways to compute less on a chip: ``consilico system --transform``.

Each says whether it is a matter of counts only, or needs hardware, and which. What the chip's units
cannot do is refused in cycles: latency, energy and area stay, and only what it would leave of
multiply-accumulates and bytes of weights is counted. None says anything of a model's answers.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.system.chip import Chip, weight_format
from consilico.sim.workload.elementwise import ElementwisePass
from consilico.sim.workload.graph import OperatorGraph
from consilico.sim.workload.products import MatrixProduct

__all__ = ["TRANSFORMS", "Effect", "Transformed", "transformed", "useful_macs", "weight_bytes"]

Item = TypeVar("Item", MatrixProduct, ElementwisePass)

_COUNTS, _THERE, _MISSING = "counts only", "hardware that is there", "hardware that is not there"
_SIMILARITY = 3  # operations per element of a cosine: a product of two, and two squares
_MLP = re.compile(r"\b(gate|up|down|router)\b")


@dataclass(frozen=True, kw_only=True)
class Transformed:
    """A workload on a chip after a transform."""

    graph: OperatorGraph
    chip: Chip
    kind: str
    needs: str  # hardware, in words; empty: none
    macs: float  # useful ones that are left
    weight_bytes: float  # that are left
    notes: tuple[str, ...] = ()

    @property
    def in_cycles(self) -> bool:
        """Tell whether graph and chip are what the transform makes of them."""
        return self.kind != _MISSING


@dataclass(frozen=True, kw_only=True)
class Effect(Facts):
    """Effect of a transform, after those before it; ratios are to the workload without any."""

    name: str  # as it was asked for
    source: str
    kind: str  # counts only, hardware that is there, hardware that is not there
    needs: str
    in_cycles: bool  # whether latency and energy have it
    macs_ratio: float  # useful multiply-accumulates
    weight_bytes_ratio: float
    latency_ratio: float
    energy_ratio: float
    notes: tuple[str, ...]


def transformed(text: str, graph: OperatorGraph, chip: Chip) -> tuple[Transformed, str]:
    """Return a workload after a transform, and the source of that.

    Args:
        text: ``name:arguments``, of :data:`TRANSFORMS`.
        graph: The workload.
        chip: What it runs on.

    Raises:
        UserError: If there is no such transform, it does not take these arguments, or the workload
            does not have what it changes.
    """
    for name, (apply, source, _) in TRANSFORMS.items():
        if text == name or text.startswith(f"{name}:"):
            return apply(text[len(name) + 1 :], graph, chip), source
    raise UserError(f"transform must be one of {_accepted()}, not {text!r}")


def useful_macs(graph: OperatorGraph, chip: Chip) -> float:
    """Return the multiply-accumulates of a forward pass that no mask makes void.

    Of weights in 2:4 half of them are left out.
    """
    linear = sum(p.useful_macs for p in graph.linear)
    kept = linear / 2 if chip.weights.name == "2:4" else linear
    return kept + sum(p.useful_macs for a in graph.attention for p in a.products())


def weight_bytes(graph: OperatorGraph, chip: Chip) -> float:
    """Return the bytes of the weights that are met, in DRAM."""
    return graph.weights * chip.weights.bits / 8


def _ffn_skip(text: str, graph: OperatorGraph, chip: Chip) -> Transformed:
    """Skip a share of the MLPs of each token; a similarity of in- and output decides which.

    Tokens that are computed together skip a block only where all of them do: the share to the
    power of their number, as if tokens were independent.
    """
    share = _numbers("ffn-skip", text, 1, 0, 1)[0]
    rows, model = graph.workload.rows, graph.workload.model
    skipped = sum(p.useful_macs for p in graph.linear if _MLP.search(p.name)) * share
    if graph.workload.phase == "prefill":
        return Transformed(
            graph=graph, chip=chip, kind=_MISSING,
            needs="a gather of those tokens of a prompt that do not skip a block",
            macs=useful_macs(graph, chip) - skipped, weight_bytes=weight_bytes(graph, chip),
            notes=("every block is met by some token of a prompt: no weight stays unread",),
        )  # fmt: skip
    together = share**rows
    linear = tuple(
        replace(p, count=_left(p.count, together)) if _MLP.search(p.name) else p
        for p in graph.linear
    )
    passes = tuple(
        replace(p, count=_left(p.count, together)) if p.name == "activation" else p
        for p in graph.elementwise
    )
    layers, h = len(model.pattern), model.hidden * rows
    cosine = ElementwisePass(
        name="residuals, similarity", count=layers, reads=2 * h, writes=rows,
        operations=_SIMILARITY * h,
    )  # fmt: skip
    changed = replace(graph, linear=_some(linear), elementwise=(*_some(passes), cosine))
    blocks = f"{layers - _left(layers, together)} of {layers} blocks are skipped"
    return Transformed(
        graph=changed, chip=chip, kind=_COUNTS, needs="", macs=useful_macs(changed, chip),
        weight_bytes=weight_bytes(changed, chip),
        notes=(
            blocks if rows == 1 else
            f"{blocks}: those that all {rows} tokens skip, as if these were independent",
            "a cosine of each block's in- and output is computed on vector lanes",
        ),
    )  # fmt: skip


def _welore(text: str, graph: OperatorGraph, chip: Chip) -> Transformed:
    """Cut matrices into two factors of a rank; those that would grow stay whole."""
    layers = len(graph.workload.model.pattern)
    ranks = [int(rank) for rank in _numbers("welore", text, 0, 0, 1 << 20, whole=True)]
    if len(ranks) not in (1, layers):
        raise UserError(
            f"transform welore takes one rank, or one for each of the {layers} layers (0: whole),"
            f" not {len(ranks)}"
        )
    found: list[MatrixProduct] = []
    spent = used = whole = 0
    for p in graph.linear:
        if p.name == "output layer" or "router" in p.name:
            found.append(p)
            continue
        if p.count % len(ranks):
            raise UserError("transform welore takes one rank for a model whose layers differ")
        for rank in sorted(set(ranks)):
            count = ranks.count(rank) * p.count // len(ranks)
            if not rank or rank * (p.k + p.n) >= p.k * p.n:
                found.append(replace(p, count=count))
                whole += count
                continue
            found += [
                replace(p, name=f"{p.name}, first factor", n=rank, count=count),
                replace(p, name=f"{p.name}, second factor", k=rank, count=count),
            ]
            spent += ceil(rank / chip.columns) * chip.columns * count
            used += rank * count
    changed = replace(graph, linear=tuple(found))
    notes = [f"{whole} matrices of the blocks stay whole, as their factors would not be smaller"]
    if spent:
        notes.append(
            f"{1 - used / spent:.1%} of the columns of arrays for first factors are padding"
        )
    return Transformed(
        graph=changed, chip=chip, kind=_COUNTS, needs="", macs=useful_macs(changed, chip),
        weight_bytes=weight_bytes(changed, chip), notes=tuple(notes if whole else notes[1:]),
    )  # fmt: skip


def _eora(text: str, graph: OperatorGraph, chip: Chip) -> Transformed:
    """Add a branch of two factors to each matrix of the blocks, which makes up for compression."""
    rank = int(_numbers("eora", text, 1, 1, 1 << 20, whole=True)[0])
    found: list[MatrixProduct] = []
    for p in graph.linear:
        if p.name == "output layer" or "router" in p.name:
            found.append(p)
            continue
        found += [replace(p, name=f"{p.name}, compensation", n=rank), replace(p, k=p.k + rank)]
    changed = replace(graph, linear=tuple(found))
    return Transformed(
        graph=changed, chip=chip, kind=_THERE,
        needs="sums that go on over a second product: here its operands follow those of the first",
        macs=useful_macs(changed, chip), weight_bytes=weight_bytes(changed, chip),
        notes=((
            f"both factors lie in the format of the weights ({chip.weights.name}); the second one"
            " has the scales of the matrix that it is added to, and what the first one makes is"
            " requantized to the scale of the activations"
        ),),
    )  # fmt: skip


def _two_of_four(text: str, graph: OperatorGraph, chip: Chip) -> Transformed:
    """Keep two of four weights."""
    if text:
        raise UserError(f"transform 2:4 takes no arguments, not {text!r}")
    if chip.weights.name != "int8":
        raise UserError(f"transform 2:4 is of INT8 weights, not of {chip.weights.name}")
    sparse = replace(chip, weights=weight_format("2:4"))
    note = "arrays multiply with the zeros: what runs on them takes as many cycles as before"
    return Transformed(
        graph=graph, chip=sparse, kind=_THERE,
        needs="lanes of matmul/sparse_dot to take fewer cycles; there are no arrays for 2:4",
        macs=useful_macs(graph, sparse), weight_bytes=weight_bytes(graph, sparse),
        notes=(note,),
    )  # fmt: skip


def _owl(text: str, graph: OperatorGraph, chip: Chip) -> Transformed:
    """Leave out weights, another share in each layer, wherever they stand."""
    layers = len(graph.workload.model.pattern)
    shares = _numbers("owl", text, 0, 0, 1)
    if len(shares) not in (1, layers):
        raise UserError(
            f"transform owl takes one share of zeros, or one for each of the {layers} layers, not"
            f" {len(shares)}"
        )
    if chip.weights.name == "2:4":
        raise UserError("transform owl is of dense weights, not of 2:4")
    mean = sum(shares) / len(shares)
    inside = [p for p in graph.linear if p.name != "output layer"]
    elements = sum(p.k * p.n * p.count for p in inside)
    bits = chip.weights.bits
    packed = elements * (bits * (1 - mean) + 1) / 8  # and a bit that says which are there
    eighths = [ceil(8 * (1 - share) - 1e-9) for share in shares]
    kept = (
        f"{min(eighths)}:8" if len(set(eighths)) == 1 else f"{min(eighths)}:8 to {max(eighths)}:8"
    )
    return Transformed(
        graph=graph, chip=chip, kind=_MISSING,
        needs="lanes that select operands: dense units multiply with the zeros, and nothing here"
        f" unpacks a bitmap; as {kept}, lanes that select N of 8",
        macs=useful_macs(graph, chip) - mean * sum(p.useful_macs for p in inside),
        weight_bytes=weight_bytes(graph, chip) - elements * bits / 8 + packed,
        notes=(f"{mean:.1%} zeros in the mean, a bit per weight says where",),
    )  # fmt: skip


def _scatterbrain(text: str, graph: OperatorGraph, chip: Chip) -> Transformed:
    """Split attention into the scores that count most and random features for all others."""
    keep, features = _numbers("scatterbrain", text, 2, 0, 1 << 20)
    if keep > 1 or features < 1 or features != int(features):
        raise UserError(
            "transform scatterbrain takes the share of scores that are kept, up to 1, and a number"
            f" of random features, not {text!r}"
        )
    macs = useful_macs(graph, chip)
    for a in graph.attention:
        macs -= sum(p.useful_macs for p in a.products())
        kept = keep * a.scores
        rows = a.layers * a.batch * a.new
        macs += kept * (a.key_dim + a.value_dim + features)  # and what features gave is taken off
        macs += rows * a.heads * features * (a.key_dim + a.value_dim)  # queries meet the sums
        macs += rows * a.kv_heads * features * (a.key_dim + a.value_dim)  # which keys are added to
    return Transformed(
        graph=graph, chip=chip, kind=_MISSING,
        needs="hashing of queries and keys, a gather of scores, and units for random features",
        macs=macs, weight_bytes=weight_bytes(graph, chip),
        notes=("counted, no unit: exponentials of features and the hashing are not in the count",),
    )  # fmt: skip


def _left(count: int, share: float) -> int:
    """Return what is left of a number of blocks without a share of them."""
    return count - round(share * count)


def _some(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return those of which there are any."""
    return tuple(item for item in items if item.count)


def _numbers(
    name: str, text: str, count: int, low: float, high: float, whole: bool = False
) -> list[float]:
    """Return the numbers of a transform's arguments; a count of 0 is any above none."""
    try:
        found = [float(part) for part in text.split(",")]
        good = all(low <= x <= high and (x == int(x) or not whole) for x in found)
        if not good or (count and len(found) != count):
            raise ValueError
    except (ValueError, OverflowError):
        raise UserError(f"transform {name} takes {TRANSFORMS[name][2]}, not {text!r}") from None
    return found


def _accepted() -> str:
    return ", ".join(f"{name} ({words})" for name, (_, _, words) in TRANSFORMS.items())


Apply = Callable[[str, OperatorGraph, Chip], Transformed]
TRANSFORMS: dict[str, tuple[Apply, str, str]] = {
    "ffn-skip": (
        _ffn_skip, "FFN-SkipLLM, arXiv 2404.03865", "the share of blocks skipped, such as 0.25",
    ),
    "welore": (
        _welore, "WeLore, arXiv 2407.11239", "a rank, or one for each layer by commas; 0: whole",
    ),
    "eora": (_eora, "EoRA, arXiv 2410.21271", "the rank of the branch"),
    "2:4": (_two_of_four, "CAST, arXiv 2509.25996", "no arguments"),
    "owl": (
        _owl, "OWL, arXiv 2310.05175", "a share of zeros, or one for each layer by commas",
    ),
    "scatterbrain": (
        _scatterbrain, "Scatterbrain, arXiv 2110.15343",
        "the share of scores kept and the number of features, such as 0.1,64",
    ),
}  # fmt: skip
"""Transforms by name: what applies each, the paper, and the arguments."""
