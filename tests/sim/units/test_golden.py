"""Golden models on the streams: any order of data, configuration and resets."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.sim.units.accepted import Accepted, Expected
from consilico.sim.units.catalogue import catalogue, find_unit
from consilico.sim.units.layout import Layout
from consilico.sim.units.stimulus import Kind
from consilico.sim.units.unit import Unit
from tests.sim.units.references import REFERENCES, Reference

CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in catalogue()),
    ("base2_scores", {"lanes": 3, "score_integer": 3}),
    ("consmax/base2", {"output": "fixed", "lanes": 3}),
    ("consmax/log2", {"output": "fixed", "lanes": 3}),
    ("consmax/split", {"lanes": 2}),
    ("consmax/split", {"scores": "int16", "lanes": 4}),
    ("ibert", {"row": 16, "lanes": 2, "scores": "int8"}),
    ("ita", {"row": 16, "lanes": 2, "fraction": 0}),
    ("online_softmax", {"lanes": 2, "slack": 8}),
    ("softermax", {"row": 16, "lanes": 4}),
    ("softmax", {"row": 16, "lanes": 2}),
    ("sole", {"row": 16, "lanes": 2}),
    ("sole", {"row": 16, "lanes": 2, "stores": "exponents"}),
    ("matmul/dot", {"lanes": 3, "w": "uint4", "depth": 4}),
    ("matmul/dot", {"lanes": 4, "accumulator": 19}),
    ("matmul/group_dot", {"lanes": 32, "group": 32, "output": "bf16"}),
    ("matmul/group_dot", {"lanes": 16, "group": 32, "scale": "int8", "output": "bf16"}),
    ("matmul/group_dot", {"lanes": 16, "group": 32, "scale": "int8"}),
    ("matmul/quantize", {"lanes": 4, "group": 32, "mode": "minmax"}),
    ("matmul/requant", {"zero_point": True, "rounding": "half_even", "result": "int4"}),
    ("matmul/systolic", {"rows": 3, "columns": 2, "dataflow": "output_stationary"}),
    ("matmul/systolic", {"rows": 4, "columns": 3, "block": 2}),
    ("matmul/systolic", {"rows": 2, "columns": 1, "block": 5}),
    ("training/project", {"rows": 3, "columns": 2, "group": 64}),
]


def interleaved(
    unit: Unit, config: Any, seed: int, items: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What a unit needs first, then drawn payloads in a drawn order."""
    rng = np.random.default_rng(seed)
    ports, layout = unit.ports(config), unit.layouts(config).cfg
    first: dict[str, Any] = layout.unpack(np.zeros((1, -(-layout.width // 8)), dtype=np.uint8))
    if unit.name == "training/weight_update":  # a seed and a factor
        first = {"value": np.array([12345, 0x3E00]), "seeds": np.array([1, 0])}
    if unit.name == "consmax/split":  # every entry
        entries = np.arange(32 * config.table_sets)
        first = {name: np.zeros(len(entries), dtype=np.int64) for name in layout.by_name}
        first |= {"value": 100 * entries + 0x3000, "nibble": entries % 16, "table": entries // 16}
    kinds = [Kind.DATA] * 18 + [Kind.RESET]
    if ports.cfg_width:
        kinds += [Kind.CONFIG] * 3
    width = -(-max(ports.i_width, ports.cfg_width) // 8)
    kind = rng.choice(np.array(kinds, dtype=np.uint8), items)
    bits = rng.integers(0, 256, size=(items, width), dtype=np.uint8)
    if unit.name == "matmul/systolic":  # shapes that are allowed, and jobs that come to an end
        first = {name: np.array([3]) for name in "mkn"}
        loads = layout.pack({name: rng.integers(1, 8, size=items) for name in "mkn"})
        again = kind == Kind.CONFIG
        bits[again, : loads.shape[1]] = loads[again]
    if unit.name == "attention/tile":  # jobs that fit, and come to an end
        sizes = {name: rng.integers(1, 5, size=items) for name in ("rows", "keys", "seen")}
        loads = layout.pack(layout.unpack(rng.integers(0, 256, (items, width), np.uint8)) | sizes)
        first = layout.unpack(loads[:1])
        again = kind == Kind.CONFIG
        bits[again, : loads.shape[1]] = loads[again]
    before = layout.pack(first) if first else np.zeros((0, 1), dtype=np.uint8)
    return (
        np.concatenate([np.full(len(before), Kind.CONFIG, dtype=np.uint8), kind]),
        np.concatenate([np.pad(before, ((0, 0), (0, width - before.shape[1]))), bits]),
    )


def rows_of(layout: Layout, beats: list[dict[str, Any]]) -> NDArray[np.uint8]:
    names = layout.by_name
    return layout.pack({name: np.array([beat[name] for beat in beats]) for name in names})


def by_item(
    reference: Reference, unit: Unit, kind: NDArray[np.uint8], bits: NDArray[np.uint8]
) -> tuple[list[int], list[dict[str, Any]]]:
    """What a reference gives for items, one after the other."""
    layouts = unit.layouts(reference.config)
    data, loads = layouts.i.unpack(bits), layouts.cfg.unpack(bits)
    completes, beats = [], []
    for item, each in enumerate(kind.tolist()):
        found: list[dict[str, Any]] = []
        if each == Kind.DATA:
            found = reference.beat({name: part[item] for name, part in data.items()})
        elif each == Kind.CONFIG:
            reference.load({name: part[item] for name, part in loads.items()})
        else:
            reference.start()
        completes.append(len(found))
        beats += found
    return completes, beats


@pytest.mark.parametrize(("name", "fields"), CONFIGURATIONS)
def test_any_order_of_items_gives_what_the_unit_does_item_by_item(
    name: str, fields: dict[str, Any]
) -> None:
    unit = find_unit(name)
    config = unit.config(**fields)
    kind, bits = interleaved(unit, config, seed=3, items=300)
    found = unit.expect(config, kind, bits)
    completes, beats = by_item(REFERENCES[name](config), unit, kind, bits)
    assert sum(completes) > 5
    assert found.completes.tolist() == completes
    assert np.array_equal(found.expected, rows_of(unit.layouts(config).o, beats))


@pytest.mark.parametrize(("name", "fields"), CONFIGURATIONS)
def test_what_comes_later_does_not_change_what_came_before(
    name: str, fields: dict[str, Any]
) -> None:
    unit = find_unit(name)
    config = unit.config(**fields)
    kind, bits = interleaved(unit, config, seed=5, items=200)
    whole = unit.expect(config, kind, bits)
    for items in (0, 40, 41, 103, 199):
        part = unit.expect(config, kind[:items], bits[:items])
        assert np.array_equal(part.completes, whole.completes[:items])
        assert np.array_equal(part.expected, whole.expected[: len(part.expected)])


def expect(name: str, kind: list[Kind]) -> Expected:
    unit = find_unit(name)
    config = unit.config()
    width = max(unit.ports(config).i_width, unit.ports(config).cfg_width)
    bits = np.zeros((len(kind), -(-width // 8)), dtype=np.uint8)
    return unit.expect(config, np.array(kind, dtype=np.uint8), bits)


@pytest.mark.parametrize(
    "name", [name for name, unit in catalogue().items() if unit.ports(unit.config()).cfg_width]
)
def test_data_before_any_configuration_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a beat of data comes before"):
        expect(name, [Kind.RESET, Kind.DATA])


def test_data_before_the_last_entry_of_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="before all entries of the tables were loaded"):
        expect("consmax/split", [Kind.CONFIG] * 31 + [Kind.DATA])


def test_a_seed_does_not_stand_for_a_factor() -> None:
    unit = find_unit("training/weight_update")
    config = unit.config()
    seed = unit.layouts(config).cfg.pack({"value": np.array([5]), "seeds": np.array([1])})
    bits = np.zeros((2, 24), dtype=np.uint8)
    bits[0, : seed.shape[1]] = seed[0]
    with pytest.raises(ValueError, match="before the first configuration"):
        unit.expect(config, np.array([Kind.CONFIG, Kind.DATA], dtype=np.uint8), bits)


def test_places_and_cuts_are_counted_from_the_resets() -> None:
    unit = find_unit("matmul/quantize")
    kind = np.array([1, 0, 0, 2, 2, 0, 0, 0, 1, 0, 2], dtype=np.uint8)
    bits = np.zeros((len(kind), 8), dtype=np.uint8)
    accepted = Accepted(kind, bits, unit.layouts(unit.config()))
    assert accepted.place.tolist() == [0, 1, 0, 1, 2, 3]
    assert accepted.cut.tolist() == [False, True, False, False, False, True]
    assert accepted.groups(2).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert accepted.beats_before_load.tolist() == [0, 5]
