"""Parts of docs/accuracy.md, from what was measured of normalizers in a language model."""

from collections.abc import Callable, Iterable, Sequence

from consilico.sim.accuracy.drop_in import EXACT
from consilico.sim.accuracy.facts import Accuracy
from consilico.sim.accuracy.formats import P_FORMATS
from consilico.sim.accuracy.measure import study
from consilico.sim.accuracy.table import measured_accuracies
from consilico.sim.accuracy.texts import CALIBRATION, LENGTHS, TEXTS
from scripts.document_text import paragraph, table

__all__ = ["PARTS", "plot_panels"]

_FINE = "2xint7"
_FORMATS = ("bf16", "2xint7", "uint12", "uint8", "int7", "uint8-max", "int7-max")


def accuracy_state() -> str:
    """Return what was measured, and what of the study is not there yet."""
    rows = measured_accuracies().rows
    cases = {case.key for case in study()}
    known = {row.key for row in rows}
    dates = sorted({row.date for row in rows})
    tools = sorted({f"{name} {value}" for row in rows for name, value in row.tools.items()})
    left = len(cases - known)
    state = f"{left} of its {len(cases)} cases are not measured yet" if left else "it is whole"
    return paragraph(
        f"""Measured on {" and ".join(dates)} with {", ".join(tools)}, one thread:
        {len(rows)} rows, on {" and ".join(dict.fromkeys(row.found.text for row in rows))}; scales
        of scores are calibrated on {CALIBRATION}. Of the study,
        {state}."""
    )


def _columns() -> list[tuple[str, int]]:
    """Return the texts and lengths that something was measured at."""
    known = {(row.found.text, row.found.tokens) for row in measured_accuracies().rows}
    return [(text, tokens) for text in TEXTS for tokens in LENGTHS if (text, tokens) in known]


def _by_length(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a table of changes of perplexity: title, normalizer and format of each row."""
    known, columns = measured_accuracies(), _columns()
    baselines = {(row.found.text, row.found.tokens): row.found.baseline for row in known.rows}
    head = ("", *(f"{text}, {tokens:,}" for text, tokens in columns))
    lines = [("softmax in floating point", *(f"{baselines[key]:.2f}" for key in columns))]
    for title, name, form in rows:
        found = {
            (each.text, each.tokens): each for each in known.of(normaliser=name, p_format=form)
        }
        if found:
            lines.append((title, *(_change(found.get(key)) for key in columns)))
    return table(head, lines, "---:")


def _change(found: Accuracy | None) -> str:
    if found is None:
        return "-"
    times = found.perplexity / found.baseline
    return f"{found.change_pct:+.2f} %" if times < 10 else f"x {times:,.0f}"


def accuracy_formats() -> str:
    """Return what formats of P do to perplexity."""
    titles = {name: f"{P_FORMATS[name].summary} (`{name}`)" for name in _FORMATS}
    rows = [(titles[name], "softmax", name) for name in _FORMATS]
    running = [
        (f"`online_softmax`, {titles[name]}", "online_softmax", name)
        for name in ("2xint7", "uint8", "int7")
    ]
    return _by_length([*rows, *running])


def accuracy_normalizers() -> str:
    """Return what normalizers do to perplexity when P is exact enough."""
    return _by_length((f"`{name}`", name, _FINE) for name in _normalizers())


def accuracy_rows() -> str:
    """Return what rows look like at the greatest length, and the layer that moves most weight."""
    known = measured_accuracies()
    lines = []
    for name in _normalizers():
        found = max(
            (each for each in known.of(normaliser=name, p_format=_FINE) if each.text == TEXTS[0]),
            key=lambda each: each.tokens,
            default=None,
        )
        if found is None:
            continue
        (worst,) = found.layers
        sums = found.row_sum
        lines.append(
            (
                f"`{name}`", f"{found.tokens:,}", f"{found.saturated:.2%}",
                f"{sums.least:.2f} to {sums.greatest:.2f}", f"{sums.mean:.3f}",
                f"{found.empty_rows:.2%}", f"{found.argmax_flips:.2%}", f"{found.moved:.1%}",
                f"{worst.layer}: {worst.moved:.1%}",
            )
        )  # fmt: skip
    head = (
        "", "tokens", "scores saturated", "row sums", "mean", "rows of 0", "argmax flips",
        "weight moved", "worst layer",
    )  # fmt: skip
    return table(head, lines, "---:")


def _normalizers() -> list[str]:
    """Return the normalizers of the study, exact softmax on INT8 scores first."""
    names = dict.fromkeys(case.normaliser for case in study())
    return [EXACT, *sorted(name for name in names if name != EXACT)]


def plot_panels() -> Sequence[tuple[str, Sequence[tuple[str, Sequence[Accuracy]]]]]:
    """Return the panels of docs/accuracy.png: formats of P, and normalizers, on the first text.

    A normalizer that makes perplexity more than twice as great is left out: it would hide the
    others.
    """
    known = measured_accuracies()

    def line(name: str, form: str) -> list[Accuracy]:
        found = known.of(normaliser=name, p_format=form, text=TEXTS[0])
        return sorted(found, key=lambda each: each.tokens)

    formats = [(form, line("softmax", form)) for form in _FORMATS]
    names = [(name, line(name, _FINE)) for name in _normalizers()]
    shown = [(name, found) for name, found in names if found and found[-1].change_pct < 100]
    return [
        ("format of P, with softmax", [(name, found) for name, found in formats if found]),
        ("normalizer, with P in 14 bits", shown),
    ]


PARTS: dict[str, Callable[[], str]] = {
    "accuracy_state": accuracy_state,
    "accuracy_formats": accuracy_formats,
    "accuracy_normalizers": accuracy_normalizers,
    "accuracy_rows": accuracy_rows,
}
