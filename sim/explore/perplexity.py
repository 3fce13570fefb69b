"""Perplexity as an objective: what was measured of normalizers with forms of their results.

Nobody who looks at thousands of chips measures perplexity of each, and nobody guesses it: the table
of ``consilico accuracy`` has it for some normalizers and forms, and of the others it is not known.
Perplexity grows with the length of windows in its own way for each form, so that two of them are
comparable on the same text and at the same length only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from consilico.sim.accuracy.table import known_accuracy, measured_accuracies
from consilico.sim.base.facts import Facts

__all__ = ["PERPLEXITY", "NormalizerPerplexity", "Perplexities", "perplexities"]

PERPLEXITY = "perplexity"
"""Name of the objective, next to those of the figures that are computed."""


@dataclass(frozen=True, kw_only=True)
class NormalizerPerplexity(Facts):
    """Perplexity with a normalizer and a form of its results, the same for all chips with them."""

    normaliser: str
    p_format: str  # as a chip has it
    ratio: float | None  # to softmax in floating point, the greatest of the texts; None: unknown
    note: str = ""  # why it is not known


@dataclass(frozen=True, kw_only=True)
class Perplexities(Facts):
    """Measured perplexities of the normalizers and forms of a space, all on the same texts."""

    model: str  # that was measured; empty: nothing was
    tokens: int  # of a window
    texts: tuple[str, ...]
    pairs: tuple[NormalizerPerplexity, ...]

    def of(self, normaliser: str, p_format: str) -> NormalizerPerplexity:
        """Return what is known of a normalizer with a form of its results."""
        return self._by_name[normaliser, p_format]

    def order(self, pair: NormalizerPerplexity) -> tuple[float, float]:
        """Return two numbers that stand for a perplexity in comparisons, both to be small.

        Of two that are known the smaller one has both smaller. One that is not known is neither as
        good as another one nor as bad, and equal to itself.
        """
        return self._orders[pair]

    def at_best(self, pair: NormalizerPerplexity) -> float:
        """Return a number that stands for a perplexity if all unknown ones are the best."""
        return 0.0 if pair.ratio is None else 1.0 + self._ranks.index(pair.ratio)

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], NormalizerPerplexity]:
        return {(pair.normaliser, pair.p_format): pair for pair in self.pairs}

    @cached_property
    def _orders(self) -> dict[NormalizerPerplexity, tuple[float, float]]:
        unknown = [pair for pair in self.pairs if pair.ratio is None]
        last, known = len(unknown) - 1, len(self._ranks)
        found: dict[NormalizerPerplexity, tuple[float, float]] = {
            pair: (last - place, known + place) for place, pair in enumerate(unknown)
        }
        for pair in self.pairs:
            if pair.ratio is not None:
                rank = self._ranks.index(pair.ratio)
                found[pair] = (len(unknown) + rank, rank)
        return found

    @cached_property
    def _ranks(self) -> list[float]:
        return sorted({pair.ratio for pair in self.pairs if pair.ratio is not None})


def perplexities(pairs: Iterable[tuple[str, str]], context: int) -> Perplexities:
    """Return what was measured of some normalizers and forms, where they are comparable.

    That is in the longest windows, of up to ``context`` tokens, in which any of them was measured,
    on the text on which most of them were, and on all others on which all of these were.

    Args:
        pairs: Normalizers and forms of their results, as chips have them.
        context: Tokens of the longest row.
    """
    asked = list(dict.fromkeys(pairs))
    table = measured_accuracies()
    found = {
        pair: [
            each
            for each in table.of(normaliser=pair[0], p_format=pair[1])
            if each.tokens <= context
        ]
        for pair in asked
    }
    tokens = max((each.tokens for own in found.values() for each in own), default=0)
    at = {
        pair: {each.text: each for each in own if each.tokens == tokens}
        for pair, own in found.items()
    }
    texts = list(dict.fromkeys(text for own in at.values() for text in own))
    best = max(texts, key=lambda text: sum(text in own for own in at.values()), default="")
    measured = {pair: own for pair, own in at.items() if best in own}
    texts = [text for text in texts if all(text in own for own in measured.values())]
    models = [own[best].model for own in measured.values()]
    return Perplexities(
        model=models[0] if models else "",
        tokens=tokens,
        texts=tuple(texts),
        pairs=tuple(
            NormalizerPerplexity(
                normaliser=pair[0], p_format=pair[1],
                ratio=max(own[text].perplexity / own[text].baseline for text in texts),
            )
            if (own := measured.get(pair))
            else NormalizerPerplexity(
                normaliser=pair[0], p_format=pair[1], ratio=None,
                note=_why(*pair, context, tokens, best),
            )
            for pair in asked
        ),
    )  # fmt: skip


def _why(normaliser: str, form: str, context: int, tokens: int, text: str) -> str:
    """Return why a perplexity is not known."""
    other = known_accuracy(normaliser, form, context)
    if not other.texts:
        return other.note
    shorter = ", ".join(f"{each.text} at {each.tokens:,}" for each in other.texts)
    return f"not measured on {text} at {tokens:,} tokens, where others were: only on {shorter}"
