"""Ask other tools for the memory of training runs that were measured, and keep what they say.

``python scripts/memory_peers.py`` writes ``docs/memory_peers.json``, which ``docs/memory.md``
quotes. The tools are no dependencies: install vramcalc, fitcheck-llm and ftuneai elsewhere, and put
that folder in ``PYTHONPATH``.

The runs are the first of each source, method and checkpointing among AdamW, LoRA and QLoRA from NF4
on one GPU whose settings are known, of a model that all tools know, without fused loss. What a tool
adds for driver, context or fragmentation is left out, since a measured peak has none of it. A run
that a tool cannot express, such as one with float32 weights under autocast, is null.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as a file, Python looks next to it only
    sys.path.insert(0, str(ROOT))
from consilico.sim.memory.architecture import Architecture, Attention, Mlp  # noqa: E402
from consilico.sim.memory.evidence.tables import RunOnGpu, runs_on_gpu  # noqa: E402
from consilico.sim.memory.training_run import TrainingRun  # noqa: E402
from scripts.document_text import PEERS  # noqa: E402

__all__ = ["peer_runs"]

_METHODS = {"adamw": "full", "lora": "lora", "qlora": "qlora"}
_KINDS = ("qwen2", "mistral", "llama")  # that all tools know
_VRAMCALC_ATTENTION = {
    "eager": "eager", "masked": "sdpa", "repeated": "flash", "fused": "flash",
}  # fmt: skip


def peer_runs() -> Iterator[RunOnGpu]:
    """Yield the measured runs that the tools are asked about."""
    met: set[tuple[str, str, str]] = set()
    for item in runs_on_gpu():
        run = item.run
        key = (item.source, run.method, run.checkpointing)
        if (
            run.method in _METHODS
            and key not in met
            and run.model.name.startswith(_KINDS)
            and run.gpus == 1
            and (run.used_base or "nf4").startswith("nf4")
            and run.loss == "eager"
            and item.stated
            and not item.died
        ):
            met.add(key)
            yield item


def _sizes(model: Architecture) -> dict[str, Any]:
    """Return the sizes of a model under the names of Hugging Face's configurations."""
    block = model.kinds[0]
    if not isinstance(block.attention, Attention) or not isinstance(block.mlp, Mlp):
        raise TypeError(f"{model.name} is not of equal blocks of attention and MLP")
    return {
        "hidden_size": model.hidden,
        "num_hidden_layers": len(model.pattern),
        "num_attention_heads": block.attention.heads,
        "num_key_value_heads": block.attention.kv_heads,
        "head_dim": block.attention.head_dim,
        "intermediate_size": block.mlp.intermediate,
        "vocab_size": model.vocab,
        "tie_word_embeddings": model.tied,
    }


def _vramcalc(run: TrainingRun) -> int | None:
    import vramcalc

    if run.method == "qlora":
        return None
    model = run.architecture
    kind = next(name for name in _KINDS if model.name.startswith(name))
    with tempfile.TemporaryDirectory() as folder:
        config = {"model_type": kind, **_sizes(model)}
        (Path(folder) / "config.json").write_text(json.dumps(config))
        said = vramcalc.estimate(
            folder,
            mode="train",
            dtype="fp16" if run.dtype == "float16" else "bf16",
            precision="amp" if run.autocast else "pure",
            batch=run.batch,
            seq_len=run.sequence,
            lora_rank=run.rank or None,
            grad_checkpoint=run.checkpointing != "none",
            attn_impl=_VRAMCALC_ATTENTION[run.attention],
            overhead_gb=0,
        )
    return int(said.total)


def _fitcheck(run: TrainingRun) -> int | None:
    from fitcheck.config_parser import ModelConfig
    from fitcheck.estimator import TrainingConfig, estimate
    from fitcheck.gpu_db import GPU_DB

    dtype = run.dtype
    if dtype == "amp":
        return None
    model = run.architecture
    sizes = _sizes(model)
    sizes["num_layers"] = sizes.pop("num_hidden_layers")
    sizes["num_kv_heads"] = sizes.pop("num_key_value_heads")
    full = run.method == "adamw"
    said = estimate(
        ModelConfig(name=model.name, num_params=model.parameter_count, **sizes),
        TrainingConfig(
            precision="fp16" if dtype == "float16" else "bf16",
            quantization="nf4" if run.method == "qlora" else "none",
            double_quant=run.used_base == "nf4-double",
            optimizer_dtype="bf16" if full else "fp32",
            batch_size=run.batch,
            seq_len=run.sequence,
            lora_rank=None if full else run.used_rank,
            grad_checkpoint=run.checkpointing != "none",
            flash_attn=run.attention != "eager",
        ),
        GPU_DB["a100-80"],
    )
    return int((said.total_mib - said.overhead_mib) * 2**20)


def _ftuneai(run: TrainingRun) -> int | None:
    from ftuneai.core.memory import MemoryEstimator
    from ftuneai.core.models import (
        FineTuneMethod,
        LoRATarget,
        ModelSpec,
        Quantization,
        TrainingConfig,
    )

    dtype = run.dtype
    if dtype == "amp":
        return None
    model = run.architecture
    sizes = _sizes(model)
    for name in ("head_dim", "tie_word_embeddings"):
        del sizes[name]
    sizes["num_layers"] = sizes.pop("num_hidden_layers")
    sizes["num_kv_heads"] = sizes.pop("num_key_value_heads")
    quantized = run.method == "qlora"
    said = MemoryEstimator(
        ModelSpec(
            name=model.name,
            parameters=model.parameter_count,
            max_seq_length=model.context,
            default_dtype=dtype.removesuffix("-amp"),
            **sizes,
        ),
        TrainingConfig(
            method=FineTuneMethod(_METHODS[run.method]),
            quantization=Quantization.INT4 if quantized else Quantization.NONE,
            batch_size=run.batch,
            seq_length=run.sequence,
            gradient_checkpointing=run.checkpointing != "none",
            lora_rank=run.rank or 16,
            lora_target=LoRATarget.ATTENTION_ALL,
            flash_attention=run.attention != "eager",
        ),
    ).estimate()
    return int((said.total_gb - said.overhead_gb) * 2**30)


_TOOLS: dict[str, Callable[[TrainingRun], int | None]] = {
    "vramcalc": _vramcalc,
    "fitcheck-llm": _fitcheck,
    "ftuneai": _ftuneai,
}


def main() -> None:
    """Ask the tools and write what they say."""
    said = [
        {
            "tool": name,
            "version": version(name),
            "bytes": [ask(item.run) for item in peer_runs()],
        }
        for name, ask in _TOOLS.items()
    ]
    PEERS.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
