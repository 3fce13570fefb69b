"""Which attention scores are sampled: tiles of queries by keys, in the order of the hardware."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sampling"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Size of the sample and how it is quantized.

    A tile is ``tile`` consecutive queries of one head against every key up to the last of them,
    row by row, key by key. Its last ``tile`` columns straddle the causal mask, as they do in
    hardware that skips only the tiles that lie wholly above the diagonal.

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
        """Causal mask of a tile, True where masked out, shape ``(tile, first_query + tile)``."""
        queries = first_query + np.arange(self.tile)
        return np.arange(first_query + self.tile) > queries[:, None]

    def to_json(self) -> dict[str, Any]:
        """Field values by name."""
        return asdict(self)
