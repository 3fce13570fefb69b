"""An answer adds up, stays within its bounds, and is that of others under their assumptions."""

from dataclasses import fields
from typing import Any

import pytest

import consilico
from consilico.golden.attention.tile import TileConfig
from consilico.sim.base.errors import UserError
from consilico.sim.memory.presets import find_model, model_names
from consilico.sim.system.answer import CAUSES, SystemAnswer
from consilico.sim.system.normalizers import P_FORMATS

GENZ_MS = {256: 24.3, 4096: 27.9, 32768: 55.3, 131072: 149.1}
"""GenZ 0.0.16, LLaMA-2-7B, INT8, 256 GB/s: milliseconds of a token; its GB are of 2 ** 30 bytes."""


def answer(model: str = "llama-60m", **fields: Any) -> SystemAnswer:
    own = {
        name: fields.pop(name)
        for name in ("phase", "context", "new", "batch", "normaliser", "p_format",
                     "compare_normalisers", "pdk")
        if name in fields
    }  # fmt: skip
    return consilico.system(model, consilico.chip(**fields), **own)


@pytest.mark.parametrize("context", GENZ_MS)
def test_decoding_takes_as_long_as_genz_says(context: int) -> None:
    own = answer("llama-7b", context=context, tiles=8).latency_s.value
    assert own * 1e3 == pytest.approx(GENZ_MS[context] * 2**30 / 1e9, rel=0.005)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize(
    "model", ["llama-60m", "gemma-3-1b", "qwen3-30b-a3b", "deepseek-v3", "gpt2"]
)
def test_an_answer_adds_up(model: str, phase: str) -> None:
    found = answer(model, phase=phase, context=300)
    times = [o.time_s for o in found.operators]
    latency = found.latency_s
    assert latency.value == pytest.approx(sum(time.value for time in times))
    assert latency.low <= latency.value <= latency.high
    assert sum(found.limits.values()) == pytest.approx(latency.value)
    assert set(found.energy_j) == set(CAUSES)
    operators = sum(sum(e.value for e in o.energy_j.values()) for o in found.operators)
    assert found.total_j.value == pytest.approx(operators + found.energy_j["leakage"].value)
    assert all(0 <= used <= 1 for used in found.utilization.values())
    for o in found.operators:
        work = o.work
        assert work.fill + work.normalizer + work.buffer <= work.cycles.value
        assert all(
            used < 1 + 1e-9 for used in o.utilization(found.capacity, found.chip.clock_ns).values()
        )


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_every_built_in_model_has_an_answer(phase: str) -> None:
    for name in model_names():
        if find_model(name).post_norm and phase == "decode":
            continue
        found = answer(name, phase=phase, context=100, p_format="2xint7")
        names = [o.work.name for o in found.operators]
        assert names.index("attention") < names.index("attention output") < len(names) - 1
        assert found.latency_s.value > 0


def test_a_token_reads_all_weights_and_the_cache_once() -> None:
    found = answer("llama-7b", context=4096)
    read = sum(o.work.dram_read_bytes for o in found.operators)
    embedded = 4096  # a row of the embedding
    assert read == found.graph.weights + found.graph.kv_cache_elements + embedded
    written = sum(o.work.dram_written_bytes for o in found.operators)
    assert written == 2 * 32 * 4096  # the keys and values of the new token


@pytest.mark.parametrize(
    ("weights", "bytes_each"), [("int8", 1.0), ("int4-g128", 0.5234375), ("2:4", 0.625)]
)
def test_weights_lie_in_memory_in_their_own_format(weights: str, bytes_each: float) -> None:
    found = answer("llama-7b", context=64, weights=weights)
    products = [o.work for o in found.operators if o.work.engine in ("arrays", "gemv")]
    elements = sum(work.k * work.n * work.count for work in products)
    assert sum(work.dram_read_bytes for work in products) == bytes_each * elements


def test_a_longer_context_costs_more_of_everything() -> None:
    found = [answer("llama-7b", phase="prefill", context=n) for n in (1024, 4096, 16384)]
    for figure in ("latency_s", "total_j"):
        values = [getattr(one, figure).value for one in found]
        assert values == sorted(values)
        assert values[1] > 4 * values[0]  # attention grows with its square


def test_a_prompt_of_one_token_is_a_token() -> None:
    prompt, token = (answer(phase=phase, context=1) for phase in ("prefill", "decode"))
    assert prompt.latency_s == token.latency_s
    assert prompt.total_j == token.total_j


