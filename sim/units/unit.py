"""Define what the catalogue knows of one operator."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.units.accepted import Accepted, Expected, GoldenResults, one_cycle_per_beat
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.contract import Contract
from consilico.sim.units.layout import Layouts, silence, stream_layouts
from consilico.sim.units.stimulus import Kind, Ports, Stimulus

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

    from consilico.hw.census import Census

__all__ = ["VERIFICATION", "Powers", "Unit"]

VERIFICATION = "verification"  # source of traffic of a unit that names none of its own
_NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_]+)*")
_SEED = 1  # of the verification stimulus that traffic is cut from
_RATE_BEATS = 256  # of traffic to count operations in, where a unit states no rate


def _nothing(*arguments: Any) -> dict[str, Any]:
    return {}


def _not_stated(*arguments: Any) -> Any:
    raise NotImplementedError  # stands for what Unit counts in its traffic instead


class Powers(NamedTuple):
    """Results of rows relative to a running maximum, before they are divided by their sum."""

    value: NDArray[np.float64]  # shape (rows, scores), below 2 ** top
    shift: NDArray[np.int64]  # same shape: by how many bits sums that have it are shifted later
    total: NDArray[np.float64]  # shape (rows,), the unit's sum of what is left of them; 0: of none
    top: int


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One operator: configuration, golden model, component, and what follows from them.

    The first eight fields are all that a unit needs. Its functions import what is heavy (Amaranth,
    torch) when they are called, so that listing units stays quick.

    Raises:
        ValueError: If the name is not ``operator`` or ``family/operator`` in lower case,
            ``measured_with`` names a source that is not there, or a source has the name
            ``verification``.
    """

    name: str  # such as "consmax/log2"
    summary: str  # one line for people
    config: type[Config]
    component: Callable[[Any], "Component"]  # configuration -> Amaranth component
    # Golden model on the streams: what must come out for the items that a unit with this
    # configuration accepted, whatever their order. A ValueError says that the order is one for
    # which the unit's document promises nothing.
    golden: Callable[[Any, Accepted], GoldenResults]
    vectors: Callable[[Any, int], Stimulus]  # configuration, seed -> verification stimulus
    latency: Callable[[Any], int]  # cycles from input to output handshake, nothing stalling
    coverage: tuple[str, ...]  # names of the coverage points that verification must hit

    # How often the items and their results hit coverage points.
    hits: Callable[[Any, Accepted, GoldenResults], Mapping[str, int]] = _nothing
    # Cycles between the acceptance of the item before and that of each item, shape (items,), when
    # ``i`` and ``cfg`` offer their next beat at once and ``o`` takes every beat. A configuration
    # that is taken along with data costs none.
    item_cycles: Callable[[Any, Accepted], NDArray[np.int64]] = one_cycle_per_beat
    # Fields that hold bf16 bit patterns, each with its stream, such as "o.data".
    bf16: Callable[[Any], Collection[str]] = _nothing

    # What the unit promises about its streams beyond valid, ready and payload; without it, proofs
    # leave out what depends on it.
    contract: Callable[[Any], Contract] | None = None
    # Small spaces of operands whole in every lane, and counters and sums at their declared maxima:
    # tens of thousands to millions of beats, for a compiled simulator. Configuration, seed ->
    # stimulus; the coverage points that it must hit.
    exhaustive: Callable[[Any, int], Stimulus] | None = None
    exhaustive_coverage: tuple[str, ...] = ()

    # Of a unit that normalizes rows of attention scores, what it makes of them as real numbers:
    # configuration, natural units per code, INT8 scores of shape (rows, scores), and which of them
    # are masked -> results, same shape. Rows that are shorter are filled up with masked scores. A
    # ValueError says that the scale is none for the unit.
    normalize: Callable[[Any, float, NDArray[np.int64], NDArray[np.bool_]], NDArray[np.float64]] | (
        None
    ) = None
    # Natural units per code, where the format of its scores says what a code means; without it a
    # head has a scale of its own.
    score_scale: Callable[[Any], float] | None = None
    # Of such a unit whose results are yet to be divided by the sum of their row: arguments as of
    # ``normalize`` -> the results as they come out.
    powers: Callable[[Any, float, NDArray[np.int64], NDArray[np.bool_]], Powers] | None = None

    family: str = ""  # "attention", "matmul", "training", ...; without one the name's first part
    # Coverage points that a configuration cannot hit, or verification leaves out: why.
    exempt: Callable[[Any], Mapping[str, str]] = _nothing
    # Traffic to measure activity with: configuration and number of beats, about -> stimulus. A
    # ValueError says that a configuration does not fit the source. Without any, the verification
    # stimulus is driven, and called "verification".
    sources: Mapping[str, Callable[[Any, int], Stimulus]] = field(default_factory=dict)
    measured_with: tuple[str, ...] = ()  # sources that tables and report use; default: all
    # Batch of configurations -> operators, by closed formulas. Without them operators are read
    # from the elaborated design, which takes seconds.
    census: "Callable[[Any], Census] | None" = None
    operation: str = "result"  # what energy is given for in addition to a result, such as "MAC"
    operations_per_beat: Callable[[Any], int] = _not_stated  # at full rate; default: counted
    operations_per_result: Callable[[Any, str], float] = _not_stated  # in a source's traffic

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                "a unit's name must be operator or family/operator in lower case, "
                f"not {self.name!r}"
            )
        sources = self.sources
        # ``dataclasses.replace`` hands over what was filled in here before
        if VERIFICATION in sources and not _is(sources[VERIFICATION], Unit._verification_traffic):
            raise ValueError(f"{self.name}: {VERIFICATION!r} is no name for a source of traffic")
        if unknown := set(self.measured_with) - set(self.sources):
            raise ValueError(f"{self.name}: measured with {min(unknown)!r}, which is no source")
        defaults: dict[str, Any] = {}
        if not self.family:
            defaults["family"] = self.name.partition("/")[0]
        if not sources or VERIFICATION in sources:
            defaults["sources"] = {VERIFICATION: self._verification_traffic}
        if not self.measured_with:
            defaults["measured_with"] = tuple(defaults.get("sources", sources))
        if _is(self.operations_per_beat, _not_stated, Unit._counted_per_beat):
            defaults["operations_per_beat"] = self._counted_per_beat
        if _is(self.operations_per_result, _not_stated, Unit._counted_per_result):
            defaults["operations_per_result"] = self._counted_per_result
        for name, value in defaults.items():
            object.__setattr__(self, name, value)

    @property
    def module_name(self) -> str:
        """Name of the unit's Verilog module, and of its file in ``rtl/``."""
        return self.name.replace("/", "_")

    @property
    def default_source(self) -> str:
        """Source of traffic where none is asked for: the language model if the unit has that."""
        return "model" if "model" in self.sources else self.measured_with[0]

    def layouts(self, config: Config) -> Layouts:
        """Return the fields of the payloads of the streams that the unit's component has.

        Raises:
            UserError: If the component has no stream ``i`` or ``o``.
        """
        return _layouts(self.component, self.bf16, config)

    def ports(self, config: Config) -> Ports:
        """Return the payload widths of the streams that the unit's component has.

        Raises:
            UserError: If the component has no stream ``i`` or ``o``.
        """
        return self.layouts(config).ports

    def expect(self, config: Config, kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
        """Return what must come out for items that the unit accepted from power-up on, in order.

        Of what is accepted in one cycle, configuration stands before data and data before reset
        (:class:`~consilico.sim.units.accepted.Accepted`). What a reset drops because it was not
        delivered yet is not known here, so it is among what is returned.

        Args:
            config: The unit's configuration.
            kind: Values of :class:`~consilico.sim.units.stimulus.Kind`, shape ``(items,)``.
            bits: Their payloads, packed, shape ``(items, bytes)``.

        Raises:
            ValueError: If the unit's document promises nothing for this order of items, for example
                because data came before the first configuration.
        """
        layouts = self.layouts(config)
        accepted = Accepted(kind, bits, layouts)
        results = self.golden(config, accepted)
        completes = np.zeros(len(kind), dtype=np.uint16)
        completes[accepted.is_beat] = 1 if results.completes is None else results.completes
        return Expected(
            completes=completes,
            expected=layouts.o.pack(results.beats),
            coverage=dict(self.hits(config, accepted, results)),
        )

    def builder(self, config: Config) -> StimulusBuilder:
        """Return a builder of stimuli whose expected results are those of the golden model."""
        return StimulusBuilder(self.layouts(config), partial(self.expect, config))

    def generator_module(self, config: Config) -> str:
        """Return the full name of the module that defines the unit's component."""
        return _generator_module(self.component, config)

    def traffic(self, config: Config, source: str, beats: int) -> Stimulus:
        """Return operands to measure activity with, and the results that must come out.

        Everything that drives a unit with traffic comes through here, so that no unit can be
        measured on a source that it does not have.

        Args:
            config: The unit's configuration.
            source: Name of one of ``sources``.
            beats: Number of input beats, about.

        Raises:
            UserError: If there is no such source, or the configuration does not fit it.
        """
        if source not in self.sources:
            known = ", ".join(self.sources)
            raise UserError(f"{self.name} has no traffic {source!r}; it has: {known}")
        try:
            return self.sources[source](config, beats)
        except ValueError as error:
            raise UserError(f"traffic {source}: {error}") from error

    def _verification_traffic(self, config: Config, beats: int) -> Stimulus:
        """Cut the verification stimulus after so many beats, reloads and resets included."""
        whole = self.vectors(config, _SEED)
        places = np.flatnonzero(whole.kind == Kind.DATA)
        if len(places) <= beats:
            return whole
        end = int(places[beats])
        done = int(whole.completes[:end].sum())
        return Stimulus(
            kind=whole.kind[:end],
            bits=whole.bits[:end],
            completes=whole.completes[:end],
            expected=whole.expected[:done],
            # of a beat on ``o`` and of a beat on ``i`` as many as in the whole
            results=whole.results * done // max(1, len(whole.expected)),
            operations=whole.operations * beats // len(places),
        )

    def _counted(self, config: Config, source: str) -> tuple[int, int, int]:
        """Count beats, operations and results in a little traffic."""
        stimulus = self.traffic(config, source, _RATE_BEATS)
        beats = int((stimulus.kind == Kind.DATA).sum())
        return beats, stimulus.operations, stimulus.results

    def _counted_per_beat(self, config: Config) -> int:
        beats, operations, _ = self._counted(config, self.measured_with[0])
        return max(1, round(operations / max(1, beats)))

    def _counted_per_result(self, config: Config, source: str) -> float:
        _, operations, results = self._counted(config, source)
        return operations / max(1, results)


def _is(function: Any, *known: Any) -> bool:
    """Tell whether a function, or the one behind a bound method, is one of those known."""
    return getattr(function, "__func__", function) in known


@lru_cache(maxsize=256)
def _layouts(
    component: Callable[[Any], "Component"],
    bf16: Callable[[Any], Collection[str]],
    config: Config,
) -> Layouts:
    return stream_layouts(component(config), bf16(config))


@lru_cache(maxsize=256)
def _generator_module(component: Callable[[Any], "Component"], config: Config) -> str:
    made = component(config)
    silence(made)
    return type(made).__module__
