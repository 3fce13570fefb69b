"""The model's tokenizer, built from the vocabulary and merges inside the GGUF file."""

from typing import TYPE_CHECKING, Any

from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["build_tokenizer"]

_CONTROL = 3  # tokenizer.ggml.token_type of tokens such as <|im_start|>


def build_tokenizer(metadata: dict[str, Any]) -> "Tokenizer":
    """Byte-level BPE as GPT-2's, with every digit a piece of its own (``pre`` = ``smollm``).

    Args:
        metadata: The ``tokenizer.ggml.*`` keys of the GGUF file.

    Raises:
        UserError: If the file names another kind of tokenizer.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    kind = (metadata["tokenizer.ggml.model"], metadata["tokenizer.ggml.pre"])
    if kind != ("gpt2", "smollm"):
        raise UserError(f"tokenizer of the GGUF file must be gpt2 / smollm, not {' / '.join(kind)}")
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types = metadata["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind_ in zip(tokens, types, strict=True)
            if kind_ == _CONTROL
        ]
    )
    return tokenizer
