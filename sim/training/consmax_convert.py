"""Convert SmolLM2-135M from softmax to ConSmax: its weights with other attention, to be trained on.

The constants of a head start where the weights of its values are as near to those of softmax as a
constant allows, in the sum of squares over text. With ``L`` the logarithm of a row's sum of
exponentials, ``q`` the sum of squares of its softmax and ``exp(score - c)`` the weight, that is
``exp(-c) = sum(q * exp(L)) / sum(q * exp(2 * L))``. Beta is the mean of the rows' maxima, as what
softmax subtracts is the maximum, and gamma has the rest, ``exp(c - beta)``.

Weights saturate at 1, which no weight of softmax exceeds and no fixed format of P has. Without that
exponentials overflow, and there may be no loss to learn from: where a row's sum is above that of
softmax, scores of later layers grow.
"""

import math
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilico.golden.attention.consmax_module import ConSmax
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.gpt_training import GptTraining, TrainingText
from consilico.sim.traffic.smollm import (
    MODEL_PACKAGE,
    GgufModel,
    build_tokenizer,
    find_model_file,
    read_model,
)
from consilico.sim.traffic.transformer import Normalize, angles, rotate
from consilico.sim.training.consmax_gpt import NormalizedModel
from consilico.sim.training.consmax_run import held_out_windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Conversion", "NormalizedSmolLM", "fit", "pretrained", "tokenized"]


@cache  # asked for tokens, for weights and, to measure the loss before any step, once more
def pretrained() -> GgufModel:
    """Return the model that is converted, as its package has it.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
        UserError: If the file is damaged.
    """
    return read_model(*find_model_file())


def tokenized(text: TrainingText, tokenizer: "Tokenizer") -> TrainingText:
    """Return the tokens of a text in bytes; where a cut has split a character, it is left out.

    Args:
        text: Bytes to learn from and bytes held out.
        tokenizer: The model's.
    """

    def tokens(raw: Tensor) -> Tensor:
        characters = raw.numpy().astype(np.uint8).tobytes().decode(errors="ignore")
        return torch.tensor(tokenizer.encode(characters).ids)

    return TrainingText(train=tokens(text.train), held_out=tokens(text.held_out))


