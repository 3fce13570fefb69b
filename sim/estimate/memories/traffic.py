"""Traffic that a buffer is measured with: contents first, then reads, writes or rest."""

from typing import Literal

import numpy as np

from consilico.golden.buffer import BufferConfig, buffer_reads
from consilico.sim.units.stimulus import Ports, Stimulus, StimulusBuilder, pack

__all__ = ["ACTIVITIES", "BEATS", "Activity", "buffer_ports", "buffer_stimulus"]

Activity = Literal["rest", "read", "write"]
ACTIVITIES: tuple[Activity, ...] = ("rest", "read", "write")
BEATS = 512  # of the measured activity
_SEED = 1


def _address_bits(config: BufferConfig) -> int:
    return (config.words - 1).bit_length()


def buffer_ports(config: BufferConfig) -> Ports:
    """Payload widths of a buffer's streams."""
    return Ports(i_width=config.bits + 2 * _address_bits(config) + 2, o_width=config.bits)


def buffer_stimulus(config: BufferConfig, activity: Activity) -> Stimulus:
    """Fill a buffer with random words, do one thing for ``BEATS`` beats, read everything back.

    Values and addresses are random and uniform; what an activity does not use stands still. The
    first ``words`` beats fill, the last ``words`` read back: measure what is between.
    """
    rng = np.random.default_rng(_SEED)
    words = config.words
    beats = 2 * words + BEATS
    measured, last = slice(words, words + BEATS), slice(words + BEATS, beats)
    writes, reads = np.zeros(beats, np.bool_), np.zeros(beats, np.bool_)
    write_addresses, read_addresses = np.zeros((2, beats), np.int64)
    values = np.zeros((beats, config.bits), np.int64)
    writes[:words] = reads[last] = reads[words - 1] = True
    write_addresses[:words] = read_addresses[last] = np.arange(words)
    values[:words] = rng.integers(0, 2, (words, config.bits))
    values[words:], write_addresses[words:] = values[words - 1], words - 1
    if activity == "read":
        reads[measured] = True
        read_addresses[measured] = rng.integers(0, words, BEATS)
    if activity == "write":
        writes[measured] = True
        write_addresses[measured] = rng.integers(0, words, BEATS)
        values[measured] = rng.integers(0, 2, (BEATS, config.bits))
    address = _address_bits(config)
    rows = pack(
        [
            (values, 1),
            (write_addresses, address),
            (read_addresses, address),
            (writes, 1),
            (reads, 1),
        ]
    )
    raw = pack([(values, 1)])
    found = buffer_reads(words, writes, write_addresses, raw, reads, read_addresses)
    builder = StimulusBuilder(buffer_ports(config))
    builder.data(rows, found, int(reads.sum()), completes=reads.astype(np.uint16))
    return builder.build()
