"""Parts of docs/training_hardware.md and docs/qgalore.md that quote figures."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from statistics import mean, stdev
from typing import Any

from scripts.document_text import LOSSES, MEASURED, paragraph, read_table, table

_METHOD_WORDS = {
    "adamw": "AdamW, lr 3e-3",
    "qgalore_stochastic": "Q-GaLore, lr 3e-2, stochastic",
    "qgalore_nearest": "Q-GaLore, to nearest",
    "qgalore_float": "Q-GaLore, float32 weights",
    "galore": "GaLore, lr 3e-2",
    "galore8bit": "GaLore, 8-bit states",
    "adamw8bit": "AdamW, 8-bit states",
}


# Training hardware


def training_hw() -> str:
    """Return what a step of LLaMA-7B with Q-GaLore costs."""
    from consilico.reports.accelerator.facts import training_hw_facts

    facts = training_hw_facts()
    head = facts.answer
    energy, area = head["energy_j"], head["area_um2"]
    phases = {phase["phase"]: phase["total_j"]["value"] for phase in head["phases"]}
    share = {name: 100 * value / energy["value"] for name, value in phases.items()}
    passes = phases["forward"] + phases["backward"]
    plain = {phase["phase"]: phase["total_j"]["value"] for phase in facts.answer_in_bf16["phases"]}
    least, most = facts.batches[0], facts.batches[-1]
    return paragraph(
        f"""LLaMA-7B with Q-GaLore, rank 1024, {least.tokens} tokens per step, one 64 x 64 array,
        8 MiB SRAM, one stack of HBM2, NanGate45 typical at 1.1 V and 500 MHz, units on the
        {head["kit"]["rung"]} (estimated):
        {energy["value"]:.0f} J per step ({energy["low"]:.0f} to {energy["high"]:.0f}, nearly all of
        the width is the SRAM's leakage), {head["time_s"]["value"]:.0f} s,
        {head["power_w"]["value"]:.1f} W, {area["total"]["value"] / 1e6:.0f} mm² of which
        {area["SRAM"]["value"] / 1e6:.0f} are SRAM. Forward and backward pass are
        {share["forward"] + share["backward"]:.0f} % of the energy, the projection
        {share["projection"]:.0f} %, decompositions {share["svd"]:.0f} %: at this batch the subspace
        costs more than the model. At {most.tokens:,} tokens per step the same chip takes
        {most.energy_per_token_mj:.0f} mJ per token instead of {least.energy_per_token_mj:.0f}.
        With products in bfloat16 the two
        passes
        take {(plain["forward"] + plain["backward"]) / passes:.1f} times the energy.
        {"".join(f"Assumed: {doubt}." for doubt in head["doubts"])}"""
    )


# Q-GaLore


def _held(name: str) -> Any:
    """Return what a method of the bench holds; one step makes all of its tensors."""
    import torch

    from consilico.golden.training.held_bytes import held_bytes
    from consilico.sim.base.torch_threads import one_torch_thread
    from consilico.sim.traffic.gpt_training import GptTrainer
    from consilico.sim.training.runs import METHOD_RUNS

    run = replace(METHOD_RUNS[name], batch=1)  # sizes do not depend on batch and text
    with one_torch_thread():  # on matrices this small, several only wait for each other
        trainer = GptTrainer(run, torch.arange(4096) % 251, seed=1)
        if run.fused:
            trainer.optimizer.fuse(run.clip)
        trainer.backward(0)
        if not run.fused:
            trainer.optimizer.step()
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    return held_bytes(trainer.model, trainer.optimizer), parameters


def qgalore_holds() -> str:
    """Return what AdamW and Q-GaLore hold in the bench, and what two choices save."""
    from consilico.sim.memory.presets import find_model

    plain, parameters = _held("adamw")
    small, _ = _held("qgalore_stochastic")
    sums = (
        plain.weights + plain.states + plain.all_gradients,
        small.weights + small.weight_codes + small.weight_constants + small.states
        + small.state_constants + small.projections + small.projection_constants
        + small.gradients,
    )  # fmt: skip

    def pair(codes: int, constants: int) -> str:
        return f"{codes:,} + {constants:,}" if codes else ""

    grid = table(
        ("", "`adamw`", "`qgalore`"),
        [
            (
                "float weights (all, or embeddings, norms and output layer)",
                f"{plain.weights:,}",
                f"{small.weights:,}",
            ),
            ("INT8 weights, and their constants", "",
             pair(small.weight_codes, small.weight_constants)),
            ("Adam's states, and their constants", f"{plain.states:,}",
             pair(small.states, small.state_constants)),
            ("INT4 projections, and their constants", "",
             pair(small.projections, small.projection_constants)),
            (
                "gradients alive at once (all; fused: the largest)",
                f"{plain.all_gradients:,}",
                f"{small.gradients:,}",
            ),
            ("sum", f"{sums[0]:,}", f"{sums[1]:,}"),
        ],
        "---:",
    )  # fmt: skip
    model, rank = find_model("llama-7b"), 1024
    codes = _projection_codes(model, rank)
    gradients = 4 * model.vocab * model.hidden
    before = f"""Bytes of the model of the bench ({parameters / 1e6:.2f} million parameters), as
        `held_bytes` counts them on the tensors:"""
    after = f"""Against the published code, two INT4 codes to a byte save {small.packing_saves:,}
        bytes
        here, and freeing the embeddings' gradients {small.embedding_gradients:,}. For LLaMA-7B at
        rank {rank} the same arithmetic (not measured) gives {codes / 2 / 1e6:.0f} MB
        ({codes / 1e6:.0f} million INT4 codes) and {gradients / 1e6:.0f} MB ({model.vocab:,} x
        {model.hidden:,} gradients in float32)."""
    return f"{paragraph(before)}\n\n{grid}\n\n{paragraph(after)}"


def _projection_codes(model: Any, rank: int) -> int:
    """Return the elements of the projections of all matrices in a model's blocks."""
    return sum(
        parameter.count * rank * min(parameter.rows, parameter.columns)
        for parameter in model.parameters()
        if parameter.role in ("attention", "mlp")
    )


@cache
def _losses() -> Any:
    return read_table(LOSSES)


def _against(loss: float, reference: float) -> str:
    return f"{100 * (loss / reference - 1):+.2f} %"


def _moved() -> float:
    """Return how far other random numbers of the same seed moved a loss, in percent."""
    facts = _losses()
    drawn = facts["drawn_anew"]
    before = facts["methods"][drawn["method"]][facts["seeds"].index(drawn["seed"])]
    return float(100 * abs(drawn["loss"] / before - 1))


def qgalore_losses() -> str:
    """Return the losses of the methods, and what was expected of them."""
    facts = _losses()
    losses = facts["methods"]
    adamw, ours, nearest = (
        losses[name] for name in ("adamw", "qgalore_stochastic", "qgalore_nearest")
    )
    rows = []
    for name, words in _METHOD_WORDS.items():
        cells = [
            f"{loss:.4f}" + ("" if name == "adamw" else f" ({_against(loss, reference)})")
            for loss, reference in zip(losses[name], adamw, strict=False)
        ]
        rows.append([words, *cells, *[""] * (len(adamw) - len(cells))])
    grid = table(("method", *(f"seed {seed}" for seed in facts["seeds"])), rows, "---:")
    over = [100 * (a / b - 1) for a, b in zip(ours, adamw, strict=True)]
    far = [100 * (a / b - 1) for a, b in zip(nearest, adamw, strict=True)]
    apart = [f"{100 * (a / b - 1):.1f}" for a, b in zip(nearest, ours, strict=True)]
    before = f"""Validation loss in nats per byte, and against AdamW of the same seed, on
        {facts["date"]}
        ({facts["machine"]}; `docs/training_losses.json`, which was typed from an earlier version
        of this page: the
        runs have not been repeated since):"""
    drawn = facts["drawn_anew"]
    after = f"""We expected Q-GaLore with stochastic rounding to end at most 1 % above AdamW:
        **{_verdict(max(over) <= 1)}** (at worst {max(over):+.2f} %; on average
        {mean(over):+.1f} %). We expected rounding to nearest to end at least 4 % above AdamW:
        **{_verdict(min(far) >= 4)}** (at most {max(far):+.2f} %). It is worse than stochastic
        rounding by {", ".join(apart)} %. Other random numbers of the same seed moved a loss by
        {_moved():.1f} % (seed {drawn["seed"]} ended at {drawn["loss"]}), so smaller differences
        between two single runs say nothing."""
    return f"{paragraph(before)}\n\n{grid}\n\n{paragraph(after)}"


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def qgalore_bits() -> str:
    """Return what random bits cost, and what they do to the loss."""
    rows = {
        row["settings"]["random_bits"]: row
        for row in read_table(MEASURED)["rows"]
        if row["unit"] == "training/stochastic_round"
    }
    lanes = _lanes()
    losses = _losses()["random_bits"]
    reference = losses["float"]
    words = {"float": "none: float weights", "0": "0: to nearest"}
    cells = [
        [words[name], "", "", f"{losses[name]:.4f}",
         "" if name == "float" else _against(losses[name], reference)]
        for name in ("float", "0")
    ]  # fmt: skip
    for bits, row in sorted(rows.items()):
        loss = losses.get(str(bits))
        cells.append(
            [
                str(bits),
                f"{row['area_um2'] / lanes:.0f}",
                f"{row['energy_pj']:.3f}",
                "" if loss is None else f"{loss:.4f}",
                "" if loss is None else _against(loss, reference),
            ]
        )
    head = ("random bits", "area per lane, um²", "energy per value, pJ", "validation loss",
            "against float weights")  # fmt: skip
    few, many = rows[min(rows)], rows[max(rows)]
    stochastic = [loss for name, loss in losses.items() if name not in ("float", "0")]
    spread = 100 * stdev(stochastic) / mean(stochastic)
    before = f"""The same Q-GaLore for 300 steps (warm-up 30, seed 1), its INT8 weights rounded
        with that
        many random bits; next to it the cost of `training/stochastic_round` with {lanes} lanes
        (NanGate45, typical, 1.1 V, {1000 / few["clock_ns"]:g} MHz, values drawn at random, measured
        on {many["date"]}):"""
    after = f"""The {len(stochastic)} stochastic runs differ by {spread:.1f} % (standard
        deviation), and
        more bits do not help: {min(rows)} do as well as {max(rows)} here, at
        {few["area_um2"] / many["area_um2"]:.2f} of the area and
        {few["energy_pj"] / many["energy_pj"]:.2f} of the energy. Rounding to nearest ends
        {100 * (losses["0"] / mean(stochastic) - 1):.1f} % above their mean and does not stall,
        although that had been expected."""
    return f"{paragraph(before)}\n\n{table(head, cells, '---:')}\n\n{paragraph(after)}"


def _lanes() -> int:
    from consilico import api

    config: Any = api.configure("training/stochastic_round")
    return int(config.lanes)


def blockwise_misses() -> str:
    """Return how often ``training/blockwise_quantize`` misses the code nearest to a state."""
    import torch

    from consilico.golden.training.blockwise_quantize import (
        BlockwiseQuantizeConfig,
        blockwise_quantize,
    )
    from consilico.golden.training.dynamic_code import nearest_code

    binades = 30  # below the maximum, down to where all codes are that of zero
    state = torch.arange(128 - binades << 7, 128 << 7)[:, None]
    absmax = torch.arange(127 << 7, 128 << 7)[None, :]
    pairs = state <= absmax
    state, absmax = state.expand_as(pairs)[pairs], absmax.expand_as(pairs)[pairs]

    def number(bits: Any) -> Any:
        return (128 + (bits & 127)).double() * 2.0 ** ((bits >> 7) - 134).double()

    shares = []
    for code in ("signed", "unsigned"):
        found = blockwise_quantize(state, absmax, BlockwiseQuantizeConfig(code=code))
        wanted = nearest_code(number(state) / number(absmax), signed=code == "signed").long()
        assert int((found - wanted).abs().max()) == 1
        shares.append(100 * float((found != wanted).double().mean()))
    drawn = torch.randn(200, 2048, generator=torch.Generator().manual_seed(1)).bfloat16()
    bits = drawn.view(torch.int16).long() & 0xFFFF
    greatest = drawn.abs().amax(1, keepdim=True)
    found = blockwise_quantize(
        bits, greatest.view(torch.int16).long(), BlockwiseQuantizeConfig(code="signed")
    )
    wanted = nearest_code(drawn.double() / greatest.double(), signed=True).long()
    normal = 100 * float((found != wanted).double().mean())
    return paragraph(
        f"""Because the quotient is rounded, the code is not always the one nearest to the exact
        quotient. It is then the next one to it: in {shares[0]:.2f} % (signed) and {shares[1]:.2f} %
        (unsigned) of all pairs of a state and a maximum up to {binades} binades above it, and for
        {normal:.1f} % of the states of blocks of 2048 that are normally distributed: they lie near
        their maximum, where codes are almost as dense as bf16."""
    )


_VARIANT_WORDS = {
    "own": "Q-GaLore",
    "clamped": "... with a clamped zero point",
    "published": "... as published",
    "clamped_constant_gap": "... with a clamped zero point, not lazy",
    "published_constant_gap": "... as published, not lazy",
    "galore": "GaLore",
    "galore_published": "... as published",
}


def qgalore_variants() -> str:
    """Return what the differences from the published code do to the loss."""
    facts = read_table(LOSSES)["variants"]
    losses = facts["losses"]
    rows = []
    for name, words in _VARIANT_WORDS.items():
        reference = losses["galore" if name.startswith("galore") else "own"]
        loss = losses[name]
        if loss is None or reference is None:
            cells = ["not run" if loss is None else f"{loss:.4f}", ""]
        else:
            own = name in ("own", "galore")
            cells = [f"{loss:.4f}", "" if own else _against(loss, reference)]
        rows.append([words, *cells])
    grid = table(("run", "validation loss", "against ours"), rows, "---:")
    before = f"""What they do to the loss, 300 steps of the model below, warm-up 30, seed
        {facts["seed"]}, on {facts["date"]} ({facts["machine"]}; `make bench` trains all of them).
        Differences below {_moved():.1f} % say nothing, as other random numbers of the same seed
        have moved a loss by that much (below):"""
    parts = [paragraph(before), grid]
    if all(losses[name] == losses[f"{name}_constant_gap"] for name in ("clamped", "published")):
        parts.append("In so few steps no renewal is left out: those that are not lazy do the same.")
    return "\n\n".join(parts)


PARTS: dict[str, Callable[[], str]] = {
    "qgalore_variants": qgalore_variants,
    "blockwise_misses": blockwise_misses,
    "training_hw": training_hw,
    "qgalore_holds": qgalore_holds,
    "qgalore_losses": qgalore_losses,
    "qgalore_bits": qgalore_bits,
}
