"""Models of Hugging Face's transformers, made ready for training: adapters, quantized weights.

A model is made from its configuration, with tensors of the mode that is active: no weights are
read, nothing is downloaded, and no code but that of the installed libraries runs.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

# the libraries read these when they are imported
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

import torch
import transformers
from torch import nn
from transformers import masking_utils
from transformers.modeling_layers import GradientCheckpointingLayer

from consilico.sim.base.errors import UserError
from consilico.sim.memory.execution.llama import selective_contexts
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["ADAPTED", "blocks_of", "configuration", "make_model", "quietly", "real_masks"]

ADAPTED = ("lora", "qlora")
"""Methods whose adapters peft makes."""

_ATTENTION = {"fused": None, "masked": "sdpa", "eager": "eager"}  # None: what the model has


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the libraries' warnings and progress from the user, whom they tell nothing here."""
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.utils.logging.set_verbosity(level)


def configuration(fields: Mapping[str, Any], where: str) -> Any:
    """Return the configuration object that the fields of a ``config.json`` describe.

    Args:
        fields: The fields; ``model_type`` says which architecture it is.
        where: The file, for error messages.

    Raises:
        UserError: If ``transformers`` does not know the architecture, or it is no language model,
            or does not accept a field.
    """
    kind = fields.get("model_type")
    if not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING:
        raise UserError(
            f"{where}: model_type must be one that transformers {transformers.__version__} knows,"
            f" not {kind!r}"
        )
    given = {k: v for k, v in fields.items() if k not in ("model_type", "transformers_version")}
    try:
        with quietly():
            found = transformers.CONFIG_MAPPING[kind](**json.loads(json.dumps(given)))
    except Exception as error:  # each architecture checks its fields in its own way
        raise UserError(f"{where}: transformers does not accept it: {_line(error)}") from error
    if type(found) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(
            f"{where}: model_type must be that of a causal language model, not {kind!r}"
        )
    if getattr(found, "quantization_config", None) is not None:
        raise UserError(
            f"{where}: quantization_config must be absent with engine execute; --base quantizes"
        )
    return found


def _line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def make_model(
    run: TrainingRun, config: Any, kernels: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> tuple[nn.Module, int]:
    """Make the model of a run, in training mode, its adapters and its checkpointing included.

    Args:
        run: How it is trained.
        config: Its configuration.
        kernels: Makes the context in which blocks are computed again, as in their first run.

    Returns:
        The model, and the number of its parameters without adapters.

    Raises:
        UserError: If the model cannot be made as the run asks.
    """
    dtype = getattr(torch, run.weight_dtype)
    config.use_cache = False  # as Hugging Face's Trainer has it
    try:
        with quietly():
            model = transformers.AutoModelForCausalLM.from_config(
                config, dtype=dtype, attn_implementation=_ATTENTION[run.attention],
                trust_remote_code=False,
            )  # fmt: skip
            count = sum(p.numel() for p in model.parameters())
            if run.checkpointing != "none":
                _checkpoint(model, run.checkpointing, kernels)
            if run.used_base:
                quantize(model, double=run.used_base == "nf4-double")
            if run.method in ADAPTED:
                model = _adapted(model, run)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{run.model.name} cannot be made by transformers {transformers.__version__}:"
            f" {_line(error)}"
        ) from error
    return model.train(), count


def _checkpoint(
    model: Any, checkpointing: str, kernels: Callable[[], AbstractContextManager[Any]]
) -> None:
    """Turn gradient checkpointing on, as Hugging Face does it."""

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        # autograd's engine leaves the modes of torch functions that its caller is in
        if checkpointing == "full":
            return nullcontext(), kernels()
        forward, again = selective_contexts()
        return forward, _both(kernels(), again)

    model.activation_checkpointing_enable(
        activation_checkpointing_kwargs={
            "use_reentrant": False,
            "preserve_rng_state": False,  # which is host memory
            "context_fn": contexts,
        }
    )


@contextmanager
def _both(
    first: AbstractContextManager[Any], second: AbstractContextManager[Any]
) -> Iterator[None]:
    with first, second:
        yield


def _adapted(model: Any, run: TrainingRun) -> Any:
    """Freeze a model and give it peft's adapters."""
    _quiet_bitsandbytes()
    import peft
    from peft.tuners.lora.layer import ParamWrapper

    if run.kbit_prepared:
        peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = peft.LoraConfig(
        r=run.used_rank, lora_alpha=16, lora_dropout=run.lora_dropout, use_dora=run.dora,
        task_type="CAUSAL_LM", target_modules=_targets(model, run.targets),
    )  # fmt: skip
    adapted = peft.get_peft_model(model, config, autocast_adapter_dtype=run.adapters == "float32")
    for layer in adapted.modules():
        # on CPUs peft multiplies 16-bit factors in float32, on GPUs as they are
        if isinstance(layer, ParamWrapper) and layer.num_experts == 1:
            layer.get_delta_weight = partial(_change, layer)
    if run.kbit_cast:
        for part in (model.get_input_embeddings(), model.get_output_embeddings()):
            part.to(torch.bfloat16)
    return adapted


