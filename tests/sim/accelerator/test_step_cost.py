"""The whole answer: sums, bounds, what follows what, and clear refusals."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consilico.cli import main
from consilico.sim.accelerator.accelerator import Accelerator, SystolicArrays, dram_names, find_dram
from consilico.sim.accelerator.costs import OperationCosts
from consilico.sim.accelerator.matrix_products import matrix_products, planned
from consilico.sim.accelerator.measure import UNITS
from consilico.sim.accelerator.step_cost import step_cost
from consilico.sim.accelerator.step_work import PhaseWork, step_work
from consilico.sim.accelerator.unit_prices import (
    estimated_prices,
    measured_prices,
    price_list,
)
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly, summed
from consilico.sim.estimate.operators.estimate import estimate, layout_factors
from consilico.sim.memory.llama_family import decoder
from consilico.sim.memory.tensor_plan import TensorPlan
from consilico.sim.memory.training_run import TrainingRun
from consilico.sim.units.catalogue import find_unit
from tests.sim.accelerator.priced import INTERVAL, UNIT_PRICES

ARCH = decoder(
    name="small", hidden=256, intermediate=512, layers=2, heads=4, kv_heads=2, head_dim=64,
    vocab=1000,
)  # fmt: skip
HBM = find_dram("hbm2")
ACCELERATOR = Accelerator(
    array=SystolicArrays(rows=16, columns=16), dram=HBM, sram_kib=256, lanes=16
)
Q_GALORE = TrainingRun(model=ARCH, method="q-galore", rank=64, sequence=64)


def asked(run: TrainingRun = Q_GALORE, **changes: Any) -> dict[str, Any]:
    return step_cost(run, replace(ACCELERATOR, **changes), "nangate45", units=UNIT_PRICES).to_json()


def phases(run: TrainingRun = Q_GALORE, **changes: Any) -> dict[str, PhaseWork]:
    found = step_work(run, replace(ACCELERATOR, **changes), "full", 200)
    return {phase.name: phase for phase in found}


def test_phases_add_up_and_bounds_hold() -> None:
    result = asked()
    names = [phase["phase"] for phase in result["phases"]]
    assert names == ["forward", "backward", "projection", "svd", "update"]
    for quantity, of_phase in (("energy_j", "total_j"), ("time_s", "time_s")):
        total = result[quantity]
        assert 0 < total["low"] <= total["value"] <= total["high"]
        assert total["value"] == pytest.approx(sum(p[of_phase]["value"] for p in result["phases"]))
    for phase in result["phases"]:
        causes = sum(part["value"] for part in phase["energy_j"].values())
        assert causes == pytest.approx(phase["total_j"]["value"])
    area = result["area_um2"]
    assert area["total"]["value"] == pytest.approx(
        sum(part["value"] for name, part in area.items() if name != "total")
    )
    power = result["energy_j"]["value"] / result["time_s"]["value"]
    assert result["power_w"]["value"] == pytest.approx(power)
    json.dumps(result)


def test_flops_are_those_of_the_products() -> None:
    found = matrix_products(planned(Q_GALORE))
    for name, phase in phases().items():
        if name in ("forward", "backward", "projection"):
            assert phase.flops == sum(p.flops for p in found if p.phase == name)


def hidden(phase: str) -> float:
    """Return the multiply-accumulates of a phase in tiles of scores that a mask hides whole.

    Of the 4 x 4 tiles of 64 x 64 scores they are 6.
    """
    attention = (p for p in matrix_products(planned(Q_GALORE)) if p.phase == phase and p.seen < 1)
    return 6 / 16 * sum(p.macs for p in attention)


def test_multiply_accumulates_are_half_the_flops_but_for_tiles_that_a_mask_hides() -> None:
    found = phases()
    forward = found["forward"].flops / 2 - hidden("forward")
    assert found["forward"].operations["int8 MAC"] == forward < found["forward"].flops / 2
    assert found["projection"].operations["projection MAC"] == found["projection"].flops / 2
    bf16 = phases(precision="bf16")
    assert bf16["backward"].operations["bf16 MAC"] == bf16["backward"].flops / 2 - hidden(
        "backward"
    )


def test_int4_weights_take_one_pass_and_products_without_a_weight_two() -> None:
    found = phases(precision="int4")["backward"]
    weights = [p for p in matrix_products(planned(Q_GALORE)) if p.b.kind == "weight"]
    once = sum(p.macs for p in weights if p.phase == "backward")
    assert found.operations["int4 MAC"] == 2 * (found.flops / 2 - hidden("backward")) - once


@pytest.mark.parametrize(("precision", "bytes_each"), [("int8", 1.0), ("int4", 0.5), ("bf16", 2.0)])
def test_weights_of_inference_lie_in_memory_as_products_compute_with_them(
    precision: str, bytes_each: float
) -> None:
    run = TrainingRun(model=ARCH, method="inference", sequence=1)
    found = phases(run, precision=precision)["forward"]
    weights = [p for p in matrix_products(planned(run)) if p.b.kind == "weight"]
    elements = sum(p.k * p.n * p.count for p in weights)
    assert found.bytes("read")["weight"] == bytes_each * elements
    # nothing has to be made codes but activations
    assert found.operations["value quantization"] < elements


def test_stored_weights_cross_dram_at_least_once_each_way() -> None:
    plan, found = TensorPlan(Q_GALORE), phases()
    blocks = sum(
        int(e.bytes) for e in plan.persistent
        if "matrices" in e.name and e.kind in ("weights", "quantization constants")
        and e.name.endswith("weight")
    )  # fmt: skip
    head = ARCH.vocab * ARCH.hidden * 2
    assert found["forward"].bytes("read")["weight"] == blocks + head  # each product fetches once
    update = found["update"]
    assert update.bytes("written")["weight"] == update.bytes("read")["weight"] >= blocks + head
    projections = sum(int(e.bytes) for e in plan.persistent if e.name.endswith(" projection"))
    assert found["projection"].bytes("read")["INT4 projection"] == 2 * projections


def test_little_memory_on_chip_costs_fetches() -> None:
    small, large = phases(sram_kib=32), phases(sram_kib=4096)
    assert small["forward"].bytes("read")["weight"] > large["forward"].bytes("read")["weight"]


def test_float_weights_become_codes_for_an_array_of_integers() -> None:
    run = TrainingRun(model=ARCH, method="adamw", sequence=64)
    stored, quantized = phases(run, sram_kib=4096), phases(sram_kib=4096)
    more = (
        stored["forward"].operations["value quantization"]
        - quantized["forward"].operations["value quantization"]
    )
    assert more == ARCH.matrix_parameters
    assert phases(run, precision="bf16")["forward"].operations["value quantization"] == 0


def test_recomputation_is_a_phase_of_its_own() -> None:
    run = replace(Q_GALORE, checkpointing="full")
    found = phases(run)
    assert 0 < found["recompute"].flops < found["forward"].flops
    assert found["recompute"].scalars < found["forward"].scalars
    selective = phases(replace(Q_GALORE, checkpointing="selective"))["recompute"]
    assert selective.flops == 0 < selective.scalars


def test_lora_has_neither_projection_nor_svd_and_updates_adapters_alone() -> None:
    run = TrainingRun(model=ARCH, method="lora", sequence=64, rank=8)
    found = phases(run)
    assert set(found) == {"forward", "backward", "update"}
    adapters = sum(8 * (t.rows + t.columns) * t.count for t in ARCH.parameters()
                   if t.role in ("attention", "mlp"))  # fmt: skip
    assert found["update"].bytes("written") == {"adapter": 2 * adapters, "state": 4 * adapters}


def test_inference_has_a_forward_pass_alone() -> None:
    assert set(phases(TrainingRun(model=ARCH, method="inference", sequence=64))) == {"forward"}


def test_a_phase_takes_the_longer_of_arithmetic_and_traffic() -> None:
    slow = replace(HBM, bandwidth_gb_s=1e-3)
    for phase in asked(dram=slow)["phases"]:
        # but for what fused attention does on chip
        assert phase["time_s"]["value"] == pytest.approx(phase["dram_s"], rel=1e-4)
    fast = replace(HBM, bandwidth_gb_s=1e9)
    for phase in asked(dram=fast)["phases"]:
        assert phase["time_s"]["value"] == pytest.approx(phase["compute_s"])


def test_twice_the_arrays_halve_the_cycles_of_products() -> None:
    one, two = phases(), phases(array=SystolicArrays(rows=16, columns=16, count=2))
    for name in ("forward", "backward", "projection"):
        products_of_one = sum(p.cycles for p in one[name].items if p.tiling)
        assert products_of_one == 2 * sum(p.cycles for p in two[name].items if p.tiling)


def test_a_doubtful_price_makes_a_doubtful_energy() -> None:
    units = tuple(replace(u, energy_pj=u.energy_pj * INTERVAL) for u in UNIT_PRICES.units)
    priced = replace(UNIT_PRICES, units=units)
    sure = asked()["phases"][0]["energy_j"]["MACs"]
    doubtful = step_cost(Q_GALORE, ACCELERATOR, "nangate45", units=priced).to_json()
    spread = doubtful["phases"][0]["energy_j"]["MACs"]
    assert spread["low"] < sure["low"] <= sure["value"] <= sure["high"] < spread["high"]


def test_a_cell_is_priced_at_the_size_of_the_array() -> None:
    at = {
        n: OperationCosts(UNIT_PRICES, SystolicArrays(rows=n, columns=n))["int8 MAC"].energy_pj
        for n in (8, 64)
    }
    assert at[8].value == pytest.approx(1.025)  # as measured
    assert at[64].value == pytest.approx(1 + 0.2 / 64)
    assert at[64].low == pytest.approx(1.0)
    assert at[64].high == pytest.approx(1.025)


def test_floats_cost_more_than_integers() -> None:
    costs = OperationCosts(UNIT_PRICES, SystolicArrays(rows=16, columns=16))
    order = [costs[f"{name} MAC"] for name in ("int4", "int8", "bf16", "float32")]
    energies = [cost.energy_pj.value for cost in order]
    assert energies == sorted(energies)
    assert energies[1] < energies[2]
    assert costs["bf16 MAC"].basis == "estimated"
    assert costs["bf16 MAC"].energy_pj.low < costs["bf16 MAC"].energy_pj.high


def test_the_analytical_model_can_price_the_units() -> None:
    priced = estimated_prices("asap7")
    assert [price.unit for price in priced.units] == [name for name, _ in UNITS]
    assert (priced.kit.node_nm, priced.kit.voltage_v) == (7, 0.7)
    update = next(price for price in priced.units if price.unit == "training/weight_update")
    unit = find_unit(update.unit)
    estimated = estimate(unit, unit.config(**update.config), "asap7")
    assert update.area_um2 == estimated.area_um2
    leaked = estimated.leakage_w.value * estimated.clock_ns * 1e3 / update.operations_per_cycle
    whole = estimated.energy_per_operation_pj
    assert update.energy_pj.low == pytest.approx(whole.low - leaked)
    assert update.energy_pj.high == pytest.approx(whole.high - leaked)
    cost = OperationCosts(priced, SystolicArrays(rows=16, columns=16))["weight update"]
    assert cost.energy_pj == update.energy_pj
    assert cost.basis == "calibrated"


def test_prices_measured_at_cells_are_carried_to_the_layout_by_the_factors_of_the_unit() -> None:
    cells, layout = (measured_prices("nangate45", rung) for rung in ("cells", None))
    assert (cells.kit.rung, layout.kit.rung) == ("cells", "layout")
    for at_cells, laid_out in zip(cells.units, layout.units, strict=True):
        unit = find_unit(at_cells.unit)
        times = layout_factors(unit, unit.config(**at_cells.config), "nangate45")
        assert laid_out.energy_pj == at_cells.energy_pj * times["energy_pj"]
        assert laid_out.energy_pj.value > at_cells.energy_pj.value
        assert (at_cells.basis, laid_out.basis) == ("measured", "calibrated")


def test_a_kit_without_prices_is_refused() -> None:
    with pytest.raises(UserError, match="no unit is measured in process kit 'osu035' yet"):
        price_list("osu035", "measured")
    with pytest.raises(UserError, match="prices must be one of best, measured, calibrated"):
        price_list("nangate45", "guessed")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": "fp8"}, "precision must be one of int8, int4, bf16, not 'fp8'"),
        ({"sram_kib": 1}, "sram_kib must be an integer in"),
        ({"lanes": 0}, "lanes must be an integer in"),
        ({"clock_ns": 1.0}, "clock_ns must be at least 1.500 in nangate45"),
    ],
)
def test_what_an_accelerator_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        asked(**changes)


def test_every_dram_has_a_range_and_a_source() -> None:
    for name in dram_names():
        dram = find_dram(name)
        assert dram.energy_pj_per_bit.low <= dram.energy_pj_per_bit.high
        assert dram.source
    with pytest.raises(UserError, match="unknown dram 'rdram'; accepted: hbm2, "):
        find_dram("rdram")


def test_intervals_keep_their_order() -> None:
    assert summed([INTERVAL, exactly(1.0)]) == Interval(2.0, 1.5, 3.0)
    product, quotient = INTERVAL * INTERVAL, INTERVAL / INTERVAL
    assert product == quotient == Interval(1.0, 0.25, 4.0)
    with pytest.raises(ValueError, match="low <= value <= high"):
        Interval(1.0, 2.0, 3.0)


def test_the_command_answers_in_json_and_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["training-hw", "--model", "llama-60m", "--array", "16x16", "--rank", "128"]
    assert main([*arguments, "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kit"]["pdk"] == "nangate45"
    assert result["kit"]["rung"] == "layout"
    assert result["basis"]["int8 MAC"] == "calibrated"
    assert main([*arguments, "--rung", "cells", "--json", "-"]) == 0
    cells = json.loads(capsys.readouterr().out)
    assert cells["kit"]["rung"] == "cells"
    assert cells["basis"]["weight update"] == "measured"
    assert cells["energy_j"]["value"] < result["energy_j"]["value"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    for words in ("projection", "SRAM", "mean of a step (estimated)", "assumption"):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "llama-7b", "--array", "64"], "--array takes rows x columns"),
        (["--model", "llama-7b", "--method", "sltrain"], "method must be one of"),
        (["--model", "gpt2"], "gated in the MLP of gpt2 must be True as in LLaMA"),
        (["--model", "llama-60m", "--pdk", "tsmc5"], "tsmc5"),
        (["--model", "llama-60m", "--dram", "core"], "unknown dram 'core'"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["training-hw", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_clock_within_the_doubt_of_a_path_is_an_assumption_and_one_beyond_is_refused() -> None:
    units = tuple(replace(u, path_ns=Interval(1.5, 1.4, 1.6)) for u in UNIT_PRICES.units)
    priced = replace(UNIT_PRICES, units=units)

    def assumed(clock_ns: float) -> list[str]:
        accelerator = replace(ACCELERATOR, clock_ns=clock_ns)
        answer = step_cost(Q_GALORE, accelerator, "nangate45", units=priced).to_json()
        return list(answer["doubts"])

    assert assumed(1.5) == []
    assert "1.5 ns (1.4 to 1.6)" in assumed(1.45)[0]
    with pytest.raises(UserError, match=r"clock_ns must be at least 1\.400 in nangate45"):
        assumed(1.39)
