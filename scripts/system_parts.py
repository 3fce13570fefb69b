"""Parts of docs/system.md that quote figures: answers of ``consilico system``, computed anew."""

from collections.abc import Callable
from functools import cache
from typing import Any

from scripts.document_text import paragraph, table

__all__ = ["PARTS"]

_TRANSFORMS = (
    "ffn-skip:0.25", "welore:1024", "eora:128", "2:4", "owl:0.7", "scatterbrain:0.1,64",
)  # fmt: skip


@cache
def _answer(model: str, phase: str, context: int, **fields: Any) -> dict[str, Any]:
    import consilico

    own = {
        name: fields.pop(name)
        for name in ("normaliser", "compare_normalisers", "transforms")
        if name in fields
    }
    made = consilico.chip(**fields)
    return consilico.system(model, made, phase=phase, context=context, **own).to_json()


def _ms(answer: dict[str, Any]) -> str:
    return _figure(1e3 * answer["latency_s"]["value"])


def _figure(value: float) -> str:
    """Return a number with three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def system_answers() -> str:
    """Return prompts and tokens of two models on the usual chip."""
    rows = []
    for model, title in (("smollm2-135m", "SmolLM2-135M"), ("llama-7b", "LLaMA-7B")):
        for phase in ("prefill", "decode"):
            for context in (256, 4096, 131072):
                found = _answer(model, phase, context)
                used, own = found["utilisation"], found["normaliser"]
                rows.append(
                    (
                        f"{title}, {phase}", f"{context:,}", _ms(found), found["bound"],
                        _figure(1e3 * found["energy_j"]["total"]["value"]),
                        f"{used['qk']:.1%}", f"{used['gemv']:.1%}", f"{used['dram']:.1%}",
                        f"{own['share_of_latency']:.2%}", f"{own['share_of_energy']:.2%}",
                    )
                )  # fmt: skip
    area = found["area_um2"]
    before = paragraph(
        f"""Four tiles of 64 x 64, 512 dot-product lanes, 8 MiB SRAM, one stack of HBM2, INT8
        weights, `consmax/log2`, NanGate45 at 500 MHz (estimated;
        {area["total"]["value"] / 1e6:.0f} mm² for
        LLaMA-7B, of which {area["SRAM"]["value"] / 1e6:.0f} are SRAM):"""
    )
    head = ("", "context", "ms", "bound", "mJ", "qk", "gemv", "DRAM", "normalizer, of time",
            "of energy")  # fmt: skip
    return f"{before}\n\n{table(head, rows, '---:')}"


def system_genz() -> str:
    """Return how far decoding is from GenZ under its assumptions."""
    from consilico.reports.system.facts import genz_rows

    rows = [
        (f"{row.context:,}", f"{row.own_ms:.1f}", f"{row.genz_ms:.1f}", f"{row.difference:+.2%}")
        for row in genz_rows()
    ]
    before = paragraph(
        """Decoding of LLaMA-7B in INT8 with 256 GB/s, where DRAM decides, against GenZ 0.0.16
        (whose GB are of 2^30 bytes), in ms per token:"""
    )
    return f"{before}\n\n{table(('context', 'here', 'GenZ', 'difference'), rows, '---:')}"


def system_lanes() -> str:
    """Return what dot-product lanes are worth in decoding."""
    rows = []
    for words, fields in (
        ("one tile, no dot-product lanes", {"tiles": 1, "gemv_lanes": 0}),
        ("one tile, 512 lanes", {"tiles": 1}),
        ("... INT4 in groups of 128, 512 lanes", {"tiles": 1, "weights": "int4-g128"}),
        ("... INT4 in groups of 128, 1,024 lanes",
         {"tiles": 1, "weights": "int4-g128", "gemv_lanes": 1024}),
        ("... 2:4, 512 lanes", {"tiles": 1, "weights": "2:4"}),
    ):  # fmt: skip
        found = _answer("llama-7b", "decode", 4096, **fields)
        weights = found["weight_bytes"] / 1e9
        rows.append(
            (words, f"{weights:.2f} GB", _ms(found), found["bound"],
             f"{1e3 * found['energy_j']['total']['value']:.0f}")
        )  # fmt: skip
    before = paragraph("A token of LLaMA-7B at 4,096 tokens:")
    return f"{before}\n\n{table(('', 'weights', 'ms', 'bound', 'mJ'), rows, '---:')}"


def system_normalizers() -> str:
    """Return what every other normalizer would change, for prompts and tokens."""
    rows, gained = [], []
    for model, phase, context in (
        ("llama-7b", "prefill", 4096), ("llama-7b", "decode", 4096),
        ("smollm2-135m", "prefill", 1024), ("smollm2-135m", "decode", 4096),
    ):  # fmt: skip
        found = _answer(model, phase, context, compare_normalisers=True)
        own = found["normaliser"]
        words = f"{model}, {phase} at {context:,}"
        for name, rival in own["against"].items():
            if rival["refused"]:
                continue
            rows.append(
                (words, f"`{name}`", f"{rival['latency_ratio']:.3f}",
                 f"{rival['attention_energy_ratio']:.3f}", f"{rival['energy_ratio']:.3f}",
                 f"{rival['area_ratio']:.3f}", f"{rival['buffer_kib']:,.0f}")
            )  # fmt: skip
        if own["nothing_gained"]:
            gained.append(f"{words}: {', '.join(own['nothing_gained'])}")
    head = ("", "unit", "latency", "energy of attention", "energy", "area", "buffers, KiB")
    after = paragraph(
        f"""Ratios to `consmax/log2` on the same chip. Within 1 % of it whatever the unit:
        {"; ".join(gained) or "nothing"}."""
    )
    return f"{table(head, rows, '---:')}\n\n{after}"


def system_transforms() -> str:
    """Return what each transform alone changes for a token and a prompt of LLaMA-7B."""
    rows = []
    for name in _TRANSFORMS:
        for phase in ("decode", "prefill"):
            answer = _answer("llama-7b", phase, 4096, transforms=(name,))
            (effect,) = answer["transforms"]
            counted = [f"{effect[key]:.3f}" for key in ("macs_ratio", "weight_bytes_ratio")]
            gained = [
                f"{effect[key]:.3f}" if effect["in_cycles"] else "refused"
                for key in ("latency_ratio", "energy_ratio")
            ]
            rows.append([f"`{name}`", phase, effect["kind"], *counted, *gained])
    head = ("", "", "is", "MACs", "bytes of weights", "latency", "energy")
    words = "LLaMA-7B at 4,096 tokens on the chip above, each by itself, as ratios to none of them:"
    return f"{words}\n\n{table(head, rows, '---:')}"


PARTS: dict[str, Callable[[], str]] = {
    "system_answers": system_answers,
    "system_genz": system_genz,
    "system_lanes": system_lanes,
    "system_normalizers": system_normalizers,
    "system_transforms": system_transforms,
}
