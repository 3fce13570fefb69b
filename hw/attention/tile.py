"""Generate ``attention/tile``: arrays for scores and values, requantizer and normalizer between.

The order of beats fits without a transposition: a beat that leaves the first array holds the scores
of one query and ``columns`` keys, and that is a beat which enters the second one, whose weights are
the values of these keys. Which rows of scores are first and last of a key tile and of a job is
worked out once, where they leave the first array, and travels with them.

Golden model: :mod:`consilico.golden.attention.tile`.
"""

from collections.abc import Callable
from typing import Any

from amaranth import Cat, ClockSignal, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.tile import SLICE, TileConfig
from consilico.golden.attention.tile_events import TileTiming
from consilico.golden.matmul.requant import SHIFT_WIDTH
from consilico.hw.attention import consmax_base2, consmax_log2, consmax_split
from consilico.hw.attention.tile_queue import Queue
from consilico.hw.cells import gated_domain
from consilico.hw.matmul import requant
from consilico.hw.matmul.requant import Requant
from consilico.hw.matmul.systolic_array import SystolicArray, draining
from consilico.hw.parts import place
from consilico.hw.register_file import RegisterFile, select

__all__ = ["AttentionTile", "latency", "operand_layout", "timing"]

_NORMALIZERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], int]]] = {
    "consmax/log2": (consmax_log2.ConSmaxLog2, consmax_log2.latency),
    "consmax/base2": (consmax_base2.ConSmaxBase2, consmax_base2.latency),
    "consmax/split": (consmax_split.ConSmaxSplit, consmax_split.latency),
}
_PREFIX = "attention_tile"
_VALUES_CELL = f"{_PREFIX}_values_cell"
_BYTE = 8
_KNOWN = 4  # bits of what is known of a row of results: opens, first, last, ends


def operand_layout(config: TileConfig) -> data.StructLayout:
    """Return the layout of a beat: an element of all queries and keys, and a value."""
    lanes = {"q": config.rows, "k": config.columns, "v": config.head_dim}
    return data.StructLayout(
        {name: data.ArrayLayout(signed(_BYTE), count) for name, count in lanes.items()}
    )


def _by_entries(config: TileConfig) -> bool:
    """Tell whether a head's constants are tables that are loaded entry by entry."""
    return config.normalizer == "consmax/split"


def _sizes(config: TileConfig) -> dict[str, Any]:
    """Return the fields of a job, without the normalizer's constants."""
    keys = unsigned(config.tokens.bit_length())
    scale = {"multiplier": unsigned(config.multiplier_width), "shift": unsigned(SHIFT_WIDTH)}
    return {
        "rows": unsigned(config.rows.bit_length()),
        "keys": keys,
        "seen": keys,
        "scale": data.StructLayout(scale),
    }


def _row_layout(config: TileConfig) -> data.StructLayout:
    """Return the layout of what is known of a row of scores."""
    return data.StructLayout(
        {
            "opens": 1,  # the first row of a key tile
            "first": 1,  # of the first key tile of a job
            "last": 1,  # of the last key tile of a job
            "ends": 1,  # the last row of a job
            "shown": range(config.columns + 1),  # keys of the tile that the query sees
        }
    )


def timing(config: TileConfig) -> TileTiming:
    """Return what decides how long the tile takes."""
    return TileTiming(
        scores=config.scores,
        values=config.values,
        key_dim=config.head_dim,
        requantizer=requant.latency(config.requantizer),
        normalizer=_NORMALIZERS[config.normalizer][1](config.normalizing),
        slices=config.slices,
        queue=config.rows if config.slices > 1 else 0,
    )


def latency(config: TileConfig) -> int:
    """Return the cycles from the last operands of a job to its first result, nothing stalling."""
    parts = timing(config)
    return parts.before + parts.between + parts.after + config.slices - 1


