"""The buffer itself: flip-flops and latches hold what was written, under stalls."""

from dataclasses import replace

import numpy as np
import pytest

from consilico.golden.buffer import BufferConfig, buffer_reads
from consilico.hw.buffer import Buffer
from consilico.hw.verilog import convert
from consilico.sim.estimate.memories.measure import (
    ACTIVITIES,
    BEATS,
    buffer_builder,
    buffer_layouts,
    buffer_stimulus,
)
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.stimulus import Stimulus


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path_factory.getbasetemp() / "buffers"))


def replay(config: BufferConfig, stimulus: Stimulus, stall: int) -> ReplayOutcome:
    simulator, ports = find_simulator("icarus"), buffer_layouts(config).ports
    build = build_bulk(simulator, [convert(Buffer(config), name="buffer")], "buffer", ports)
    run = Replay(stall_in=stall, stall_out=stall, seed=3)
    return run_bulk(simulator, build, ports, stimulus, run)


def mixed(config: BufferConfig, seed: int) -> Stimulus:
    """Fills the buffer, then reads and writes at random, often both in one beat."""
    rng = np.random.default_rng(seed)
    beats = 600
    writes, reads = rng.integers(0, 2, (2, beats)).astype(np.bool_)
    write_addresses, read_addresses = rng.integers(0, config.words, (2, beats))
    reads &= write_addresses != read_addresses
    writes[: config.words], reads[: config.words] = True, False
    write_addresses[: config.words] = np.arange(config.words)
    values = rng.integers(0, 2, (beats, config.bits))
    builder = buffer_builder(config)
    addresses = {"write_address": write_addresses, "read_address": read_addresses}
    builder.data({"value": values, **addresses, "write": writes, "read": reads}, int(reads.sum()))
    return builder.build()


@pytest.mark.parametrize("storage", ["flop", "latch"])
@pytest.mark.parametrize(("words", "bits", "stall"), [(2, 1, 0), (5, 7, 96)])
def test_reads_give_what_was_written(storage: str, words: int, bits: int, stall: int) -> None:
    config = BufferConfig(words=words, bits=bits, storage=storage)
    outcome = replay(config, mixed(config, seed=words), stall)
    assert outcome.passed, outcome.problems
    assert outcome.checked > 100


def test_a_wrong_word_is_found() -> None:
    config = BufferConfig(words=4, bits=8, storage="latch")
    right = mixed(config, seed=1)
    expected = right.expected.copy()
    expected[50] ^= 1
    outcome = replay(config, replace(right, expected=expected), 0)
    assert not outcome.passed
    assert outcome.beats_wrong == 1


def test_a_beat_that_reads_what_it_writes_is_refused() -> None:
    on, off = np.array([True, True]), np.array([False, True])
    address = np.array([0, 1])
    values = np.array([[7], [9]], dtype=np.uint8)
    found = buffer_reads(2, on, address, values, off, np.array([0, 0]))
    assert found.tolist() == [[7]]
    with pytest.raises(ValueError, match=r"^beat 1 reads the word that it writes$"):
        buffer_reads(2, on, address, values, off, address)


def test_measured_activity_is_one_thing_between_filling_and_reading_back() -> None:
    config = BufferConfig(words=8, bits=4, storage="flop")
    counts = {name: buffer_stimulus(config, name).completes for name in (*ACTIVITIES, "both")}
    window = slice(config.words, config.words + BEATS)
    assert {name: int(beats[window].sum()) for name, beats in counts.items()} == {
        "rest": 0, "read": BEATS, "write": 0, "both": BEATS,
    }  # fmt: skip
    assert all(beats[-config.words :].all() for beats in counts.values())
