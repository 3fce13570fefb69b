"""Measure the perplexity of a language model whose softmax is replaced by a unit, bit for bit.

In every layer and head of SmolLM2-135M scores are rounded to the codes that the unit takes, go
through its bit-exact model, and what comes out gets the format of P. All else runs in float32.
:func:`accuracy` is what ``consilico accuracy`` prints; answers are kept in the result cache.
"""

import math
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from consilico.sim.accuracy.attention import HardwareAttention
from consilico.sim.accuracy.drop_in import DropIn, drop_in
from consilico.sim.accuracy.facts import Accuracy
from consilico.sim.accuracy.texts import CALIBRATION, PASSAGE, Passage, find_text, windows
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.progress import Progress, silent
from consilico.sim.base.results import digest
from consilico.sim.base.torch_threads import one_torch_thread
from consilico.sim.traffic.smollm import SmolLM, load_smollm, model_provenance

if TYPE_CHECKING:
    from torch import Tensor

    from consilico.sim.traffic.transformer import Normalize

__all__ = ["LONGEST", "accuracy", "provenance"]

LONGEST = 4096
"""Tokens of the longest window."""

_SHORTEST = 16
_TOOLS = ("gguf", "numpy", "tokenizers", "torch")
_KIND = "accuracy"  # folder of the cache


@dataclass(frozen=True, kw_only=True)
class _Calibration(Facts):
    most: tuple[tuple[float, ...], ...]  # greatest magnitude of a score by layer and head


@dataclass(frozen=True, kw_only=True)
class _Baseline(Facts):
    perplexity: float


def accuracy(
    normaliser: str,
    p_format: str = "2xint7",
    tokens: int = PASSAGE,
    text: str | None = None,
    progress: Progress = silent,
) -> Accuracy:
    """Measure what a normalizer with a format of P does to the answers of SmolLM2-135M.

    The 2,048 tokens that are predicted are the same ones whatever the length of a window. The scale
    of a head's INT8 scores is that of its greatest magnitude in 2,048 tokens of another text.

    Args:
        normaliser: Unit, perhaps with settings such as ``ita:fraction=0``, or ``exact``.
        p_format: Format of its results in the product with the values.
        tokens: Of a window, from 16 to 4,096.
        text: Title of a work of Shakespeare's, or path of a text file; None: the first one that is
            measured.
        progress: Told of layers done and layers to do.

    Raises:
        UserError: If something is not accepted; the message says what would be.
        PackageMissing: If the package of the model or of the texts is not installed.
    """
    if not _SHORTEST <= tokens <= LONGEST:
        raise UserError(f"tokens must be from {_SHORTEST} to {LONGEST:,}, not {tokens:,}")
    normalizer = drop_in(normaliser, p_format, tokens)
    passage = find_text(text)
    about = [provenance(), platform.machine(), passage.text, tokens]
    code = [code_digest(__name__)]
    if normalizer.unit is not None and normalizer.unit.normalize is not None:
        code.append(code_digest(_module(normalizer.unit.normalize)))
    config = normalizer.config and normalizer.config.to_json()

    def made() -> Accuracy:
        return _measured(normalizer, passage, tokens, about, progress)

    key = digest(*about, code, normalizer.name, config, normalizer.form.name)
    return cached_facts(Accuracy, _KIND, key, made)


def provenance() -> dict[str, Any]:
    """Return model, its package and the versions of the tools that figures depend on.

    Raises:
        PackageMissing: If the model's package is not installed.
    """
    return {"model": model_provenance(), "tools": {name: version(name) for name in _TOOLS}}


def _module(function: Any) -> str:
    return str(getattr(function, "func", function).__module__)


def _measured(
    normalizer: DropIn, passage: Passage, tokens: int, about: list[Any], progress: Progress
) -> Accuracy:
    shape = _model().gguf.shape
    code = code_digest("consilico.sim.traffic.collect", f"{__package__}.texts")
    most = cached_facts(
        _Calibration, _KIND, digest("calibration", about[:2], code), lambda: _calibrated(progress)
    ).most
    baseline = cached_facts(
        _Baseline,
        _KIND,
        digest("baseline", *about, code),
        lambda: _Baseline(perplexity=_perplexity("baseline", None, passage, tokens, progress)),
    )
    attention = HardwareAttention(normalizer, most)
    perplexity = _perplexity(normalizer.name, attention, passage, tokens, progress)
    layers = attention.layers
    assert len(layers) == shape.layers
    return Accuracy(
        model=_model().gguf.name,
        text=passage.name,
        tokens=tokens,
        predicted=max(1, PASSAGE // tokens) * tokens,
        normaliser=normalizer.name,
        p_format=normalizer.form.name,
        lanes=getattr(normalizer.config, "lanes", 0),
        perplexity=perplexity,
        baseline=baseline.perplexity,
        row_sum=attention.row_sum,
        argmax_flips=math.fsum(each.argmax_flips for each in layers) / len(layers),
        empty_rows=attention.empty_rows,
        saturated=math.fsum(each.saturated for each in layers) / len(layers),
        moved=math.fsum(each.moved for each in layers) / len(layers),
        layers=layers,
    )


@cache
def _model() -> SmolLM:
    return load_smollm()


def _calibrated(progress: Progress) -> _Calibration:
    """Return the greatest magnitudes of the scores of all heads in the text for calibration."""
    from consilico.sim.traffic.collect import CalibrationSums

    model = _model()
    shape = model.gguf.shape
    sums = CalibrationSums(shape.layers, shape.heads)
    tokens, _ = windows(find_text(CALIBRATION), model.tokenizer, PASSAGE)

    def noted(layer: int, scores: "Tensor") -> None:
        sums.add(layer, scores)
        progress("calibration", layer + 1, shape.layers)

    with one_torch_thread():
        model.transformer.hidden(tokens, noted)
    constants = iter(sums.constants(headroom=1.0))
    return _Calibration(
        most=tuple(
            tuple(next(constants).max_abs_score for _ in range(shape.heads))
            for _ in range(shape.layers)
        )
    )


def _perplexity(
    label: str,
    attention: "HardwareAttention | None",
    passage: Passage,
    tokens: int,
    progress: Progress,
) -> float:
    """Return the perplexity per token: exp of the mean cross-entropy of each next token."""
    from torch.nn import functional as F

    from consilico.sim.traffic.transformer import causal_softmax

    model = _model()
    normalize: Normalize = causal_softmax if attention is None else attention

    def noted(layer: int, scores: "Tensor") -> "Tensor":
        weights = normalize(layer, scores)
        progress(label, layer + 1, model.gguf.shape.layers)
        return weights

    given, following = windows(passage, model.tokenizer, tokens)
    with one_torch_thread():
        logits = model.transformer.logits(given, noted)
        losses = [
            float(F.cross_entropy(found, right, reduction="sum"))
            for found, right in zip(logits, following, strict=True)
        ]
    return math.exp(math.fsum(losses) / given.numel())
