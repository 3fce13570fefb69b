"""What units do on their streams, written item by item, to compare their golden models with.

Arithmetic is that of ``consilico.golden`` one beat or one group at a time; what is written anew
here is state: what a configuration changes, what a reset drops and keeps, when results come.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from consilico.golden.attention.base2_scores import base2_scores
from consilico.golden.attention.consmax_base2 import Base2Constants, consmax_base2
from consilico.golden.attention.consmax_log2 import Log2Constants, consmax_log2
from consilico.golden.attention.consmax_split import SplitConstants, consmax_split
from consilico.golden.attention.ibert import IbertConstants, ibert
from consilico.golden.attention.ita import ita
from consilico.golden.attention.key_buffer import transposed
from consilico.golden.attention.online_softmax import online_softmax
from consilico.golden.attention.softermax import softermax
from consilico.golden.attention.softmax import softmax
from consilico.golden.attention.sole import sole
from consilico.golden.attention.tile import TileBeats, TileJob, beat_results
from consilico.golden.bfloat16 import from_integer
from consilico.golden.matmul.group_dot import fixed_scale
from consilico.golden.matmul.quantize import quantize
from consilico.golden.matmul.requant import ChannelScale, requant
from consilico.golden.training.blockwise_dequantize import blockwise_dequantize
from consilico.golden.training.blockwise_quantize import blockwise_quantize
from consilico.golden.training.lfsr import leap, step, words
from consilico.golden.training.stochastic_round import stochastic_round
from consilico.golden.training.weight_update import weight_update

__all__ = ["REFERENCES", "Reference"]

Fields = dict[str, NDArray[np.int64]]  # of one item: shape () or (lanes,)
Beats = list[dict[str, Any]]  # on ``o``


def wrapped(value: int, width: int) -> int:
    half = 1 << (width - 1)
    return (value + half) % (1 << width) - half


def row(values: NDArray[np.int64]) -> torch.Tensor:
    return torch.from_numpy(np.atleast_1d(values).copy())[None]


def single(result: Any) -> Beats:
    return [{name: part[0].numpy() for name, part in result._asdict().items()}]


class Reference:
    """A unit that keeps its last configuration, and nothing else."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.loaded: Fields = {}
        self.start()

    def start(self) -> None:
        """Forget what a reset clears."""

    def load(self, fields: Fields) -> None:
        self.loaded = fields

    def beat(self, data: Fields) -> Beats:
        raise NotImplementedError


class Base2(Reference):
    def beat(self, data: Fields) -> Beats:
        constants = Base2Constants(
            exponent=int(self.loaded["exponent"]),
            mantissa=self.loaded["mantissa"].tolist(),
            carry=self.loaded["carry"].tolist(),
        )
        return single(
            consmax_base2(row(data["score"]), row(data["mask"]) == 1, constants, self.config)
        )


class Scores(Reference):
    def beat(self, data: Fields) -> Beats:
        code = base2_scores(row(data["score"]), int(self.loaded["k"]), self.config)[0].numpy()
        return [{"score": code, "mask": data["mask"], "last": data["last"]}]


class Log2(Reference):
    def beat(self, data: Fields) -> Beats:
        constants = Log2Constants(k=int(self.loaded["k"]), b=int(self.loaded["b"]))
        return single(
            consmax_log2(row(data["score"]), row(data["mask"]) == 1, constants, self.config)
        )


class Split(Reference):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.tables = [[0] * 16 for _ in range(2 * config.table_sets)]
        self.wide = False

    def load(self, fields: Fields) -> None:
        self.tables[int(fields["table"])][int(fields["nibble"])] = int(fields["value"])
        self.wide = bool(fields.get("wide", 0))

    def beat(self, data: Fields) -> Beats:
        constants = SplitConstants(tables=tuple(map(tuple, self.tables)), wide=self.wide)
        return single(
            consmax_split(row(data["score"]), row(data["mask"]) == 1, constants, self.config)
        )


