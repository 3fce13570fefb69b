"""Memories stand outside of what is mapped, and the unit around them is the same."""

import pytest

from consilico.golden.attention.softermax import SoftermaxConfig
from consilico.golden.config import Config
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.silicon.circuit import unit_circuit
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.synthesis.outside_memories import OutsideMemory, has_memories
from consilico.sim.units.catalogue import find_unit, verilog

UNIT = find_unit("softermax")
LANES = 2


@pytest.fixture(scope="module")
def config() -> Config:
    return SoftermaxConfig(row=64, lanes=LANES, buffer="sram")


def replay(text: str, config: Config) -> ReplayOutcome:
    icarus, ports = find_simulator("icarus"), UNIT.ports(config)
    build = build_bulk(icarus, [text], UNIT.module_name, ports)
    return run_bulk(icarus, build, ports, UNIT.traffic(config, "normal", 256), Replay())


def test_logic_and_memory_together_are_the_unit(config: Config) -> None:
    circuit = unit_circuit(UNIT, config)
    assert circuit.memories == (
        OutsideMemory(instance="buffer.memory", words=32, bits=LANES * (8 + 1)),
    )
    assert not has_memories(circuit.text)
    outcome = replay(circuit.wrapped(circuit.text), config)
    assert outcome.passed
    assert outcome.checked == 256 * LANES


def test_a_memory_with_too_few_words_gives_wrong_results(config: Config) -> None:
    text = unit_circuit(UNIT, config)
    few = text.wrapped(text.text).replace(".WORDS(32), .ADDRESS(5)", ".WORDS(16), .ADDRESS(4)")
    assert not replay(few, config).passed


def test_a_unit_of_cells_alone_is_taken_as_it_is() -> None:
    config = SoftermaxConfig(row=64, buffer="flop")
    circuit = unit_circuit(UNIT, config)
    assert circuit.text == verilog(UNIT, config)
    assert circuit.memories == ()


@pytest.mark.usefixtures("cache")
def test_what_stands_outside_is_said_and_has_no_area(config: Config) -> None:
    found = implement(UNIT, config, "nangate45", 4.0, "normal", prove=False)
    assert found.gate_level.mismatches == 0
    flops = found.area_by_class_um2["flip-flops"]
    assert flops < 32 * LANES * 9 * 4.5  # DFF_X1 takes 4.522 um²: the words alone would be more
    assert "buffer.memory (32 words of 18 bits) stands outside" in found.notes[-1]
    assert found.to_json()["memories"] == [{"instance": "buffer.memory", "words": 32, "bits": 18}]
