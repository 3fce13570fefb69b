"""Build a stimulus: items to drive in their order, and what the golden model expects of them."""

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from consilico.sim.units.accepted import Expected
from consilico.sim.units.layout import Layout, Layouts, Values
from consilico.sim.units.stimulus import Kind, Stimulus

__all__ = ["StimulusBuilder"]


class StimulusBuilder:
    """Build a stimulus from items added in driving order.

    Args:
        layouts: Layouts of the unit's streams.
        expect: What must come out for items, given their ``kind`` and ``bits`` as a
            :class:`~consilico.sim.units.stimulus.Stimulus` has them.

    Attributes:
        coverage: Hits of coverage points that only the driver knows of. The others are counted from
            the items and their results.
    """

    def __init__(
        self, layouts: Layouts, expect: Callable[[NDArray[np.uint8], NDArray[np.uint8]], Expected]
    ) -> None:
        self._layouts, self._expect = layouts, expect
        self._bytes = (max(layouts.i.width, layouts.cfg.width) + 7) // 8
        self._kinds: list[NDArray[np.uint8]] = []
        self._bits: list[NDArray[np.uint8]] = []
        self._results = 0
        self._operations = 0
        self.coverage: Counter[str] = Counter()

    def _add(self, kind: Kind, rows: NDArray[np.uint8]) -> None:
        self._kinds.append(np.full(len(rows), kind, dtype=np.uint8))
        self._bits.append(np.pad(rows, ((0, 0), (0, self._bytes - rows.shape[1]))))

    def configure(self, values: Values) -> None:
        """Add beats on ``cfg``.

        Args:
            values: Fields by name, of shape ``(beats,)`` or ``(beats, lanes)``; a lone number is
                one beat.
        """
        self._add(Kind.CONFIG, _packed(self._layouts.cfg, values))

    def reset(self) -> None:
        """Add one cycle of reset, which drops what is in flight."""
        self._add(Kind.RESET, np.zeros((1, self._bytes), dtype=np.uint8))

    def data(self, values: Values, results: int, *, operations: int | None = None) -> None:
        """Add beats on ``i``.

        Args:
            values: Fields by name, of shape ``(beats,)`` or ``(beats, lanes)``.
            results: Results that come of them, all lanes counted.
            operations: Operations that energy is given for; the results if there is no other.
        """
        self._add(Kind.DATA, _packed(self._layouts.i, values))
        self._results += results
        self._operations += results if operations is None else operations

    def build(self) -> Stimulus:
        """Return the stimulus of everything added so far."""
        kind, bits = np.concatenate(self._kinds), np.concatenate(self._bits)
        expected = self._expect(kind, bits)
        return Stimulus(
            kind=kind,
            bits=bits,
            completes=expected.completes,
            expected=expected.expected,
            results=self._results,
            operations=self._operations,
            coverage=dict(self.coverage + Counter(expected.coverage)),
        )


def _packed(layout: Layout, values: Values) -> NDArray[np.uint8]:
    return layout.pack({name: np.atleast_1d(part) for name, part in values.items()})
