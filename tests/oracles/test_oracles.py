"""Golden models against second oracles that share nothing with them.

A generator takes tables and widths from the golden model, so verification cannot see a wrong one.
Each unit therefore has an oracle in this folder, written from the unit's page in ``docs/`` with
Python's integers and fractions and with mpmath: nothing of Consilico, no table and no width.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.golden.attention import consmax_log2
from consilico.golden.config import Config
from consilico.golden.matmul import dot, fused_dot, group_dot, quantize, sparse_dot, systolic
from consilico.golden.training import blockwise_quantize, dynamic_code, lfsr
from consilico.sim.units import unit as unit_module
from consilico.sim.units.catalogue import own_units
from consilico.sim.units.stimulus import Kind
from consilico.sim.units.unit import Unit
from tests.oracles import code_book, payload, training_blockwise_quantize
from tests.oracles.consmax_log2 import mantissa
from tests.oracles.matmul_quantize import round_up
from tests.oracles.payload import code_range
from tests.oracles.stimuli import (
    ACCEPT,
    CONFIGURE,
    DRAWN,
    RESET,
    Item,
    deepest_product,
    with_resets,
)

UNITS = own_units()
KINDS = {ACCEPT: Kind.DATA, CONFIGURE: Kind.CONFIG, RESET: Kind.RESET}
HERE = Path(__file__).parent


# what only goes with other values of other fields than the defaults
TOGETHER: dict[str, list[dict[str, Any]]] = {
    "consmax/log2": [{"k_fraction": 10, "fraction": 6, "address": 5}, {"fraction": 17}],
    "consmax/split": [
        {"lanes": 2, "scores": "int16"},
        {"lanes": 4, "scores": "int16", "output": "fixed", "fixed_width": 24, "fixed_fraction": 20},
    ],
    "matmul/dot": [
        {"accumulator": 20},
        {"accumulator": 26, "w": "uint4", "depth": 1 << 18},
        {"x": "int4", "w": "int4", "accumulator": 14},
        {"x": "int4", "w": "uint4"},
    ],
    "matmul/sparse_dot": [{"accumulator": 20}, {"x": "int4", "w": "int4", "accumulator": 14}],
    **{
        name: [{"row": 4096, "buffer": "sram"}]
        for name in ("ibert", "ita", "softermax", "softmax", "sole")
    },
}
DRAWN_CONFIGURATIONS = 3  # with all fields drawn


def settings(unit: Unit) -> list[dict[str, Any]]:
    """Return changes to the default configuration: none, each field at its ends, several at once.

    Drawn ranges are cut above, so that no configuration takes minutes.
    """
    default = asdict(unit.config())
    found: list[dict[str, Any]] = [{}]
    ranges = {}
    for item in fields(unit.config):
        ends = item.metadata.get("range")
        values = ends or item.metadata["options"]
        found += [{item.name: value} for value in values if value != default[item.name]]
        ranges[item.name] = range(ends[0], min(ends[1], ends[0] + 24) + 1) if ends else values
    found = [*filter(partial(_accepted, unit), found), *TOGETHER.get(unit.name, ())]
    rng = Random(unit.name)
    wanted = len(found) + DRAWN_CONFIGURATIONS
    while len(found) < wanted:
        drawn = {name: rng.choice(values) for name, values in ranges.items()}
        if _accepted(unit, drawn):
            found.append(drawn)
    return found


def _accepted(unit: Unit, changed: dict[str, Any]) -> bool:
    try:
        unit.config(**changed)
    except ValueError:
        return False
    return True


def accepted(unit: Unit, config: Config, seed: int) -> list[Item]:
    """Return items for a unit; of the systolic array, whose beats have an order, whole jobs."""
    rng = Random(seed)
    if unit.module_name in DRAWN:
        return [*with_resets(rng, DRAWN[unit.module_name](rng, asdict(config)))]
    stimulus = unit.vectors(config, seed)
    names = {kind: name for name, kind in KINDS.items()}
    jobs = [
        (names[Kind(kind)], int.from_bytes(row.tobytes(), "little"))
        for kind, row in zip(stimulus.kind.tolist(), stimulus.bits, strict=True)
    ]
    parameters = asdict(config)
    for weight in code_range(parameters["w"]):
        jobs += deepest_product(parameters, weight)
    return jobs


def from_oracle(unit: Unit, config: Config, items: list[Item]) -> list[list[int]]:
    """Return the payloads on ``o`` that each item completes, as the oracle has them."""
    oracle = import_module(f"tests.oracles.{unit.module_name}").Oracle(**asdict(config))
    results = []
    for what, bits in items:
        if what == ACCEPT:
            results.append(oracle.accept(bits))
            continue
        results.append([])
        if what == CONFIGURE:
            oracle.configure(bits)
        else:
            oracle.reset()
    return results


def from_golden(unit: Unit, config: Config, items: list[Item]) -> list[list[int]]:
    """Return the payloads on ``o`` that each item completes, as the golden model has them."""
    ports = unit.ports(config)
    size = (max(ports.i_width, ports.cfg_width) + 7) // 8
    kind = np.array([KINDS[what] for what, _ in items], dtype=np.uint8)
    packed = b"".join(bits.to_bytes(size, "little") for _, bits in items)
    rows: NDArray[np.uint8] = np.frombuffer(packed, dtype=np.uint8).reshape(-1, size)
    expected = unit.expect(config, kind, rows)
    results = iter(expected.expected)
    return [
        [int.from_bytes(next(results).tobytes(), "little") for _ in range(count)]
        for count in expected.completes.tolist()
    ]


def differences(unit: Unit, config: Config, seed: int = 1) -> list[str]:
    """Return the items for which oracle and golden model disagree, with what they say."""
    items = accepted(unit, config, seed)
    oracle, golden = (results(unit, config, items) for results in (from_oracle, from_golden))
    return [
        f"item {number}, {what} {bits:#x}: oracle {[*map(hex, ours)]}, golden {[*map(hex, theirs)]}"
        for number, ((what, bits), ours, theirs) in enumerate(
            zip(items, oracle, golden, strict=True)
        )
        if ours != theirs
    ]


CASES = [
    pytest.param(name, changed, id="-".join([name, *(f"{k}={v}" for k, v in changed.items())]))
    for name, unit in UNITS.items()
    for changed in settings(unit)
]


@pytest.mark.parametrize(("name", "changed"), CASES)
def test_oracle_and_golden_model_agree(name: str, changed: dict[str, Any]) -> None:
    assert differences(UNITS[name], UNITS[name].config(**changed)) == []


@pytest.mark.parametrize("address", range(5, 11))
def test_every_mantissa_is_the_correctly_rounded_one(address: int) -> None:
    expected = [mantissa(a, address) for a in range(1 << address)]
    assert consmax_log2.mantissa_table(address) == expected


@pytest.mark.parametrize("code", ["signed", "unsigned"])
def test_every_entry_of_the_code_books_is_the_correctly_rounded_one(code: str) -> None:
    book = code_book.book(code)
    assert dynamic_code.values(signed=code == "signed") == book
    expected = [payload.to_bf16(value)[0] for value in book]
    assert dynamic_code.book_bits(signed=code == "signed") == expected


def test_every_reciprocal_of_a_maximum_is_the_correctly_rounded_one() -> None:
    for mantissa_bits in range(128):
        expected = training_blockwise_quantize.reciprocal(128 + mantissa_bits)
        assert blockwise_quantize.reciprocal_significand(mantissa_bits) == expected


@pytest.mark.parametrize("width", [3, 4, 7, 8])
def test_every_scale_of_a_range_is_the_least_that_is_not_below(width: int) -> None:
    for significand in range(128, 256):
        least = round_up(Fraction(significand << width, (1 << width) - 1))
        found, carry = quantize.scale_significand(significand, width)
        assert found << carry == least


@pytest.fixture
def _own_layouts() -> Iterator[None]:
    """Keep the widths of payloads, which are remembered, to one test."""
    unit_module._layouts.cache_clear()
    yield
    unit_module._layouts.cache_clear()


def _one_wrong(table: Callable[..., list[int]], at: int) -> Callable[..., list[int]]:
    def wrong(*arguments: Any, **options: Any) -> list[int]:
        entries = table(*arguments, **options)
        entries[at] ^= 1
        return entries

    return wrong


def _narrow(kind: type, name: str) -> property:
    width = getattr(kind, name)
    return property(lambda config: width.fget(config) - 1)


_log2_table = consmax_log2.mantissa_table
_scale = quantize.scale_significand
_reciprocal = blockwise_quantize.reciprocal_significand


@pytest.mark.parametrize(
    ("name", "place", "attribute", "wrong"),
    [
        *(
            ("consmax/log2", consmax_log2, "mantissa_table", _one_wrong(_log2_table, at))
            for at in (0, 100, 255)
        ),
        ("matmul/dot", dot.DotConfig, "full_width", _narrow(dot.DotConfig, "full_width")),
        (
            "matmul/sparse_dot",
            sparse_dot.SparseDotConfig,
            "full_width",
            _narrow(dot.DotConfig, "full_width"),
        ),
        (
            "matmul/fused_dot",
            fused_dot.FusedDotConfig,
            "sum_width",
            _narrow(fused_dot.FusedDotConfig, "sum_width"),
        ),
        (
            "matmul/systolic",
            systolic.SystolicConfig,
            "sum_width",
            _narrow(systolic.SystolicConfig, "sum_width"),
        ),
        ("matmul/group_dot", group_dot, "SUM", 31),
        (
            "matmul/quantize",
            quantize,
            "scale_significand",
            lambda value, width: _scale(value ^ (value == 200), width),
        ),
        (
            "training/blockwise_quantize",
            blockwise_quantize,
            "reciprocal_significand",
            lambda mantissa: _reciprocal(mantissa) + (mantissa == 77),
        ),
        ("training/stochastic_round", lfsr, "TAPS", lfsr.TAPS | {8: (6, 5, 3)}),
        ("training/weight_update", lfsr, "TAPS", lfsr.TAPS | {8: (6, 5, 3)}),
    ],
)
@pytest.mark.usefixtures("_own_layouts")
def test_a_wrong_entry_and_a_width_too_narrow_are_found(
    name: str, place: Any, attribute: str, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = UNITS[name]
    monkeypatch.setattr(place, attribute, wrong)
    assert differences(unit, unit.config()) != []


def foreign(source: str) -> list[str]:
    """Return the modules that an oracle's text imports and must not."""
    nodes = [*ast.walk(ast.parse(source))]
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [
        f"{'.' * node.level}{node.module}" for node in nodes if isinstance(node, ast.ImportFrom)
    ]
    return [
        module
        for module in named
        if not module.startswith("tests.oracles")
        and module.partition(".")[0] not in {"mpmath", "numpy", *sys.stdlib_module_names}
    ]


def test_oracles_import_nothing_of_consilico() -> None:
    oracles = [path for path in HERE.glob("*.py") if not path.name.startswith("test_")]
    assert {f"{unit.module_name}.py" for unit in UNITS.values()} <= {path.name for path in oracles}
    assert {path.name: foreign(path.read_text()) for path in oracles} == {
        path.name: [] for path in oracles
    }


@pytest.mark.parametrize(
    "source",
    [
        "import consilico",
        "from consilico.golden.matmul.operand import sum_width",
        "def f():\n    import consilico.golden.config as c",
        "from tests.hw import test_verilog",
        "from ...golden import config",
    ],
)
def test_an_import_of_consilico_is_found(source: str) -> None:
    assert len(foreign(source)) == 1