def test_lanes_are_what_decoding_on_one_tile_lacks() -> None:
    without, with_them = (
        answer("llama-7b", tiles=1, gemv_lanes=lanes, context=256) for lanes in (0, 512)
    )
    assert without.latency_s.value > 2.5 * with_them.latency_s.value
    assert without.bound == "array"
    assert with_them.utilization["gemv"] > 0.9


def test_slices_cost_time_where_the_second_array_has_none_to_spare() -> None:
    """A head of 64 elements keeps both arrays busy; of 128 the second one half of the time."""
    for model, slower in (("smollm2-135m", True), ("llama-7b", False)):
        one, two = (
            answer(model, phase="prefill", context=2048, p_format=form)
            for form in ("int7", "2xint7")
        )
        attention = [
            next(o.work.cycles.value for o in found.operators if o.work.engine == "tiles")
            for found in (one, two)
        ]
        assert (attention[1] > 1.3 * attention[0]) == slower
        assert (attention[1] < 1.05 * attention[0]) != slower
        assert two.energy_j["score buffer"].value > one.energy_j["score buffer"].value == 0


def test_the_forms_are_those_of_the_tile() -> None:
    options = next(item for item in fields(TileConfig) if item.name == "p_format").metadata
    assert list(P_FORMATS) == list(options["options"])
    slices, bits = zip(*((form.slices, form.bits) for form in P_FORMATS.values()), strict=True)
    assert (slices, bits) == ((1, 2, 1), (7, 14, 8))


def test_eight_bits_cost_wider_cells_behind_the_normalizer_and_no_time() -> None:
    """A cell for operands of 9 bits: more area and energy, and only in the array for values."""
    seven, eight = (
        answer("smollm2-135m", phase="prefill", context=1024, p_format=form)
        for form in ("int7", "uint8")
    )
    assert eight.latency_s == seven.latency_s
    assert eight.buffer_bytes == seven.buffer_bytes == 0
    assert eight.normalizer.config.fixed_width == 8  # type: ignore[attr-defined]
    grown = {
        part: eight.area_um2[part].value / seven.area_um2[part].value
        for part in ("score arrays", "value arrays", "requantizers")
    }
    assert 1.02 < grown.pop("value arrays") < 1.12  # a bit of the operand, one of the product
    assert set(grown.values()) == {1.0}
    for cause in ("MACs", "registers"):
        assert 1 < eight.energy_j[cause].value / seven.energy_j[cause].value < 1.06


def test_rows_wait_in_buffers_only_where_a_normalizer_reads_them_twice() -> None:
    """Four tiles, three heads of keys: no tile has another job while it reads a row again."""
    exposed = {}
    for name in ("consmax/log2", "online_softmax", "softermax"):
        found = answer("smollm2-135m", context=4096, normaliser=name)
        exposed[name] = next(o.work.buffer for o in found.operators if o.work.engine == "tiles")
    # a cycle of each key and layer, but for those of a key tile
    assert exposed["softermax"] > 30 * (4096 - 64)
    assert exposed["consmax/log2"] == exposed["online_softmax"] == 0


def test_answers_repeat() -> None:
    assert answer(compare_normalisers=True).to_json() == answer(compare_normalisers=True).to_json()


def test_every_other_normalizer_is_compared() -> None:
    found = answer("smollm2-135m", context=1024, compare_normalisers=True)
    names = {name for name, unit in consilico.units().items() if unit.family == "attention"}
    assert {rival.name for rival in found.rivals} == names - {
        "consmax/log2",
        "base2_scores",
        "attention/key_buffer",
        "attention/tile",
    }
    for rival in found.rivals:
        assert rival.refused or rival.area_ratio > 0
        if rival.kind == "two passes":
            assert rival.buffer_kib == 2 * 4 * 64 * 1024 / 1024
            assert rival.area_ratio > 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phase": "training"}, "training step is answered by training-hw"),
        ({"normaliser": "matmul/dot"}, "normaliser must be one of consmax/base2"),
        ({"p_format": "bf16"}, "p_format must be one of int7, 2xint7, uint8, not 'bf16'"),
        ({"clock_ns": 0.5}, "clock_ns must be at least"),
        ({"dram": "ddr9"}, "unknown dram 'ddr9'"),
        ({"weights": "fp4"}, "weights must be one of int8"),
        ({"pdk": "none"}, "none"),
        ({"sram_kib": 32, "phase": "prefill", "context": 64}, "sram must hold a tile"),
    ],
)
def test_what_cannot_be_answered_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        answer(**fields)
