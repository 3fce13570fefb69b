"""Attention scores as INT8 hardware sees them, with each head's constants."""

import io
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.results import canonical, digest

__all__ = ["HeadConstants", "ScoreTraffic", "quantize"]

_ARRAYS = ("codes", "mask", "histogram", "score_histogram", "score_edges")


@dataclass(frozen=True, kw_only=True)
class HeadConstants:
    """What the hardware is configured with for one head."""

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
    heads: list[HeadConstants]
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
        heads: list[HeadConstants],
        *,
        provenance: dict[str, Any],
        source: str,
        synthetic: bool,
    ) -> "ScoreTraffic":
        """Quantize sampled tiles.

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
            [quantize(of_head, c.scale) for of_head, c in zip(scores, heads, strict=True)]
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
        """How many scores, masked ones, layers and heads the trace holds."""
        return {
            "scores": len(self.codes),
            "masked": int(self.mask.sum()),
            "layers": len({constants.layer for constants in self.heads}),
            "heads": len(self.heads),
        }

    def to_bytes(self) -> bytes:
        """An ``.npz`` archive that carries the digest of its own content."""
        scores = np.bincount(self.head, minlength=len(self.heads)).tolist()
        about = {
            "heads": [asdict(constants) for constants in self.heads],
            "scores": scores,
            "provenance": self.provenance,
            "source": self.source,
            "synthetic": self.synthetic,
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        file = io.BytesIO()
        np.savez_compressed(
            file,
            about=np.array(canonical(about)),
            sha256=np.array(_content_digest(about, arrays)),
            **arrays,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "ScoreTraffic":
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ValueError: If the archive is damaged in any way.
        """
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
                about = json.loads(archive["about"].item())
                arrays = {name: archive[name] for name in _ARRAYS}
                sha256 = archive["sha256"].item()
        except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds
            raise ValueError(f"damaged trace: {error}") from error
        if sha256 != _content_digest(about, arrays):
            raise ValueError("damaged trace: its content does not match its SHA-256")
        return cls(
            head=_head_index(about["scores"]),
            heads=[HeadConstants(**constants) for constants in about["heads"]],
            provenance=about["provenance"],
            source=about["source"],
            synthetic=about["synthetic"],
            **arrays,
        )


def quantize(scores: NDArray[np.floating[Any]], scale: float) -> NDArray[np.int8]:
    """Round scores to the nearest multiple of ``scale``, saturating at -127 and 127."""
    codes: NDArray[np.int8] = np.clip(np.rint(scores / scale), -127, 127).astype(np.int8)
    return codes


def _head_index(scores: list[int]) -> NDArray[np.int32]:
    return np.repeat(np.arange(len(scores), dtype=np.int32), scores)


def _content_digest(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> str:
    return digest(about, *(arrays[name].tobytes() for name in _ARRAYS))
