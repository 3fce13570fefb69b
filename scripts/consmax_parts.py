"""Parts of docs/consmax_training.md, from the table of trainings with ConSmax."""

import math
from collections.abc import Callable, Sequence

from consilico.sim.accuracy.formats import P_FORMATS
from consilico.sim.training.consmax_formats import FORMATS
from consilico.sim.training.consmax_measure import (
    CONVERSIONS,
    NORMALIZERS,
    SEEDS,
    SIZES,
    conversions,
    study,
)
from consilico.sim.training.consmax_table import (
    ConsmaxRun,
    ConversionRun,
    Spread,
    TrainedRun,
    read_consmax_table,
)
from scripts.document_text import paragraph, table

__all__ = ["PARTS"]

_WORDS = {"softmax": "softmax", "consmax": "ConSmax", "consmax_rows": "ConSmax, 1/(t + 1) per row"}
_PUBLISHED_PCT = 0.9  # by which perplexity grows at most, arXiv 2402.10930, abstract
_NOT_RUN = "not run"
_NOTHING = "No trained model was measured yet."
_HEAD_FORMAT = "8 bits, the point of each head its own"


def _row(size: str, normalizer: str, seed: int = SEEDS[0]) -> ConsmaxRun | None:
    return read_consmax_table().find(size, normalizer, seed)


def _words(normalizer: str) -> str:
    kind, _, start = normalizer.partition(", ")
    return f"{_WORDS[kind]}, {start}" if start else _WORDS[kind]


def _growth(loss: float, reference: float) -> float:
    """Return by how many percent perplexity is above that of a reference."""
    return 100 * math.expm1(loss - reference)


def _against(loss: float, reference: float) -> str:
    growth = _growth(loss, reference)
    return f"{growth:+.2f} %" if abs(growth) < 1000 else f"x {1 + growth / 100:,.0f}"


def consmax_training_state() -> str:
    """Return what was trained, where and when, and what of the study is left."""
    rows, cases = read_consmax_table().rows, study()
    known = {row.key for row in rows}
    left = [case for case in cases if (case.size, case.normalizer, case.seed) not in known]
    ours = [case for case in left if case.size != "paper"]
    counts = f"""Not run: {len(ours)} of the small sizes and {len(left) - len(ours)} of the paper's
        size."""
    if not rows:
        return paragraph(f"None of the study's {len(cases)} trainings was run to its end. {counts}")
    return paragraph(
        f"""Trained on {_where(rows)}: {len(rows)} of the study's {len(cases)} trainings.
        {counts}"""
    )


def _where(rows: Sequence[TrainedRun]) -> str:
    """Return the dates, machines and versions of rows."""
    machines = sorted({row.machine for row in rows})
    versions = sorted({f"{name} {value}" for row in rows for name, value in row.versions.items()})
    dates = sorted({row.date for row in rows})
    return f"{' and '.join(dates)} ({' and '.join(machines)}, {', '.join(versions)})"


def _size_words(name: str) -> str:
    size = SIZES[name]
    model = size.model
    return (
        f"`{name}`: {model.layers} layers, {model.heads} heads, width {model.width}, context"
        f" {model.context}, {size.steps:,} steps of {size.batch} windows, lr {size.lr:g}"
    )


def consmax_training_sizes() -> str:
    """Return the sizes that are trained."""
    return "\n".join(f"- {_size_words(name)}" for name in SIZES)


def consmax_training_losses() -> str:
    """Return the losses of all seeds."""
    lines = []
    for size in SIZES:
        for name in _WORDS:
            seeds = SEEDS if size != "search" else SEEDS[:1]
            cells = [_loss_cell(size, name, seed) for seed in seeds]
            lines.append((f"`{size}`, {_words(name)}", *cells, *[""] * (len(SEEDS) - len(cells))))
    return table(("", *(f"seed {seed}" for seed in SEEDS)), lines, "---:")


def _loss_cell(size: str, normalizer: str, seed: int) -> str:
    row, softmax = _row(size, normalizer, seed), _row(size, "softmax", seed)
    if row is None:
        return _NOT_RUN
    if normalizer == "softmax" or softmax is None:
        return f"{row.loss:.4f}"
    return f"{row.loss:.4f} ({_against(row.loss, softmax.loss)})"


