"""Pictures of ``consilico system``: what is busy when, and where time, energy and area go."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from consilico.reports.page.chart import Chart, LimitLine, Panel, Series
from consilico.reports.page.conditions import conditions

if TYPE_CHECKING:
    from consilico.reports.system.facts import Perplexity, SystemFacts, Walk

__all__ = ["system_charts", "system_plot"]

_ENGINES = {  # name in the answer: name in the picture, key of COLOURS
    "qk": ("arrays for scores", "a"),
    "pv": ("arrays for values", "light a"),
    "gemv": ("dot-product lanes", "c"),
    "vector": ("vector lanes", "e"),
    "dram": ("DRAM", "d"),
}
_TIMES = {"engine": "a", "fill": "light a", "normaliser": "f", "waits for DRAM": "d"}
_ONLY = ""  # name of a single bar
_DECIDES = {  # what decides the time, and causes of energy: name in the picture, key of COLOURS
    "array": ("arrays", "a"),
    "MACs": ("MACs", "a"),
    "registers": ("registers", "light a"),
    "gemv": ("dot-product lanes", "c"),
    "vector": ("vector lanes", "e"),
    "other units": ("vector lanes", "e"),
    "dram": ("DRAM", "d"),
    "DRAM": ("DRAM", "d"),
    "fill": ("fill and drain", "light paper"),
    "normaliser": ("normalizer", "f"),
    "score buffer": ("buffers for scores", "limit"),
    "requantizer": ("requantizers", "light b"),
    "SRAM": ("SRAM", "b"),
    "leakage": ("leakage", "paper"),
}
_DRAWN = {"softmax": "f", "online_softmax": "a"}  # normalizers by context
_FORM_COLOURS = ("a", "c", "f", "b", "d", "e", "paper")


def system_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico system``: a timeline, and the breakdown of its costs.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    s, latency = answer["settings"], answer["latency_s"]
    words = (
        f"{answer['model']}, {answer['phase']} at {s['context']:,} tokens, weights {s['weights']},"
        f" {s['tiles']} x {s['tile']}, {answer['normaliser']['name']}"
    )
    return Chart(
        name="system",
        title=f"{words}: {1e3 * latency['value']:.3g} ms per {answer['per']}",
        caption=f"Utilization of each engine while the operators run one after another, the time of"
        f" each, and what takes energy and area. {words}. Middle of each interval.",
        kind="estimated",
        conditions=conditions(answer["kit"], s["clock_ns"], answer["kit"]["activity"]),
        panels=[
            Panel(
                title="timeline", x_label="ms", y_label="utilization",
                series=_timeline(answer),
            ),
            Panel(title="operators", y_label="ms", series=_times(answer), horizontal=True),
            _stack("energy", "mJ", answer["energy_j"], 1e3),
            _stack("area", "mm²", answer["area_um2"], 1e-6),
        ],
    )  # fmt: skip


def _timeline(answer: dict[str, Any]) -> list[Series]:
    """Return how much of each engine is used from the begin of an operator to its end."""
    lines: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in _ENGINES}
    now = 0.0
    for operator in answer["operators"]:
        end = now + 1e3 * operator["time_s"]["value"]
        for name, (x, y) in lines.items():
            x += [now, end]
            y += [operator["utilisation"][name]] * 2
        now = end
    return [
        Series(name=_ENGINES[name][0], colour=_ENGINES[name][1], x=x, y=y)
        for name, (x, y) in lines.items()
        if any(y)
    ]


def _times(answer: dict[str, Any]) -> list[Series]:
    """Return the time of each operator by what it is spent on."""
    cycle_ms = answer["settings"]["clock_ns"] * 1e-6
    names = [operator["name"] for operator in answer["operators"]]
    parts: dict[str, list[float]] = {name: [] for name in _TIMES}
    for operator in answer["operators"]:
        exposed = operator["exposed_cycles"]
        held = exposed["normaliser"] + exposed["buffer"]
        inner = operator["cycles"]["value"] - exposed["fill"] - held
        for name, cycles in zip(
            _TIMES, (inner, exposed["fill"], held, exposed["dram"]), strict=True
        ):
            parts[name].append(cycles * cycle_ms)
    return [
        Series(name=name, colour=_TIMES[name], mark="bars", x=names, y=y)
        for name, y in parts.items()
    ]


def _stack(title: str, unit: str, parts: dict[str, Any], scale: float) -> Panel:
    """Return one bar of all parts, the largest ones named on it."""
    colours = ("a", "light a", "f", "light b", "e", "b", "c", "d", "paper")
    own = {name: part["value"] * scale for name, part in parts.items() if name != "total"}
    return Panel(
        title=title, y_label=unit, named_bars=True,
        series=[
            Series(name=name, colour=colour, mark="bars", x=[_ONLY], y=[size])
            for (name, size), colour in zip(own.items(), colours, strict=False)
        ],
    )  # fmt: skip


def system_charts(facts: "SystemFacts") -> list[Chart]:
    """Return the charts of the section: where time and energy go, growth, forms of P."""
    return [_shares(facts.walks), _growth(facts), _forms(facts)]


def _where(facts: "Sequence[Walk]") -> str:
    answer = facts[0].answer
    return conditions(answer["kit"], answer["settings"]["clock_ns"], answer["kit"]["activity"])


def _shares(walks: "Sequence[Walk]") -> Chart:
    """Return what decides the time of each workload, and what takes its energy."""
    times = {walk.title: walk.answer["limits_s"] for walk in walks}
    energies = {
        walk.title: {
            cause: each["value"]
            for cause, each in walk.answer["energy_j"].items()
            if cause != "total"
        }
        for walk in walks
    }
    return Chart(
        name="system_shares",
        title="Where time and energy go",
        caption="Share of what decides the time of a prompt or a token, and of what takes its"
        " energy. Middle of each interval.",
        kind="estimated",
        conditions=_where(walks),
        share_y=True,
        panels=[
            Panel(title=title, y_label="%", series=_stacked(parts))
            for title, parts in (("time", times), ("energy", energies))
        ],
    )


def _stacked(parts: Mapping[str, Mapping[str, float]]) -> list[Series]:
    """Return shares of parts by workload, as bars on each other."""
    present = [name for name in _DECIDES if any(own.get(name) for own in parts.values())]
    return [
        Series(
            name=_DECIDES[name][0], colour=_DECIDES[name][1], mark="bars",
            x=list(parts),
            y=[100 * own.get(name, 0.0) / sum(own.values()) for own in parts.values()],
        )
        for name in present
    ]  # fmt: skip


def _growth(facts: "SystemFacts") -> Chart:
    """Return what other normalizers take, by context."""
    decode = [walk.title for walk in facts.walks if walk.title.endswith("decode")]
    panels = [
        Panel(
            title=f"time of a token, {title.partition(',')[0]}", x_label="context",
            y_label="times ConSmax", series=_by_context(facts, title, "latency_ratio"),
            x_log=True, limits=(LimitLine(name="ConSmax", y=1.0, below=True),),
        )
        for title in decode
    ]  # fmt: skip
    panels.append(
        Panel(
            title=f"area of the chip, {decode[-1].partition(',')[0]}", x_label="context",
            y_label="times ConSmax", series=_by_context(facts, decode[-1], "area_ratio"),
            x_log=True, limits=(LimitLine(name="ConSmax", y=1.0, below=True),),
        )
    )  # fmt: skip
    return Chart(
        name="system_growth",
        title="What another normalizer takes, the longer the context",
        caption="Time of a token and area of the chip with a unit that reads rows twice, and with"
        " one that does not, relative to ConSmax: buffers for rows grow with the context that the"
        " chip is built for. Middle of each interval.",
        kind="estimated",
        conditions=_where(facts.walks),
        panels=panels,
    )


def _by_context(facts: "SystemFacts", title: str, quantity: str) -> list[Series]:
    places = sorted(
        (each for each in facts.growth if each.title == title), key=lambda each: each.context
    )
    found = []
    for name, colour in _DRAWN.items():
        own = {
            place.context: getattr(rival, quantity)
            for place in places
            for rival in place.rivals
            if rival.name == name and not rival.refused
        }
        found.append(Series(name=name, colour=colour, x=list(own), y=list(own.values())))
    return found


def _forms(facts: "SystemFacts") -> Chart:
    """Return how perplexity grows with the length of windows, by the form of exact softmax."""
    own = [each for each in facts.perplexities if each.normaliser == "softmax"]
    forms = sorted({each.p_format for each in own}, key=lambda form: _worst(own, form))
    panels = []
    for text in dict.fromkeys(each.text for each in own):
        series = []
        for form, colour in zip(forms, _FORM_COLOURS, strict=False):
            known = {e.tokens: e.change for e in own if (e.text, e.p_format) == (text, form)}
            lengths = sorted(known)
            series.append(
                Series(
                    name=form, colour=colour, x=lengths, y=[100 * known[n] for n in lengths],
                )
            )  # fmt: skip
        panels.append(
            Panel(
                title=text, x_label="tokens of a window", y_label="%", x_log=True,
                series=[one for one in series if one.x],
            )
        )  # fmt: skip
    texts = " and ".join(panel.title for panel in panels)
    return Chart(
        name="system_forms",
        title="By how much perplexity grows with the form of a normalized score",
        caption="Perplexity with exact softmax whose results have a form, above that with softmax"
        " in floating point, by the length of windows; the same tokens at every length.",
        kind="measured",
        conditions=f"{own[0].model}, {own[0].predicted:,} tokens of {texts}" if own else "",
        panels=panels,
    )


def _worst(own: "Sequence[Perplexity]", form: str) -> float:
    return max(each.change for each in own if each.p_format == form)
