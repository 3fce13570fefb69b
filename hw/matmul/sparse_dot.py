"""Generate ``matmul/sparse_dot``, a dot product with 2:4 structured-sparse weights.

Golden model: :mod:`consilico.golden.matmul.sparse_dot`.
"""

from amaranth import Cat, Module, Value

from consilico.hw.matmul.dot import Dot, census, latency
from consilico.hw.register_file import select

__all__ = ["SparseDot", "census", "latency"]  # its stages are those of the plain dot product


class SparseDot(Dot):
    """Dot product with 2:4 sparse weights: every weight chooses its activation out of four.

    The choice is made before the operand registers, so only what is multiplied is stored. Stages,
    ports and reset are those of :class:`consilico.hw.matmul.dot.Dot`.
    """

    _block_name = "matmul_sparse_dot_block"

    def _activations(self, m: Module) -> Value:
        payload, width = self.i.payload, self._config.x_width
        chosen = []
        for lane in range(self._config.lanes):
            four = [payload.x[4 * (lane // 2) + place].as_unsigned() for place in range(4)]
            chosen.append(select(m, four, payload.index[lane])[:width])
        return Cat(*chosen)