def consmax_training_verdict() -> str:
    """Return what of the paper's bound is reproduced."""
    found = []
    for size in SIZES:
        for name in list(_WORDS)[1:]:
            growths = [
                _growth(row.loss, softmax.loss)
                for seed in SEEDS
                if (row := _row(size, name, seed)) and (softmax := _row(size, "softmax", seed))
            ]
            if growths:
                met = "within" if max(growths) <= _PUBLISHED_PCT else "above"
                seeds = "1 seed" if len(growths) == 1 else f"{len(growths)} seeds"
                found.append(
                    f"`{size}`, {_words(name)}: {max(growths):+.2f} % ({seeds}), {met} the bound"
                )
    paper = all(_row("paper", name) is None for name in _WORDS)
    state = "The paper's size was not run, so its own claim is neither confirmed nor refuted."
    here = f"Here, at worst: {'; '.join(found)}." if found else "Nothing of it is reproduced here."
    return paragraph(
        f"""The paper says that perplexity grows by at most {_PUBLISHED_PCT} %. {here}
        {state if paper else ""}"""
    )


def consmax_training_search() -> str:
    """Return the losses by where constants start and how fast they learn."""
    softmax = _row("search", "softmax")
    lines = []
    for name, normalizer in NORMALIZERS.items():
        row = _row("search", name)
        start = (
            ("", "", "")
            if normalizer.kind == "softmax"
            else (
                f"{normalizer.beta[0]:g} to {normalizer.beta[1]:g}",
                f"{normalizer.gamma:g}",
                f"x {normalizer.rate:g}",
            )
        )
        if row is None:
            lines.append((_WORDS[normalizer.kind], *start, _NOT_RUN, "", "", ""))
            continue
        lines.append(
            (
                _WORDS[normalizer.kind], *start, f"{row.loss:.4f}",
                _against(row.loss, softmax.loss) if softmax and softmax is not row else "",
                _range(row.beta), _range(row.gamma),
            )
        )  # fmt: skip
    head = ("", "beta at first", "gamma at first", "rate", "loss", "against softmax",
            "beta learned", "gamma learned")  # fmt: skip
    return table(head, lines, "---:")


