"""Judgement of what a normalizer, and a form of its results, is worth on a chip."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, NamedTuple

from consilico.reports.page.numbers import fixed, mm2, percent, wide
from consilico.reports.page.section import Card, Check, Judged
from consilico.reports.system.facts import FormatCost, Growth, Perplexity, SystemFacts, Walk
from consilico.sim.base.interval import Interval
from consilico.sim.system.answer import Rival

__all__ = ["FormRow", "Gain", "Level", "SystemJudgement", "Worth", "judge_system"]

_NOTHING = 0.01  # a difference below this share is none, as in `consilico system`
_LIKE_GENZ = 0.005
_EXACT = "softmax"  # the unit that is exact to one unit in the last place of bf16
_FINE = "2xint7"  # form of results in which units are compared
_QUANTITIES = {  # fields of a rival, in words
    "latency_ratio": "time",
    "energy_ratio": "energy",
    "attention_energy_ratio": "energy of attention",
    "area_ratio": "area",
}


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Costs of other units in one quantity, relative to the ConSmax unit of the design."""

    quantity: str
    unit: str  # that takes most
    ratio: float
    least: float
    plain: float  # how far units without a buffer for rows are from 1 at most

    @property
    def nothing(self) -> bool:
        """Tell whether it makes no difference which unit it is."""
        return self.ratio - 1 < _NOTHING and 1 - self.least < _NOTHING


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Savings of a workload at one context by the design's ConSmax unit."""

    title: str
    context: int
    exact: Rival  # exact softmax on the same chip
    saved_um2: Interval  # of area, against that
    gains: tuple[Gain, ...]

    @property
    def nothing(self) -> tuple[str, ...]:
        """Return the quantities in which it makes no difference which unit it is."""
        return tuple(gain.quantity for gain in self.gains if gain.nothing)


class Level(NamedTuple):
    """A line of the walk from a score to a chip."""

    level: str  # empty: that of the line before
    what: str
    values: tuple[str, ...]  # of each workload


@dataclass(frozen=True, kw_only=True)
class FormRow:
    """A unit or a form of its results, and by how much perplexity grows with it."""

    name: str
    changes: tuple[float | None, ...]  # by text and length as in the table's head; None: unknown


@dataclass(frozen=True, kw_only=True)
class SystemJudgement:
    """Everything that the section's template shows of what was judged."""

    worth: tuple[Worth, ...]  # of each walk
    longest: tuple[Worth, ...]  # of each walk, at the longest context
    time: Worth  # of these, where exact softmax takes most more time,
    attention: Worth  # and where most more energy of attention
    plain: float  # how far units without a buffer for rows are from the design's in any of these
    model: str  # the last one's name
    levels: tuple[Level, ...]
    columns: tuple[tuple[str, int], ...]  # texts and lengths that perplexity was measured at
    longest_column: int  # the first one of the greatest length
    baselines: tuple[float, ...]
    forms: tuple[FormRow, ...]  # of exact softmax
    fine: str  # the finest form that a tile has
    units: tuple[FormRow, ...]  # with it
    dates: tuple[str, ...]
    dearest: FormatCost  # the form that costs most energy, of the tile's, and where
    slowest: FormatCost


def judge_system(facts: SystemFacts) -> Judged:
    """Say what is gained where, and compare with another simulator.

    Returns:
        Rows: a :class:`SystemJudgement`.
    """
    titles = [walk.title for walk in facts.walks]
    context = facts.walks[0].answer["settings"]["context"]
    by_place = {(each.title, each.context): each for each in facts.growth}
    longest = max(each.context for each in facts.growth)
    columns = tuple(dict.fromkeys((each.text, each.tokens) for each in facts.perplexities))
    known = {(e.normaliser, e.p_format, e.text, e.tokens): e for e in facts.perplexities}
    worth = tuple(_worth(by_place[title, context]) for title in titles)
    at_longest = tuple(_worth(by_place[title, longest]) for title in titles)
    places = (*worth, *at_longest)
    lengths = [tokens for _, tokens in columns]
    checks = [
        Check(
            what=f"token of LLaMA-7B at {row.context:,} tokens next to GenZ {facts.genz_version}",
            limit=f"within {_LIKE_GENZ:.1%}",
            measured=f"{row.difference:+.2%}",
            met=abs(row.difference) <= _LIKE_GENZ,
        )
        for row in facts.genz
    ]
    last = worth[-1]
    card = Card(
        label=f"Exact softmax in place of ConSmax: {last.title} at {context:,} tokens",
        value=f"{last.exact.latency_ratio - 1:+.1%} time, {last.exact.area_ratio - 1:+.1%} area",
        note=f"{last.exact.energy_ratio - 1:+.1%} energy of a token,"
        f" {last.exact.attention_energy_ratio - 1:+.1%} of attention",
        kind="estimated",
    )
    rows = SystemJudgement(
        worth=worth,
        longest=at_longest,
        time=max(places, key=lambda each: each.exact.latency_ratio),
        attention=max(places, key=lambda each: each.exact.attention_energy_ratio),
        plain=max(gain.plain for each in places for gain in each.gains),
        model=last.title.partition(",")[0],
        levels=tuple(_levels(facts.walks)),
        columns=columns,
        longest_column=lengths.index(max(lengths)) if lengths else 0,
        baselines=tuple(
            next(e.baseline for e in facts.perplexities if (e.text, e.tokens) == column)
            for column in columns
        ),
        forms=_rows(known, columns, [(form, _EXACT, form) for form in _forms(facts.perplexities)]),
        fine=_FINE,
        units=_rows(known, columns, [(name, name, _FINE) for name in _units(facts.perplexities)]),
        dates=tuple(sorted({each.date for each in facts.perplexities})),
        dearest=max(facts.formats, key=lambda cost: cost.energy),
        slowest=max(facts.formats, key=lambda cost: cost.latency),
    )
    return Judged(checks=checks, cards=[card], rows=rows)