def _change(layer: Any, adapter: str) -> Any:
    """Return what an adapter adds to a parameter of one matrix: the product of its factors."""
    product = layer.lora_B[adapter].weight @ layer.lora_A[adapter].weight
    return (product * layer.scaling[adapter]).to(layer.get_param().dtype)


def _quiet_bitsandbytes() -> None:
    """Keep bitsandbytes from saying that it lacks kernels for CPUs."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


_TARGETS = {
    "q": ("q_proj", "q_a_proj", "q_b_proj", "query", "wq"),
    "k": ("k_proj", "kv_a_proj_with_mqa", "key", "wk"),
    "v": ("v_proj", "kv_b_proj", "value", "wv"),
    "o": ("o_proj", "out_proj", "dense", "c_proj", "wo"),
    "gate": ("gate_proj", "w1"),
    "up": ("up_proj", "fc1", "fc_in", "c_fc", "dense_h_to_4h", "w3"),
    "down": ("down_proj", "fc2", "fc_out", "dense_4h_to_h", "c_proj", "w2"),
}
"""Names that families give the layers of a target; fused layers belong to all that they fuse."""
_FUSED = {
    "qkv_proj": "qkv", "c_attn": "qkv", "query_key_value": "qkv", "Wqkv": "qkv",
    "gate_up_proj": ("gate", "up"),
}  # fmt: skip


def _targets(model: Any, targets: str) -> list[str] | str:
    """Return the layers with adapters, in peft's words.

    Raises:
        UserError: If the model has no layer of a target.
    """
    if targets == "all":
        return "all-linear"
    wanted = ("q", "k", "v", "o") if targets == "attention" else targets.split(",")
    kinds = nn.Linear | nn.Embedding | transformers.pytorch_utils.Conv1D
    layers = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    ends = {"embed": model.get_input_embeddings(), "head": model.get_output_embeddings()}
    names = {id(module): name for name, module in model.named_modules()}
    found: list[str] = []
    for target in map(str.strip, wanted):
        own = _TARGETS.get(target, ())
        matching = [
            layer
            for layer in layers
            if (last := layer.rpartition(".")[2]) in own or target in _FUSED.get(last, ())
            if not ((target == "o" and ".mlp." in layer) or (target == "down" and "attn" in layer))
        ]
        if ends.get(target) is not None:
            matching = [names[id(ends[target])]]
        if not matching and targets != "attention":
            raise UserError(
                f"targets must name layers of {type(model).__name__}, which has none for {target!r}"
            )
        found += matching
    return found


def quantize(model: Any, *, double: bool) -> None:
    """Put the matrices of a model's blocks into NF4, as ``transformers`` does with bitsandbytes.

    The weight of such a layer is bitsandbytes' own tensor, which cannot be a fake one: here it is
    a plain parameter with the same bytes, and the layer and its products are the library's.
    """
    _quiet_bitsandbytes()
    import bitsandbytes

    class Nf4(bitsandbytes.nn.Linear4bit):  # type: ignore[misc]
        def __init__(self, layer: nn.Linear) -> None:
            nn.Module.__init__(self)
            self.in_features, self.out_features = layer.in_features, layer.out_features
            codes, state = bitsandbytes.functional.quantize_4bit(
                layer.weight.data, compress_statistics=double, quant_type="nf4"
            )
            self.weight = nn.Parameter(codes, requires_grad=False)
            for name, value in (
                ("quant_state", state), ("compress_statistics", double), ("quant_type", "nf4"),
            ):  # fmt: skip
                setattr(self.weight, name, value)
            self.bias = layer.bias
            self.compute_dtype, self.compute_type_is_set = layer.weight.dtype, True
            self.quant_state, self.support_avx512bf16_for_cpu = state, False

    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and module is not head:  # as the library: no subclasses
            owner, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(owner), attribute, Nf4(module))
    model.is_loaded_in_4bit = True  # peft asks for it


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a model in their order: the layers that checkpointing runs again."""
    found = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    inner = {id(m) for block in found for m in block.modules() if m is not block}
    return [block for block in found if id(block) not in inner]


@contextmanager
def real_masks() -> Iterator[None]:
    """Let ``transformers`` make masks of fake tensors as of real ones.

    It takes a fake tensor for one of a compiler, whose numbers it must not read, and then makes a
    mask even where no token is masked. Here a fake tensor answers like one without padding.
    """
    before = masking_utils.is_tracing
    masking_utils.is_tracing = lambda tensor=None: False
    try:
        yield
    finally:
        masking_utils.is_tracing = before