def _jobs_waiting(config: TileConfig) -> int:
    """Return for how many jobs there is room, a power of two.

    A job is there from a cycle before its first operands until its last row is in the second array;
    meanwhile others go on as far as there is room for their values.
    """
    parts = timing(config)
    ahead = parts.before + parts.between + 2 * parts.queue
    return 1 << (1 - (-ahead // config.head_dim)).bit_length()


class AttentionTile(wiring.Component):
    """Unit that computes attention of the queries that the first array holds, job after job.

    Throughput is a beat per cycle; the rows of a key tile leave while the next one enters, whether
    it belongs to the same job or not. The values of a key tile come along with its keys and wait
    in a queue; they are loaded behind those in use as soon as these have been taken over, so that
    no cycle is lost between jobs.

    A reset drops all jobs, those that wait as well.

    Members:
        i: In, :func:`operand_layout`, in the order of
            :func:`consilico.golden.attention.tile.job_beats`.
        o: Out, a weighted sum of values for each element: one query of a job.
        cfg: In, a job, which waits in a queue: ``rows``, ``keys``, ``seen``, ``scale`` and
            ``head``, the normalizer's constants. With ``consmax/split`` a beat may be an ``entry``
            of its tables instead. It is taken when no job that has begun is left, holds for those
            that begin in the same cycle and later, and stays when a reset comes.
    """

    def __init__(self, config: TileConfig) -> None:
        self._config = config
        self.scores = SystolicArray(config.scores, f"{_PREFIX}_scores_cell")
        self.requantizer = Requant(config.requantizer)
        self.normalizer = _NORMALIZERS[config.normalizer][0](config.normalizing)
        self.values = SystolicArray(config.values, _VALUES_CELL)
        fields = _sizes(config) | {"head": self.normalizer.cfg.payload.shape()}
        self._job = data.StructLayout(_sizes(config) if _by_entries(config) else fields)
        results = data.ArrayLayout(signed(config.result_width), config.head_dim)
        super().__init__(
            {
                "i": In(stream.Signature(operand_layout(config))),
                "o": Out(stream.Signature(results)),
                "cfg": In(
                    stream.Signature(
                        data.StructLayout(fields | ({"entry": 1} if _by_entries(config) else {}))
                    )
                ),
            }
        )
        self.waiting = Queue(
            f"{_PREFIX}_values_words", timing(config).waiting, _BYTE * config.head_dim
        )
        self.parts: dict[str, wiring.Component] = {
            f"{_PREFIX}_jobs": RegisterFile(_jobs_waiting(config), self._job.size, "latch")
        }
        for made in (self.scores, self.requantizer, self.normalizer, self.values, self.waiting):
            self.parts |= made.parts
        if config.slices > 1:
            self.queue = Queue(
                f"{_PREFIX}_results_words",
                config.rows,
                _KNOWN + config.p_bits * config.columns,
            )
            self.parts |= self.queue.parts

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.scores = self.scores
        m.submodules.requantizer = self.requantizer
        m.submodules.normalizer = self.normalizer
        m.submodules.waiting = self.waiting
        m.submodules.values = self.values
        jobs = _Jobs(m, self)
        self._enter(m, jobs)
        row = self._leave(m, jobs)
        rows = self._normalize(m, jobs, row)
        if self._config.slices > 1:
            m.submodules.queue = self.queue
            wiring.connect(m, rows, self.queue.i)
            rows = self.queue.o
        self._deliver(m, self._weigh(m, jobs, rows))
        return m

    def _enter(self, m: Module, jobs: "_Jobs") -> None:
        """Control the array for scores: operands of one key tile, rows of scores of another."""
        config, array = self._config, self.scores
        keys, depth = config.columns, config.head_dim
        beat, left = Signal(range(depth)), Signal(range(config.rows + 1))
        gone = Signal(range(config.rows))  # rows of scores that have left
        passed = Signal(config.tokens.bit_length(), name="keys_passed")
        last_beat, last_tile = Signal(), Signal()
        drains, accepts, takes, brings = Signal(), Signal(), Signal(), Signal()
        slot = array.slot
        m.d.comb += [
            jobs.between.eq((beat == 0) & (passed == 0)),
            last_beat.eq(beat == depth - 1),
            last_tile.eq(jobs.of("keys", "enters") - passed <= keys),
            drains.eq(left != 0),
            brings.eq(beat < keys),  # a row of values
            # the last operands of a key tile wait until the rows of the tile before have left
            accepts.eq(jobs.wait & ~(last_beat & (left > 1)) & (self.waiting.i.ready | ~brings)),
            self.i.ready.eq(slot.ready & accepts),
            takes.eq(self.i.valid & accepts),
            self.waiting.i.valid.eq(takes & slot.ready & brings),
            self.waiting.i.payload.eq(self.i.payload.v),
            array.beat.x.eq(self.i.payload.q),
            array.beat.w.eq(self.i.payload.k),
            slot.valid.eq(takes | drains),
            slot.payload.computes.eq(takes),
            slot.payload.first.eq(beat == 0),
            slot.payload.captures.eq(gone == 0),
            slot.payload.drains.eq(
                draining(config.scores, gone) & drains.replicate(len(slot.payload.drains))
            ),
            slot.payload.delivers.eq(drains),
        ]
        with m.If(slot.valid & slot.ready):
            with m.If(drains):
                m.d.sync += [left.eq(left - 1), gone.eq(Mux(left == 1, 0, gone + 1))]
            with m.If(takes):
                m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
                with m.If(last_beat):
                    m.d.sync += [
                        left.eq(jobs.of("rows", "enters")),
                        passed.eq(Mux(last_tile, 0, passed + keys)),
                    ]
                    with m.If(last_tile):
                        jobs.step(m, "enters")

    def _leave(self, m: Module, jobs: "_Jobs") -> data.View:
        """Requantize rows of scores; return what is known of the row that comes out."""
        config, scores, unit = self._config, self.scores.o, self.requantizer
        row = Signal(range(config.rows), name="row")
        passed = Signal(config.tokens.bit_length(), name="keys_left_behind")
        keys, here = jobs.of("keys", "leaves"), Signal(_row_layout(config), name="leaving")
        last_row, seen, ahead = Signal(), Signal(len(passed) + 1), Signal(signed(len(passed) + 2))
        m.d.comb += [
            last_row.eq(row + 1 == jobs.of("rows", "leaves")),
            seen.eq(jobs.of("seen", "leaves") + row),
            ahead.eq(Mux(seen < keys, seen, keys) - passed),
            here.opens.eq(row == 0),
            here.first.eq(passed == 0),
            here.last.eq(keys - passed <= config.columns),
            here.ends.eq(last_row & here.last),
            here.shown.eq(Mux(ahead < 0, 0, Mux(ahead > config.columns, config.columns, ahead))),
        ]
        starts, takes = here.opens & here.first, Signal()
        m.d.comb += [
            takes.eq(scores.valid & unit.i.ready),
            scores.ready.eq(unit.i.ready),
            unit.i.valid.eq(scores.valid),
            *(sum_.eq(score) for sum_, score in zip(unit.i.payload, scores.payload, strict=True)),
            unit.cfg.valid.eq(takes & starts),
        ]
        scale = jobs.of("scale", "leaves")
        for lane in unit.cfg.payload.scale:
            m.d.comb += lane.as_value().eq(scale)
        with m.If(takes):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
            with m.If(last_row):
                m.d.sync += passed.eq(Mux(here.last, 0, passed + config.columns))
            with m.If(here.ends):
                jobs.step(m, "leaves")
        stages = requant.latency(config.requantizer)
        held = _delayed(m, "requantized", here.as_value(), unit.o.ready | ~unit.o.valid, stages)
        return data.View(_row_layout(config), held)

    def _normalize(self, m: Module, jobs: "_Jobs", row: data.View) -> Any:
        """Mask and normalize codes; return a stream of the results and what is known of them."""
        config, codes, unit = self._config, self.requantizer.o, self.normalizer
        m.d.comb += [
            unit.i.valid.eq(codes.valid),
            codes.ready.eq(unit.i.ready),
        ]
        for key, (lane, code) in enumerate(zip(unit.i.payload, codes.payload.code, strict=True)):
            m.d.comb += [lane.score.eq(code), lane.mask.eq(key >= row.shown)]
        if _by_entries(config):
            entry = self.cfg.valid & self.cfg.payload.entry & jobs.rest
            m.d.comb += [
                unit.cfg.valid.eq(entry),
                unit.cfg.payload.eq(self.cfg.payload.head),
            ]
        else:
            takes = codes.valid & unit.i.ready
            m.d.comb += [
                unit.cfg.valid.eq(takes & row.opens & row.first),
                unit.cfg.payload.eq(jobs.of("head", "normalizes")),
            ]
            with m.If(takes & row.ends):
                jobs.step(m, "normalizes")
        known = Cat(row.opens, row.first, row.last, row.ends)
        stages = timing(config).normalizer
        known = _delayed(m, "normalized", known, unit.o.ready | ~unit.o.valid, stages)
        rows = stream.Signature(len(known) + len(unit.o.payload.data.as_value()))
        made = rows.create(path=("rows",))
        m.d.comb += [
            made.valid.eq(unit.o.valid),
            made.payload.eq(Cat(known, unit.o.payload.data)),
            unit.o.ready.eq(made.ready),
        ]
        return made

    def _weigh(self, m: Module, jobs: "_Jobs", rows: Any) -> list[SystolicArray]:
        """Control the arrays for values: they load rows of values, and add up weighted ones."""
        config, size = self._config, self._config.columns
        opens, first, last, ends = rows.payload[:_KNOWN]
        loaded, number = Signal(range(size + 1)), Signal(range(size + 1))
        may, computes, loads, begins, done = (
            Signal(name=name) for name in ("may", "computes", "loads", "begins", "done")
        )
        # all arrays move together
        arrays, valid, ready = [self.values], Signal(), self.values.slot.ready
        for index in range(1, config.value_arrays):
            m.submodules[f"values{index}"] = more = SystolicArray(config.values, like=self.values)
            arrays.append(more)
        results = rows.payload[_KNOWN:]
        lanes = [results.word_select(lane, config.p_bits) for lane in range(size)]
        m.d.comb += [begins.eq(opens), done.eq(1)]
        if config.slices > 1:  # the upper one first
            lower = Signal()
            lanes = [Mux(lower, lane[:SLICE], lane[SLICE:]) for lane in lanes]
            m.d.comb += [begins.eq(opens & ~lower), done.eq(lower)]
            with m.If(computes & ready):
                m.d.sync += lower.eq(~lower)
        m.d.comb += [
            may.eq(~begins | (loaded == size)),
            computes.eq(rows.valid & may),
            # what is loaded stays until a key tile begins, which makes room for the next values
            number.eq(Mux(computes & begins, 0, loaded)),
            loads.eq(self.waiting.o.valid & (number != size)),
            valid.eq(computes | loads),
            rows.ready.eq(ready & may & done),
            self.waiting.o.ready.eq(loads & ready),
        ]
        with m.If(valid & ready):
            m.d.sync += loaded.eq(number + loads)
        with m.If(rows.valid & rows.ready & ends):
            jobs.step(m, "weighs")
        words, width = self.waiting.o.payload, config.values.columns * _BYTE
        for index, array in enumerate(arrays):
            tags = array.slot.payload
            m.d.comb += [
                array.slot.valid.eq(valid),
                tags.computes.eq(computes),
                tags.swaps.eq(computes & begins),
                tags.loads.eq(Cat(loads & (number < size - line) for line in range(size))),
                tags.first.eq(first),
                tags.delivers.eq(computes & last),
                array.beat.w.as_value().eq(words.word_select(index, width)),
                *(x.eq(lane) for x, lane in zip(array.beat.x, lanes, strict=True)),
            ]
        return arrays

    def _deliver(self, m: Module, arrays: list[SystolicArray]) -> None:
        """Put the results of the arrays together, of two slices their sum."""
        sums = [value for array in arrays for value in array.o.payload]
        valid, ready = arrays[0].o.valid, Signal(name="results_ready")
        m.d.comb += [array.o.ready.eq(ready) for array in arrays]
        m.d.comb += [self.o.valid.eq(valid), ready.eq(self.o.ready)]
        if self._config.slices > 1:
            lower = Signal(name="lower_sums")
            upper = Signal(sum(len(value) for value in sums))
            m.d.comb += [self.o.valid.eq(valid & lower), ready.eq(self.o.ready | ~lower)]
            with m.If(valid & ready):
                m.d.sync += lower.eq(~lower)
            gated_domain(m, "upper", valid & ~lower)
            m.d.upper += upper.eq(Cat(sums))
            width = len(sums[0])
            sums = [
                (upper.word_select(index, width).as_signed() << SLICE) + value
                for index, value in enumerate(sums)
            ]
        m.d.comb += [result.eq(value) for result, value in zip(self.o.payload, sums, strict=True)]


class _Jobs:
    """Jobs that wait or are under way, and which of them is at each place of the tile."""

    def __init__(self, m: Module, tile: AttentionTile) -> None:
        ((name, part), *_) = tile.parts.items()
        self._m, self._layout, depth = m, tile._job, _jobs_waiting(tile._config)
        self._bits = (depth - 1).bit_length()
        newest = Signal(self._bits + 1, name="newest_job")
        self._at = {
            place: Signal.like(newest, name=f"job_that_{place}")
            for place in ("enters", "leaves", "normalizes", "weighs")
        }
        cfg, takes, full = tile.cfg, Signal(), Signal()
        # whether one waits; whether the first array is between two; whether none that has begun is
        # left
        self.wait, self.between, self.rest = (
            Signal(name=name) for name in ("job_waits", "between_jobs", "jobs_rest")
        )
        m.d.comb += [
            full.eq(newest - self._at["weighs"] == depth),
            self.wait.eq(newest != self._at["enters"]),
            self.rest.eq(self.between & (self._at["enters"] == self._at["weighs"])),
            takes.eq(cfg.valid & ~full),
            cfg.ready.eq(~full),
        ]
        if _by_entries(tile._config):
            entry = cfg.payload.entry
            m.d.comb += [
                takes.eq(cfg.valid & ~full & ~entry),
                cfg.ready.eq(Mux(entry, self.rest & tile.normalizer.cfg.ready, ~full)),
            ]
        with m.If(takes):
            m.d.sync += newest.eq(newest + 1)
        width = self._layout.size
        words = place(
            m, "jobs", name, part, clk=ClockSignal(), enable=takes,
            address=newest[: self._bits], value=cfg.payload.as_value()[:width],
        )["words"]  # fmt: skip
        self._words = [words.word_select(index, width) for index in range(depth)]

    def of(self, name: str, where: str) -> Signal:
        """Return a field of the job that is at a place of the tile."""
        item = self._layout[name]
        parts = [word[item.offset : item.offset + item.width] for word in self._words]
        return select(self._m, parts, self._at[where][: self._bits])

    def step(self, m: Module, where: str) -> None:
        """Go on to the next job at a place, under the conditions that are open in ``m``."""
        m.d.sync += self._at[where].eq(self._at[where] + 1)


def _delayed(m: Module, name: str, value: Value, moves: Value, stages: int) -> Signal:
    """Return a value as it was so many moves of a pipeline ago."""
    for stage in range(stages):
        held = Signal(len(value), name=f"{name}{stage}")
        with m.If(moves):
            m.d.sync += held.eq(value)
        value = held
    return value