def _levels(walks: Sequence[Walk]) -> Iterator[Level]:
    """Yield what the normalizer is of each level of the design, from a score to the chip."""

    def line(level: str, what: str, of: Callable[[Walk], str]) -> Level:
        return Level(level, what, tuple(of(walk) for walk in walks))

    def own(walk: Walk) -> dict[str, Any]:
        found: dict[str, Any] = walk.answer["normaliser"]
        return found

    def lanes(walk: Walk) -> int:
        settings = walk.answer["settings"]
        return int(settings["tiles"]) * int(settings["tile"].partition("x")[2])

    def area(walk: Walk) -> float:
        return float(own(walk)["area_um2"]["value"])

    def chip(walk: Walk) -> float:
        return float(walk.answer["area_um2"]["total"]["value"])

    def tiles(walk: Walk) -> int:
        return int(walk.answer["settings"]["tiles"])

    def attention_mj(walk: Walk) -> float:
        return 1e-9 * walk.score_pj * walk.scores

    yield line("a score", "energy of the normalizer, pJ", lambda w: fixed(w.normalizer_pj))
    yield line("", "of attention, pJ", lambda w: fixed(w.score_pj, 0))
    yield line("", "the normalizer's share", lambda w: percent(w.normalizer_pj / w.score_pj))
    yield line("a lane", "area of the normalizer, µm²", lambda w: fixed(area(w) / lanes(w), 0))
    yield line("a tile", "area, mm²", lambda w: mm2(w.tiles_um2 / tiles(w)))
    yield line("", "the normalizer's share", lambda w: percent(area(w) / w.tiles_um2))
    yield line("the model's attention", "scores", lambda w: fixed(w.scores, 0))
    yield line("", "time, ms", lambda w: fixed(1e3 * w.attention_s, 3))
    yield line("", "energy, mJ", lambda w: fixed(attention_mj(w)))
    yield line("a prompt, a token", "time, ms", lambda w: _figure(w.answer["latency_s"], 1e3))
    yield line("", "decided by", lambda w: str(w.answer["bound"]))
    yield line("", "attention's share of the time", lambda w: percent(
        w.attention_s / w.answer["latency_s"]["value"], 1
    ))  # fmt: skip
    yield line("", "the normalizer's share", lambda w: percent(own(w)["share_of_latency"], 3))
    yield line("", "energy, mJ", lambda w: _figure(w.answer["energy_j"]["total"], 1e3))
    yield line("", "the normalizer's share", lambda w: percent(own(w)["share_of_energy"], 3))
    yield line("the chip", "area, mm²", lambda w: _figure(w.answer["area_um2"]["total"], 1e-6))
    yield line("", "the normalizer's share", lambda w: percent(area(w) / chip(w)))


def _figure(it: Mapping[str, float], factor: float) -> str:
    """Return a value with its interval, if that shows, in three digits or all before the point."""
    digits = max(0, 2 - floor(log10(factor * it["value"])))
    value, low, high = (fixed(factor * it[name], digits) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if wide(it) else value


def _worth(place: Growth) -> Worth:
    rivals = [rival for rival in place.rivals if not rival.refused]
    exact = next(rival for rival in rivals if rival.name == _EXACT)
    return Worth(
        title=place.title,
        context=place.context,
        exact=exact,
        saved_um2=_more(exact.normaliser_um2, place.own_um2),
        gains=tuple(_gain(field, rivals) for field in _QUANTITIES),
    )


def _more(one: Interval, other: Interval) -> Interval:
    """Return by how much one area is above another that has no part in common with it."""
    return Interval(
        max(one.value - other.value, 0.0), max(one.low - other.high, 0.0),
        max(one.high - other.low, 0.0),
    )  # fmt: skip


def _gain(field: str, rivals: Sequence[Rival]) -> Gain:
    def ratio(rival: Rival) -> float:
        return float(getattr(rival, field))

    most = max(rivals, key=ratio)
    return Gain(
        quantity=_QUANTITIES[field], unit=most.name, ratio=ratio(most),
        least=min(map(ratio, rivals)),
        plain=max((abs(ratio(rival) - 1) for rival in rivals if not rival.buffer_kib), default=0.0),
    )  # fmt: skip


def _forms(known: Sequence[Perplexity]) -> list[str]:
    """Return the formats that exact softmax was measured with, the best ones first."""
    own = [each for each in known if each.normaliser == _EXACT]
    longest = max((each.tokens for each in own), default=0)
    worst = {each.p_format: each.change for each in own if each.tokens == longest}
    return sorted({each.p_format for each in own}, key=lambda form: worst.get(form, 0.0))


def _units(known: Sequence[Perplexity]) -> list[str]:
    return sorted({each.normaliser for each in known if each.p_format == _FINE})


def _rows(
    known: dict[tuple[str, str, str, int], Perplexity],
    columns: Sequence[tuple[str, int]],
    rows: Sequence[tuple[str, str, str]],
) -> tuple[FormRow, ...]:
    return tuple(
        FormRow(
            name=title,
            changes=tuple(
                found.change if (found := known.get((unit, form, *column))) else None
                for column in columns
            ),
        )
        for title, unit, form in rows
    )
