"""Effects of normalizers of scores on the answers of a model.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from typing import TYPE_CHECKING

from consilico.extras import needing

if TYPE_CHECKING:
    from consilico.sim.accuracy.facts import Accuracy
    from consilico.sim.base.progress import Progress

__all__ = ["accuracy"]


def accuracy(
    normaliser: str = "softmax",
    *,
    p_format: str = "2xint7",
    tokens: int = 2048,
    text: str | None = None,
    progress: "Progress | None" = None,
) -> "Accuracy":
    """Measure the perplexity of SmolLM2-135M with a unit, bit for bit, in place of its softmax.

    Args:
        normaliser: Unit that normalizes rows of scores, perhaps with settings, such as
            ``"softermax"`` or ``"ita:fraction=0"``; ``"exact"``: softmax in floating point on INT8
            scores.
        p_format: Format of its results in the product with the values: ``"bf16"``, ``"int7"``,
            ``"uint8"``, ``"uint12"``, ``"2xint7"``, ``"int7-max"`` or ``"uint8-max"``.
        tokens: Of a window; the same 2,048 tokens are predicted in windows of any length.
        text: Title of a work of Shakespeare's, or path of a text file; None: the first of those
            that documents quote.
        progress: Called with what is being done, layers done and layers in all.

    Raises:
        UserError: If something is not accepted, such as a ConSmax unit, which a model has to be
            trained with, or the package of the model or of the texts is not installed.
    """
    with needing("accuracy", "torch", "gguf", "tokenizers"):
        from consilico.sim.accuracy.accuracy import accuracy as run
        from consilico.sim.base.progress import silent

        return run(normaliser, p_format, tokens, text, progress or silent)
