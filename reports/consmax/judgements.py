"""Comparison of the measurements of the ConSmax units with their limits."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from consilico.reports.consmax.certificates import Certificate
from consilico.reports.consmax.facts import ConsmaxFacts, find, lanes_of
from consilico.reports.consmax.limits import ENERGY_CLOCK_NS, ERROR_LIMITS, NAMES, ErrorLimit
from consilico.reports.consmax.targets import (
    JudgedTarget,
    MissedTarget,
    beyond_together,
    judge_targets,
    representative,
)
from consilico.reports.consmax.width_search import Log2Widths
from consilico.reports.page.conditions import conditions
from consilico.reports.page.numbers import NOT_MEASURED
from consilico.reports.page.section import Card, Check, Judged
from consilico.sim.silicon.implementation import Implementation, rung_words

__all__ = ["ConsmaxJudgement", "JudgedCertificate", "NetlistRow", "PowerRow", "judge_consmax"]


@dataclass(frozen=True, kw_only=True)
class JudgedCertificate:
    """A certificate, and whether every code of every setting keeps the limits of the unit."""

    it: Certificate
    limit: ErrorLimit | None  # None: the certificate is for comparison
    within: bool | None


@dataclass(frozen=True, kw_only=True)
class NetlistRow:
    """A netlist as the tables of area and path show it."""

    it: Implementation
    name: str
    lanes: int
    area_per_lane_um2: float
    judged: bool  # area and path of the unit are judged on it


@dataclass(frozen=True, kw_only=True)
class PowerRow:
    """A netlist's power on one kind of scores."""

    it: Implementation
    lanes: int
    real: bool  # a language model's scores, not drawn ones
    power_mw: tuple[float, ...]  # internal, switching, leakage, total


@dataclass(frozen=True, kw_only=True)
class ConsmaxJudgement:
    """Judgements that the section's template shows, chosen, scaled and judged."""

    targets: tuple[JudgedTarget, ...]
    energies: tuple[JudgedTarget, ...]  # those of the targets that have an energy
    waiting: bool  # whether a target is missed so far that another netlist may meet
    together: dict[str, tuple[MissedTarget, ...]]  # from :func:`beyond_together`
    certificates: tuple[JudgedCertificate, ...]
    classes: tuple[str, ...]  # of cells
    netlists: tuple[NetlistRow, ...]  # mapped for 250 MHz
    power: tuple[PowerRow, ...]  # of the same, on each kind of scores
    sweep: tuple[NetlistRow, ...]  # of one lane, for all clocks
    widths_within: int  # combinations of widths that keep the error bounds of log2
    widths_shown: tuple[Log2Widths, ...]  # those synthesized, and the chosen one
    width_limit: ErrorLimit
    names: dict[str, str]  # of architectures, for people
    energy_clock_ns: float
    rungs: str  # what the figures of the netlists hold for
    real_words: str  # "real scores" or "synthetic scores"


def judge_consmax(facts: ConsmaxFacts) -> Judged:
    """Judge targets, certificates and netlists.

    A target of area, path or energy that is missed is counted, and is no failure: the figures
    are right all the same. An error beyond its bound, or a netlist that is wrong, is one.

    Returns:
        Rows: a :class:`ConsmaxJudgement`.
    """
    targets = [_decided(row, facts.swept) for row in judge_targets(facts.netlists)]
    certificates = [_within(entry) for entry in facts.certificates]
    checks = (
        [
            Check(
                what=f"{NAMES[row.target.architecture]}: {row.target.quantity}",
                limit=f"at most {row.target.limit:g} {row.target.unit}",
                measured=row.words,
                met=row.met,
            )
            for row in targets
        ]
        + [
            Check(
                what=f"{NAMES[row.target.architecture]}: {row.target.quantity}, the model's scores",
                limit=f"at most {row.target.real_limit:g} {row.target.unit}",
                measured=NOT_MEASURED if row.real is None else f"{row.real:.2f} {row.target.unit}",
                met=row.real_met,
            )
            for row in targets
            if row.target.real_limit is not None
        ]
        + [
            Check(
                what=f"{row.it.architecture}: greatest relative error",
                limit=f"at most {row.limit.max_relative_error:.2%}",
                measured=f"{row.it.max_relative_error:.3%}",
                met=row.within,
                must=True,
            )
            for row in certificates
            if row.limit is not None
        ]
    )
    gates = [netlist.gate_level for netlist in facts.netlists]
    if gates:
        right = all(gate.checked > 0 and gate.mismatches == 0 for gate in gates)
        checks.append(
            Check(
                what="netlists of the ConSmax units, simulated", limit="no mismatch",
                measured=f"{sum(gate.mismatches for gate in gates)} mismatches", met=right,
                must=True,
            )
        )  # fmt: skip
    where = conditions(facts.kit, ENERGY_CLOCK_NS, "normal draw of scores")
    where += f"; {rung_words(*(it.rung for it in find(facts.netlists, lanes=1)))}"
    return Judged(
        checks=checks,
        cards=[_error_card(certificates), *_target_cards(targets, where)],
        rows=_rows(facts, targets, certificates),
    )


