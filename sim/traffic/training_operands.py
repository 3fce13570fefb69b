"""Numbers that a training by Q-GaLore gives its low-bit arithmetic: weights, updates, states."""

import platform
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.code import code_digest
from consilico.sim.base.results import cached_file, digest
from consilico.sim.base.torch_threads import one_torch_thread
from consilico.sim.traffic.archive import from_archive, to_archive
from consilico.sim.traffic.packages import PackageMissing, load_works, works_provenance
from consilico.sim.traffic.quantized import bf16_values

__all__ = ["TrainingTraffic", "spread", "training_traffic"]

_OBSERVED = (9, 24, 39)  # steps of 40: the learning rate at its greatest, half way, at its end
_SEED = 1
_ARRAYS = ("code", "update", "factor", "mean", "square", "gradient", "vectors")
_TOOLS = ("numpy", "torch")
_WORDS = 2000  # of a synthetic text's language


@dataclass(frozen=True, kw_only=True)
class TrainingTraffic:
    """A sample of groups of weights and of blocks of states, in the order of steps and layers."""

    code: NDArray[np.int64]  # (groups, 256), INT8 weights, -128 to 127
    update: NDArray[np.int64]  # (groups, 256), bf16 patterns
    factor: NDArray[np.int64]  # (groups,), bf16 patterns: what an update of 1 adds to a code
    mean: NDArray[np.int64]  # (blocks, 2048), bf16 patterns: first moments
    square: NDArray[np.int64]  # (blocks, 2048), bf16 patterns: second moments
    gradient: NDArray[np.int64]  # (layers, 8, 128), bf16 patterns: rows along the short side
    vectors: NDArray[np.int64]  # (layers, 8, 128), bf16 patterns: of the subspaces they go to
    provenance: dict[str, Any]  # run, text, seed, tool versions; JSON-able
    source: str  # in one phrase
    synthetic: bool  # the text is drawn: a report must say so

    def weights(self) -> NDArray[np.float64]:
        """Return the updated weights before rounding, in codes, shape ``(groups, 256)``."""
        factor = bf16_values(self.factor).astype(np.float64)[:, None]
        return np.asarray(self.code + bf16_values(self.update) * factor)

    def to_bytes(self) -> bytes:
        """Return an archive of :mod:`consilico.sim.traffic.archive`."""
        about = {
            "provenance": self.provenance,
            "source": self.source,
            "synthetic": self.synthetic,
        }
        return to_archive(about, {name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def from_bytes(cls, raw: bytes) -> "TrainingTraffic":
        """Return the traffic from an archive that :meth:`to_bytes` wrote.

        Raises:
            ValueError: If the archive is damaged in any way.
        """
        about, arrays = from_archive(raw, "training traffic")
        return cls(**arrays, **about)


def training_traffic() -> TrainingTraffic:
    """Return a sample of a short training of the small GPT, from the cache where it is there.

    The model and method are those of the project's evidence for Q-GaLore, 40 steps long. Where the
    text's package is not installed, the model learns a drawn text, and the sample is marked
    synthetic.

    Raises:
        UserError: If the cache cannot be written.
    """
    from consilico.golden.training.method import METHODS
    from consilico.sim.traffic.gpt_training import GptTraining

    method = replace(METHODS["qgalore"], rank=32, gap=20)
    run = GptTraining(method=method, lr=3e-2, fused=True, steps=max(_OBSERVED) + 1, warm_up=10)
    try:
        works = load_works()
        text: dict[str, Any] = works_provenance(works)
        source, synthetic = f"byte-level GPT learning {text['title']}", False
    except PackageMissing as missing:
        works = {"drawn": _drawn_text()}
        text = {"reason": str(missing)}
        source, synthetic = "synthetic: byte-level GPT learning drawn words", True
    provenance: dict[str, Any] = {
        "text": text,
        "run": asdict(run),
        "seed": _SEED,
        "observed_steps": list(_OBSERVED),
        "machine": platform.machine(),
        "tools": {name: version(name) for name in _TOOLS},
    }

    def made() -> bytes:
        from consilico.sim.traffic.collect_training import collect_training
        from consilico.sim.traffic.gpt_training import split_works

        with one_torch_thread():
            arrays = collect_training(run, split_works(works).train, _SEED, _OBSERVED)
        return TrainingTraffic(
            **arrays, provenance=provenance, source=source, synthetic=synthetic
        ).to_bytes()

    key = digest(provenance, code_digest("consilico.sim.traffic.training_operands"))
    return TrainingTraffic.from_bytes(
        cached_file("training_traffic", key, ".npz", made).read_bytes()
    )


def spread(rows: int, count: int) -> NDArray[np.int64]:
    """Return indices of ``count`` rows in order, evenly spread; some twice if there are fewer."""
    return np.linspace(0, rows - 1, count).astype(np.int64)


def _drawn_text() -> str:
    """Draw 100,000 words of drawn letters, as frequent as Zipf's law has them."""
    rng = np.random.default_rng(_SEED)
    words = ["".join(rng.choice(list("aeiounstrhld"), rng.integers(1, 9))) for _ in range(_WORDS)]
    share = 1 / np.arange(1, _WORDS + 1)
    return " ".join(rng.choice(words, 100_000, p=share / share.sum()))