class NormalizedSmolLM(NormalizedModel):
    """A Llama-style decoder whose weights may be trained; it normalizes its scores as it is told.

    It computes what :class:`consilico.sim.traffic.transformer.Transformer` does, which keeps no
    gradients.

    Args:
        model: The weights; those in INT4 are dequantized.
        kind: What it normalizes with, of :data:`~consilico.sim.training.consmax_gpt.KINDS`.
            Constants are those that :class:`ConSmax` draws: see :func:`fit`.
    """

    def __init__(self, model: GgufModel, kind: str) -> None:
        super().__init__()
        self.kind, self.shape, self.ceiling = kind, model.shape, 0.0
        self.body = nn.ParameterDict(
            {
                _key(name): nn.Parameter(torch.from_numpy(model.weight(name).copy()))
                for name in (*model.int4, *model.floats)
            }
        )
        self.vocabulary = len(self.body["token_embd"])
        layers = 0 if kind == "softmax" else self.shape.layers
        self.constants = nn.ModuleList(ConSmax(self.shape.heads) for _ in range(layers))

    def forward(self, tokens: Tensor, normalize: Normalize | None = None) -> Tensor:
        """Return the scores of the next token, as :class:`NormalizedModel` has them."""
        embedding = self.body["token_embd"]
        x = F.embedding(tokens, embedding)
        cosine, sine = (part.to(tokens.device) for part in angles(self.shape, tokens.shape[1]))
        for layer in range(self.shape.layers):
            x = x + self._attention(
                layer, self._norm(x, f"{layer}/attn_norm"), (cosine, sine), normalize
            )
            x = x + self._feed_forward(layer, self._norm(x, f"{layer}/ffn_norm"))
        return F.linear(self._norm(x, "output_norm"), embedding)

    def _attention(
        self, layer: int, x: Tensor, turns: tuple[Tensor, Tensor], normalize: Normalize | None
    ) -> Tensor:
        q, k, v = (
            F.linear(x, self.body[f"{layer}/attn_{part}"])
            .view(*x.shape[:2], -1, self.shape.head_width)
            .transpose(1, 2)
            for part in "qkv"
        )
        shared = self.shape.heads // self.shape.kv_heads  # query heads per key/value head
        k, v = (each.repeat_interleave(shared, dim=1) for each in (rotate(k, *turns), v))
        mixed = self.mixed(layer, rotate(q, *turns), k, v, normalize)
        return F.linear(mixed, self.body[f"{layer}/attn_output"])

    def _feed_forward(self, layer: int, x: Tensor) -> Tensor:
        gate, up = (F.linear(x, self.body[f"{layer}/ffn_{part}"]) for part in ("gate", "up"))
        return F.linear(F.silu(gate) * up, self.body[f"{layer}/ffn_down"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight = self.body[name]
        return F.rms_norm(x, weight.shape, weight, self.shape.norm_epsilon)


def _key(name: str) -> str:
    """Return what a weight of the GGUF file is called here: parameters have no points in names."""
    return name.removeprefix("blk.").removesuffix(".weight").replace(".", "/")


@torch.no_grad()
def fit(model: NormalizedSmolLM, windows: Tensor) -> None:
    """Let the constants of a model that is to be converted start from its scores under softmax.

    Args:
        model: With the weights that were trained with softmax; its constants are set.
        windows: Of text, int64, shape ``(windows, context + 1)``.
    """
    time = windows.shape[1] - 1
    future = torch.ones(time, time, dtype=torch.bool).triu(1)
    keys = torch.arange(1, time + 1) if model.kind == "consmax_rows" else torch.ones(time)

    def fitted(layer: int, scores: Tensor) -> Tensor:
        shown = scores.masked_fill(future, -math.inf)
        softmax = shown.softmax(-1)
        total, square, greatest = (
            rows.double().transpose(0, 1).flatten(1)  # (heads, rows)
            for rows in (
                shown.logsumexp(-1) - keys.log(),
                softmax.square().sum(-1).log(),
                shown.amax(-1),
            )
        )
        constants = cast(ConSmax, model.constants[layer])
        constants.beta.copy_(greatest.mean(1))
        c = (square + 2 * total).logsumexp(1) - (square + total).logsumexp(1)
        constants.gamma.copy_((c - constants.beta).exp())
        return softmax

    if len(model.constants):
        model(windows[:, :-1], fitted)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """SmolLM2-135M that is trained on with ConSmax, or as long with softmax, as a ``Training``.

    Attributes:
        gpt: How it learns; of the model the context is ours, and the rest must be the package's.
        kind: What it normalizes with, of :data:`~consilico.sim.training.consmax_gpt.KINDS`.
        rate: Learning rate of beta and gamma, relative to that of the weights.
        passage: Tokens of text for training that constants start from and that scales of scores
            are calibrated on, and of text that was held out that formats are measured on.
        held_out: Windows that the loss is the mean of, spread over the text that was held out; 0:
            all.
    """

    gpt: GptTraining
    kind: str = "softmax"
    rate: float = 10.0
    passage: int = 4096
    held_out: int = 0

    def tokens(self, text: TrainingText) -> TrainingText:
        """Return the tokens of a text, as the model has them.

        Raises:
            PackageMissing: If the package of the model is not installed.
        """
        return tokenized(text, build_tokenizer(pretrained().metadata))

    def start(self, text: Tensor) -> NormalizedSmolLM:
        """Return the model before its first step, its constants fitted to the text for training.

        Args:
            text: Tokens to learn from, int64, one dimension.

        Raises:
            PackageMissing: If the package of the model is not installed.
            UserError: If the model has another shape.
        """
        file, wanted = pretrained(), self.gpt.model
        shape = replace(
            wanted, layers=file.shape.layers, heads=file.shape.heads, width=file.shape.width
        )
        if shape != wanted:
            raise UserError(f"the model of the package has the shape {shape}, not {wanted}")
        model = NormalizedSmolLM(file, self.kind)
        learned = TrainingText(train=text, held_out=text)
        fit(model, held_out_windows(learned, wanted.context, self.passage // wanted.context))
        return model

    def to_json(self) -> dict[str, Any]:
        """Return everything that the conversion depends on, as plain data."""
        return asdict(self) | {"model": MODEL_PACKAGE.provenance()}