def _rows(
    facts: ConsmaxFacts,
    targets: Sequence[JudgedTarget],
    certificates: Sequence[JudgedCertificate],
) -> ConsmaxJudgement:
    slow = find(facts.netlists, clock_ns=ENERGY_CLOCK_NS)
    judged = [representative(facts.netlists, name) for name in ERROR_LIMITS]

    def rows(netlists: Iterable[Implementation]) -> tuple[NetlistRow, ...]:
        return tuple(
            NetlistRow(
                it=it,
                name=NAMES[it.unit],
                lanes=lanes_of(it),
                area_per_lane_um2=it.area_um2 / lanes_of(it),
                judged=any(it is one for one in judged),
            )
            for it in netlists
        )

    return ConsmaxJudgement(
        targets=tuple(targets),
        energies=tuple(row for row in targets if row.target.key == "energy_pj"),
        waiting=any(row.met is None and row.measured is not None for row in targets),
        together=beyond_together(targets),
        certificates=tuple(certificates),
        classes=tuple(slow[0].area_by_class_um2) if slow else (),
        netlists=rows(find(slow, source="normal")),
        power=tuple(
            PowerRow(
                it=it,
                lanes=lanes_of(it),
                real=it.activity.source == "model",
                power_mw=tuple(
                    1e3 * watts
                    for watts in (
                        it.power.internal_w, it.power.switching_w, it.power.leakage_w,
                        it.power.total_w,
                    )
                ),
            )
            for it in slow
        ),
        sweep=rows(find(facts.netlists, lanes=1, source="normal")),
        widths_within=sum(row.within_bounds for row in facts.widths),
        widths_shown=tuple(
            row for row in facts.widths if row.chosen or row.area_um2 is not None
        ),
        names=NAMES,
        energy_clock_ns=ENERGY_CLOCK_NS,
        rungs=rung_words(*(it.rung for it in facts.netlists)),
        width_limit=ERROR_LIMITS["consmax/log2"],
        real_words=facts.scores.words if facts.scores else "real scores",
    )  # fmt: skip


def _decided(row: JudgedTarget, swept: Collection[str]) -> JudgedTarget:
    """Leave a target open that is missed so far, if a netlist for another clock may meet it."""
    target = row.target
    waits = target.lanes == 1 and target.key != "energy_pj" and target.architecture not in swept
    return replace(row, met=None) if waits and row.met is False else row


def _within(certificate: Certificate) -> JudgedCertificate:
    limit = ERROR_LIMITS.get(certificate.architecture)
    if limit is None:
        return JudgedCertificate(it=certificate, limit=None, within=None)
    return JudgedCertificate(
        it=certificate,
        limit=limit,
        within=certificate.exhaustive
        and certificate.max_relative_error <= limit.max_relative_error
        and (limit.max_ulp is None or certificate.max_ulp <= limit.max_ulp),
    )


def _error_card(certificates: Sequence[JudgedCertificate]) -> Card:
    label = "ConSmax: greatest relative error"
    bounded = [row for row in certificates if row.limit is not None]
    if not bounded:
        return Card(
            label=label, value=NOT_MEASURED, note="consilico report certifies it", kind="certified"
        )
    first = bounded[0].it
    return Card(
        label=label,
        value=", ".join(
            f"{row.it.max_relative_error:.2%} {NAMES[row.it.architecture]}" for row in bounded
        ),
        note=f"all {first.codes} codes of {first.settings} settings",
        kind="certified",
        good=all(row.within for row in bounded),
    )


def _target_cards(targets: Sequence[JudgedTarget], where: str) -> list[Card]:
    cards = []
    for quantity, label in (
        ("area, one lane", "ConSmax: area of one lane"),
        ("energy per result at 250 MHz", "ConSmax: energy per result at 250 MHz"),
    ):
        rows = [row for row in targets if row.target.quantity == quantity and row.measured]
        if not rows:
            continue
        paper = {f"{row.paper:,.{row.target.digits}f}" for row in rows if row.paper is not None}
        against = (
            f"against {' and '.join(sorted(paper))} of the paper's unit built straight,"
            " in the same flow. "
            if paper
            else ""
        )
        cards.append(
            Card(
                label=label,
                value=", ".join(f"{row.words} {NAMES[row.target.architecture]}" for row in rows),
                note=f"{against}{where}",
                good=all(row.met for row in rows),
            )
        )
    return cards