def _range(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{spread.least:.2f} to {spread.greatest:.2f}"


def _trained() -> Sequence[ConsmaxRun]:
    """Return a run for each size and normalizer that was trained, seed 1 where there is one."""
    first: dict[tuple[str, str], ConsmaxRun] = {}
    for row in sorted(read_consmax_table().rows, key=lambda row: row.seed):
        if row.normalizer in _WORDS:
            first.setdefault((row.size, row.normalizer), row)
    order = [(size, name) for size in SIZES for name in _WORDS]
    return [first[key] for key in order if key in first]


def consmax_training_formats() -> str:
    """Return what formats of P do to trained models."""
    return _formats(_trained())


def _formats(runs: Sequence[TrainedRun]) -> str:
    if not runs:
        return _NOTHING
    head = ("", *(f"`{row.size}`, {_words(row.normalizer)}" for row in runs))
    lines = [("in floating point, nats", *(f"{row.passage_loss:.4f}" for row in runs))]
    for name in FORMATS:
        summary = P_FORMATS[name].summary if name in P_FORMATS else _HEAD_FORMAT
        changes = (_against(row.format_loss(name).loss, row.passage_loss) for row in runs)
        lines.append((f"{summary} (`{name}`)", *changes))
    return table(head, lines, "---:")


def consmax_training_distribution() -> str:
    """Return how great the results of the units are in trained models."""
    return _distribution(_trained())


def _distribution(runs: Sequence[TrainedRun]) -> str:
    lines = []
    for row in runs:
        found = row.distribution
        few, weight = found.below(-8)
        fixed, own = row.format_loss("uint8"), row.format_loss("uint8-head")
        lines.append(
            (
                f"`{row.size}`, {_words(row.normalizer)}",
                f"{found.row_sum.least:.2f} to {found.row_sum.greatest:.2f}",
                f"{found.row_sum.mean:.2f}", f"{found.greatest:.2f}",
                f"{few:.1%}", f"{weight:.1%}", f"{fixed.lost:.2%}", f"{fixed.saturated:.2%}",
                f"{own.lost:.2%}",
            )
        )  # fmt: skip
    if not lines:
        return _NOTHING
    head = (
        "", "row sums", "mean", "greatest result", "results below 2^-8", "their share of the sum",
        "lost in `uint8`", "saturated in `uint8`", "lost in `uint8-head`",
    )  # fmt: skip
    return table(head, lines, "---:")


def _converted() -> Sequence[ConversionRun]:
    """Return the conversions that were run, in the order of the study."""
    known = {row.key: row for row in read_consmax_table().conversions}
    return [known[case.key] for case in conversions() if case.key in known]


def consmax_conversion_sizes() -> str:
    """Return what may be converted, and how."""
    lines = []
    for name, size in CONVERSIONS.items():
        run, context = size.gpt, size.gpt.model.context
        tokens = f"{size.held_out * context:,} tokens" if size.held_out else "all tokens"
        lines.append(
            f"- `{name}`: context {context}, {run.steps:,} steps of {run.batch} windows, lr"
            f" {run.lr:g} after {run.warm_up} steps; loss of {tokens} that were held out, formats"
            f" on {size.passage:,}"
        )
    return "\n".join(lines)


def consmax_conversion_state() -> str:
    """Return what was converted, where and when, and what was not."""
    rows = _converted()
    known = {row.key for row in rows}
    left = [case.size for case in conversions() if case.key not in known]
    not_run = f" Not run: {_counts(left)}." if left else ""
    if not rows:
        return paragraph(f"No model was converted yet.{not_run}")
    model = " ".join(rows[0].model[name] for name in ("name", "version", "file"))
    done = _counts([row.size for row in rows])
    return paragraph(f"Run on {_where(rows)}, from {model}: {done}.{not_run}")


def _counts(sizes: Sequence[str]) -> str:
    return ", ".join(f"{sizes.count(size)} of `{size}`" for size in dict.fromkeys(sizes))


def consmax_conversion_losses() -> str:
    """Return losses and perplexities of conversions, before and after their steps."""
    lines = []
    for row in _converted():
        softmax = read_consmax_table().find_conversion(row.size, "softmax", row.seed)
        ours = row.normalizer != "softmax"
        lines.append(
            (
                f"`{row.size}`, {_words(row.normalizer)}",
                _perplexity(row.unsaturated) if ours else "",
                _perplexity(row.before),
                f"{CONVERSIONS[row.size].gpt.steps:,}",
                _perplexity(row.loss),
                _against(row.loss, softmax.loss) if ours and softmax else "",
            )
        )
    if not lines:
        return _NOTHING
    head = (
        "", "before any step, not saturated", "before any step", "steps", "after them",
        "against softmax trained as long",
    )  # fmt: skip
    return table(head, lines, "---:")


def _perplexity(loss: float | None) -> str:
    return "no number" if loss is None else f"{loss:.3f} ({math.exp(loss):,.1f})"


def consmax_conversion_formats() -> str:
    """Return what formats of P do to converted models."""
    return _formats(_converted())


def consmax_conversion_distribution() -> str:
    """Return how great the results of the units are in converted models."""
    return _distribution(_converted())


PARTS: dict[str, Callable[[], str]] = {
    "consmax_training_state": consmax_training_state,
    "consmax_training_sizes": consmax_training_sizes,
    "consmax_training_losses": consmax_training_losses,
    "consmax_training_verdict": consmax_training_verdict,
    "consmax_training_search": consmax_training_search,
    "consmax_training_formats": consmax_training_formats,
    "consmax_training_distribution": consmax_training_distribution,
    "consmax_conversion_sizes": consmax_conversion_sizes,
    "consmax_conversion_state": consmax_conversion_state,
    "consmax_conversion_losses": consmax_conversion_losses,
    "consmax_conversion_formats": consmax_conversion_formats,
    "consmax_conversion_distribution": consmax_conversion_distribution,
}