class Rows(Reference):
    def start(self) -> None:
        self.scores: list[Any] = []
        self.masks: list[Any] = []
        self.constants: Fields = {}

    def results(self, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def beat(self, data: Fields) -> Beats:
        if not self.scores:
            self.constants = self.loaded
        last, most = int(data["last"]), self.config.beats
        self.scores.append(data["score"])
        self.masks.append(data["mask"] == 1)
        none = np.zeros(self.config.lanes, dtype=np.int64)
        beats = len(self.scores)
        found: Beats = []
        if beats > most:
            found = [{"data": none, "last": last, "too_long": 1}]
        elif beats == most and not last:
            found = [{"data": none, "last": 0, "too_long": 1}] * most
        elif last:
            score, mask = (
                torch.from_numpy(np.stack(part))[None] for part in (self.scores, self.masks)
            )
            found = [
                {"data": each, "last": int(place == beats - 1), "too_long": 0}
                for place, each in enumerate(self.results(score, mask)[0].numpy())
            ]
        if last:
            self.start()
        return found


class Softermax(Rows):
    def results(self, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return softermax(score, mask, self.config)


class Ita(Rows):
    def results(self, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ita(score, mask, self.config)


class Sole(Rows):
    def results(self, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return sole(score, mask, self.config)


class Ibert(Rows):
    def results(self, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        constants = IbertConstants(**{name: int(part) for name, part in self.loaded.items()})
        return ibert(score, mask, constants, self.config)


class Softmax(Rows):
    def results(self, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return softmax(score, mask, int(self.constants["k"]), self.config)


class OnlineSoftmax(Reference):
    def start(self) -> None:
        self.row: list[tuple[Fields, int]] = []

    def beat(self, data: Fields) -> Beats:
        self.row.append((data, int(self.loaded["k"])))
        score, mask = (
            torch.from_numpy(np.stack([each[name] for each, _ in self.row]))
            for name in ("score", "mask")
        )
        last = torch.tensor([int(each["last"]) == 1 for each, _ in self.row])
        k = torch.tensor([k for _, k in self.row])[:, None]
        whole = online_softmax(score, mask == 1, last, k, self.config)
        found = {name: part[-1].numpy() for name, part in whole._asdict().items()}
        if data["last"]:
            self.start()
        return [found | {"last": int(data["last"])}]


class Dot(Reference):
    def start(self) -> None:
        self.total, self.saturated = 0, False

    def products(self, data: Fields) -> list[int]:
        zero = int(self.loaded["payload"]) if self.config.w == "uint4" else 0
        pairs = zip(data["x"].tolist(), data["w"].tolist(), strict=True)
        return [x * (w - zero) for x, w in pairs]

    def beat(self, data: Fields) -> Beats:
        config = self.config
        exact = self.total + sum(self.products(data))
        self.total = wrapped(exact, config.sum_width)
        result: dict[str, Any] = {}
        if getattr(config, "saturates", False):
            limit = 1 << (config.sum_width - 1)
            self.total = max(-limit, min(limit - 1, exact))
            self.saturated |= self.total != exact
            result = {"saturated": self.saturated}
        result["sum"] = self.total
        if not data["last"]:
            return []
        self.start()
        return [result]


class SparseDot(Dot):
    def products(self, data: Fields) -> list[int]:
        return [
            int(data["x"][4 * (lane // 2) + data["index"][lane]]) * int(weight)
            for lane, weight in enumerate(data["w"])
        ]


class FusedDot(Dot):
    def products(self, data: Fields) -> list[int]:
        mode = min(2, int(self.loaded["payload"]))
        x_width, w_width = ((8, 8), (8, 4), (4, 4))[mode]
        found = []
        for x, w in zip(data["x"].tolist(), data["w"].tolist(), strict=True):
            for place in range(1 << mode):
                found.append(
                    wrapped(x >> place * x_width & (1 << x_width) - 1, x_width)
                    * wrapped(w >> place * w_width & (1 << w_width) - 1, w_width)
                )
        return found


class GroupDot(Reference):
    def start(self) -> None:
        self.count, self.of_group, self.total, self.over = 0, 0, 0, False

    def beat(self, data: Fields) -> Beats:
        config = self.config
        self.of_group += int((data["x"] * (data["q"] - data["zero"])).sum())
        self.count += 1
        if self.count < config.beats:
            return []
        exponent = int(self.loaded["payload"]) if config.has_exponent else 0
        multiplier, over = int(data["scale"]), False
        if config.scale == "bf16":
            fixed = fixed_scale(torch.tensor([multiplier]), exponent)
            multiplier, over = int(fixed[0]), bool(fixed[1])
        exact = self.total + self.of_group * multiplier
        total = wrapped(exact, 32)
        over |= self.over or total != exact
        self.start()
        if not data["end"]:
            self.total, self.over = total, over
            return []
        if config.output == "bf16":
            bits, beyond = from_integer(torch.tensor([total]), exponent)
            return [{"sum": int(bits), "overflow": over or bool(beyond)}]
        return [{"sum": total, "overflow": over}]


class Quantize(Reference):
    def start(self) -> None:
        self.values: list[NDArray[np.int64]] = []

    def beat(self, data: Fields) -> Beats:
        config = self.config
        self.values.append(data["payload"])
        if len(self.values) < config.beats:
            return []
        found = quantize(torch.from_numpy(np.concatenate(self.values))[None], config)
        self.start()
        shared = {"scale": int(found.scale), "nonfinite": bool(found.nonfinite)}
        if config.mode == "minmax":
            shared["zero_point"] = int(found.zero_point)
        return [{"code": part.numpy(), **shared} for part in found.code.reshape(-1, config.lanes)]


class Requant(Reference):
    def beat(self, data: Fields) -> Beats:
        multiplier, shift = (
            torch.from_numpy(self.loaded[f"scale.{name}"]) for name in ("multiplier", "shift")
        )
        zero = int(self.loaded.get("zero_point", 0))
        return single(requant(row(data["payload"]), multiplier, shift, zero, self.config))


class Blockwise(Reference):
    def beat(self, data: Fields) -> Beats:
        absmax = int(self.loaded["payload"]) & 0x7FFF
        function: Any = self.function  # type: ignore[attr-defined]
        return [{"payload": function(row(data["payload"]), absmax, self.config)[0].numpy()}]


class BlockwiseQuantize(Blockwise):
    function = staticmethod(blockwise_quantize)


class BlockwiseDequantize(Blockwise):
    function = staticmethod(blockwise_dequantize)


class StochasticRound(Reference):
    state = 0

    def load(self, fields: Fields) -> None:
        self.state = int(fields["payload"]) << 1 | 1

    def leap(self) -> None:
        state = torch.tensor(self.state)
        for _ in range(leap(self.config.random_bits)):
            state = step(state, 32)
        self.state = int(state)

    def beat(self, data: Fields) -> Beats:
        random = words(torch.tensor([self.state]), self.config)
        self.leap()
        return [{"payload": stochastic_round(row(data["payload"]), random, self.config)[0].numpy()}]


class WeightUpdate(StochasticRound):
    factor = 0

    def load(self, fields: Fields) -> None:
        if fields["seeds"]:
            self.state = int(fields["value"]) << 1 | 1
        else:
            self.factor = int(fields["value"]) & 0xFFFF

    def beat(self, data: Fields) -> Beats:
        self.leap()  # before the words are used
        random = words(torch.tensor([self.state]), self.config)
        operands = row(data["code"]), row(data["update"]), random
        return [{"payload": weight_update(*operands, self.factor, self.config)[0].numpy()}]


class Project(Reference):
    def start(self) -> None:
        shape = self.config.rows, self.config.columns
        self.of_group, self.total = np.zeros((2, *shape), dtype=np.int64)
        self.over = np.zeros(shape, dtype=bool)

    def beat(self, data: Fields) -> Beats:
        self.of_group = self.of_group + data["x"][:, None] * (data["q"] - data["zero"])
        if not data["last"]:
            return []
        scales, over = fixed_scale(torch.from_numpy(data["scale"]), int(self.loaded["payload"]))
        width = self.config.array.sum_width
        of_group = np.vectorize(wrapped)(self.of_group, width)
        exact = self.total + of_group * scales.numpy()
        total = np.vectorize(wrapped)(exact, 32)
        flags = self.over | over.numpy() | (total != exact)
        self.start()
        if not data["end"]:
            self.total, self.over = total, flags
            return []
        both = zip(total.flatten().tolist(), flags.flatten().tolist(), strict=True)
        return [{"sum": each, "overflow": flag} for each, flag in both]


class AttentionTile(Reference):
    """Jobs wait, and take beats of data one after another; a reset drops them."""

    def start(self) -> None:
        self.jobs: list[TileJob] = []
        self.beats: list[Fields] = []

    def load(self, fields: Fields) -> None:
        self.jobs.append(
            TileJob(
                **{name: int(fields[name]) for name in ("rows", "keys", "seen")},
                scale=ChannelScale(int(fields["scale.multiplier"]), int(fields["scale.shift"])),
                head=Log2Constants(k=int(fields["head.k"]), b=int(fields["head.b"])),
            )
        )

    def beat(self, data: Fields) -> Beats:
        if not self.jobs:
            return []
        self.beats.append(data)
        if len(self.beats) < self.config.key_tiles(self.jobs[0].keys) * self.config.head_dim:
            return []
        whole = (torch.from_numpy(np.array([each[name] for each in self.beats])) for name in "qkv")
        found = beat_results(TileBeats(*whole), self.jobs.pop(0), self.config)
        self.beats = []
        return [{"payload": line.numpy()} for line in found]


class Systolic(Reference):
    """Its schedule, beat by beat, as ``docs/systolic.md`` and ``job_beats`` describe it."""

    def start(self) -> None:
        self.steps: list[Any] = []  # rest of the job

    def _schedule(self) -> None:
        """List the beats of a job: which line of a tile, first and last of the sum over k."""
        config = self.config
        m, k, n = (int(self.loaded[name]) for name in "mkn")
        self.sums: Any = np.zeros((config.tile_rows, config.columns), dtype=np.int64)
        self.weights: list[NDArray[np.int64]] = []
        self.next: list[NDArray[np.int64]] = []
        tiles = [min(config.tile_rows, m - top) for top in range(0, m, config.tile_rows)]
        lines = [each for each in tiles for _ in range(0, n, config.columns)]
        if config.dataflow == "output_stationary":
            self.steps = [(each, place, k) for each in lines for place in range(k)]
            return
        inner = -(-k // config.rows)
        passes = [(0, 0)] + [(each, place) for each in lines for place in range(inner)]
        self.steps = []
        for number, (count, place) in enumerate(passes):
            loads = config.rows if number + 1 < len(passes) else 0
            for beat in range(max(count, loads)):
                final = beat + 1 == max(count, loads)
                self.steps.append((count, beat, (place, inner, loads, final)))

    def beat(self, data: Fields) -> Beats:
        if not self.steps:
            self._schedule()
        count, place, rest = self.steps[0]
        self.steps = self.steps[1:]
        width = self.config.sum_width
        if self.config.dataflow == "output_stationary":
            products = data["x"][:, None] * data["w"]
            self.sums = products if place == 0 else self.sums + products
            if place + 1 < rest:
                return []
            return [{"payload": np.vectorize(wrapped)(line, width)} for line in self.sums[:count]]
        inner, total, loads, final = rest
        if place < loads:
            self.next.append(data["w"])
        found: Beats = []
        if place < count:
            line = data["x"] @ np.array(self.weights)
            self.sums[place] = line if inner == 0 else self.sums[place] + line
            if inner + 1 == total:
                found = [{"payload": np.vectorize(wrapped)(self.sums[place], width)}]
        if final:
            self.weights, self.next = self.next, []
        return found


class KeyBuffer(Reference):
    """Keys wait until their block is whole; a reset drops them."""

    def start(self) -> None:
        self.keys: list[NDArray[np.int64]] = []

    def beat(self, data: Fields) -> Beats:
        self.keys.append(data["key"])
        if not data["last"] and len(self.keys) < self.config.columns:
            return []
        block = torch.from_numpy(np.array(self.keys))
        self.keys = []
        return [{"payload": line.numpy()} for line in transposed(block, self.config)]


REFERENCES: dict[str, type[Reference]] = {
    "attention/key_buffer": KeyBuffer,
    "attention/tile": AttentionTile,
    "consmax/base2": Base2,
    "consmax/log2": Log2,
    "consmax/split": Split,
    "base2_scores": Scores,
    "ibert": Ibert,
    "ita": Ita,
    "matmul/dot": Dot,
    "matmul/fused_dot": FusedDot,
    "matmul/group_dot": GroupDot,
    "matmul/quantize": Quantize,
    "matmul/requant": Requant,
    "matmul/sparse_dot": SparseDot,
    "matmul/systolic": Systolic,
    "online_softmax": OnlineSoftmax,
    "softermax": Softermax,
    "softmax": Softmax,
    "sole": Sole,
    "training/blockwise_dequantize": BlockwiseDequantize,
    "training/blockwise_quantize": BlockwiseQuantize,
    "training/project": Project,
    "training/stochastic_round": StochasticRound,
    "training/weight_update": WeightUpdate,
}
