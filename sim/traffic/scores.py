"""Attention scores as INT8 hardware sees them: which are sampled, and how they are quantized."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.traffic.archive import from_archive, to_archive

__all__ = ["HeadCalibration", "ScoreSampling", "ScoreTraffic", "quantize_scores"]


@dataclass(frozen=True, kw_only=True)
class ScoreSampling:
    """Size of a sample of attention scores, and how it is quantized.

    A tile is ``tile`` consecutive queries of one head against every key up to the last of them, row
    by row, key by key. Its last ``tile`` columns straddle the causal mask, as they do in hardware
    that skips only the tiles that lie wholly above the diagonal.

    Raises:
        ValueError: If a field's value is not accepted.
    """

    windows: int = 24  # passages of text, from as many works where there are enough
    window: int = 256  # tokens in a passage
    tile: int = 16  # queries in a tile
    tiles_per_head: int = 3  # at different depths of the window
    headroom: float = 1.0  # over the head's largest |score|
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("windows", "window", "tile", "tiles_per_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        if self.window % self.tile:
            raise ValueError(f"window must be a multiple of tile {self.tile}, not {self.window}")
        if not 1.0 <= self.headroom <= 1.5:
            raise ValueError(f"headroom must be in [1.0, 1.5], not {self.headroom!r}")

    def plan(self, heads: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Choose each head's tiles, spread over the depth of the window.

        Returns:
            Window of each tile and its first query, each int64, shape ``(heads, tiles_per_head)``.
        """
        rng = np.random.default_rng(self.seed)
        size = (heads, self.tiles_per_head)
        window = rng.integers(self.windows, size=size)
        depth = (np.arange(self.tiles_per_head) + rng.random(size)) / self.tiles_per_head
        return window, (depth * (self.window // self.tile)).astype(np.int64) * self.tile

    def mask(self, first_query: int) -> NDArray[np.bool_]:
        """Return the causal mask of a tile: True is masked out.

        Returns:
            Shape ``(tile, first_query + tile)``.
        """
        queries = first_query + np.arange(self.tile)
        return np.arange(first_query + self.tile) > queries[:, None]

    def to_json(self) -> dict[str, Any]:
        """Return the field values by name."""
        return asdict(self)


_ARRAYS = ("codes", "mask", "histogram", "score_histogram", "score_edges")


@dataclass(frozen=True, kw_only=True)
class HeadCalibration:
    """Constants that the hardware holds for one head, from calibration on real text."""

    layer: int
    head: int  # query head within the layer
    scale: float  # natural units a code step
    log_c: float  # natural logarithm of ConSmax's merged constant C
    max_abs_score: float  # largest unmasked |score| seen in calibration, natural units


@dataclass(frozen=True, kw_only=True)
class ScoreTraffic:
    """Scores grouped by head, each head's tiles row by row, key by key.

    A masked position carries the score the matrix product computed for it, saturated to INT8.
    """

    codes: NDArray[np.int8]  # (n,), -127..127; score = code * heads[head].scale
    mask: NDArray[np.bool_]  # (n,), True: masked out, the result must be exactly 0
    head: NDArray[np.int32]  # (n,), index into ``heads``, ascending
    heads: list[HeadCalibration]
    histogram: NDArray[np.int64]  # (256,), unmasked codes, code -128 first
    score_histogram: NDArray[np.int64]  # (256,), unmasked scores before quantization
    score_edges: NDArray[np.float64]  # (257,), bin edges of it, natural units
    provenance: dict[str, Any]  # model, text, sampling, tool versions; JSON-able
    source: str  # "SmolLM2-135M-Instruct on ..." or "synthetic: ..."
    synthetic: bool  # not from a model: a report must say so

    @classmethod
    def from_tiles(
        cls,
        tiles: list[list[tuple[NDArray[np.float32], NDArray[np.bool_]]]],
        heads: list[HeadCalibration],
        *,
        provenance: dict[str, Any],
        source: str,
        synthetic: bool,
    ) -> "ScoreTraffic":
        """Return the traffic of sampled tiles, whose scores are quantized to INT8.

        Args:
            tiles: For each head its tiles: scores in natural units and mask, of equal shape
                ``(queries, keys)``.
            heads: Constants of each head.
            provenance: Where the scores come from.
            source: The same in one phrase.
            synthetic: Whether no model made the scores.
        """
        scores = [np.concatenate([score.ravel() for score, _ in of_head]) for of_head in tiles]
        mask = np.concatenate([mask.ravel() for of_head in tiles for _, mask in of_head])
        codes = np.concatenate(
            [quantize_scores(of_head, c.scale) for of_head, c in zip(scores, heads, strict=True)]
        )
        seen = np.concatenate(scores)[~mask].astype(np.float64)
        counts, edges = np.histogram(seen, bins=256)
        return cls(
            codes=codes,
            mask=mask,
            head=_head_index([len(of_head) for of_head in scores]),
            heads=heads,
            histogram=np.bincount(codes[~mask].astype(np.int64) + 128, minlength=256),
            score_histogram=counts,
            score_edges=edges,
            provenance=provenance,
            source=source,
            synthetic=synthetic,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Return how many scores, masked ones, layers and heads the trace holds."""
        return {
            "scores": len(self.codes),
            "masked": int(self.mask.sum()),
            "layers": len({constants.layer for constants in self.heads}),
            "heads": len(self.heads),
        }

    def to_bytes(self) -> bytes:
        """Return an ``.npz`` archive that carries the digest of its own content."""
        scores = np.bincount(self.head, minlength=len(self.heads)).tolist()
        about = {
            "heads": [asdict(constants) for constants in self.heads],
            "scores": scores,
            "provenance": self.provenance,
            "source": self.source,
            "synthetic": self.synthetic,
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return to_archive(about, arrays, compress=True)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "ScoreTraffic":
        """Return the traffic from an archive that :meth:`to_bytes` wrote.

        Raises:
            ValueError: If the archive is damaged in any way.
        """
        about, arrays = from_archive(raw, "trace")
        return cls(
            head=_head_index(about["scores"]),
            heads=[HeadCalibration(**constants) for constants in about["heads"]],
            provenance=about["provenance"],
            source=about["source"],
            synthetic=about["synthetic"],
            **arrays,
        )


def quantize_scores(scores: NDArray[np.floating[Any]], scale: float) -> NDArray[np.int8]:
    """Round scores to the nearest multiple of ``scale``, saturating at -127 and 127."""
    codes: NDArray[np.int8] = np.clip(np.rint(scores / scale), -127, 127).astype(np.int8)
    return codes


def _head_index(scores: list[int]) -> NDArray[np.int32]:
    """Return the head of each score, from the number of scores of each head."""
    return np.repeat(np.arange(len(scores), dtype=np.int32), scores)
