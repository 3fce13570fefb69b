"""A small buffer of words with one write port and one read port: configuration and behaviour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config, choice, integer

__all__ = ["BufferConfig", "buffer_reads"]


@dataclass(frozen=True, kw_only=True)
class BufferConfig(Config):
    """Words of bits, in flip-flops or latches."""

    words: int = integer(16, 2, 1024, "words")
    bits: int = integer(16, 1, 256, "bits of a word")
    storage: str = choice("flop", ("flop", "latch"), "what holds a bit")


def buffer_reads(
    words: int,
    writes: NDArray[np.bool_],
    write_addresses: NDArray[np.int64],
    values: NDArray[np.uint8],
    reads: NDArray[np.bool_],
    read_addresses: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """What the beats that read find: what beats before them wrote.

    Args:
        words: Words of the buffer, all 0 before the first beat.
        writes: Whether a beat writes, shape ``(beats,)``.
        write_addresses: Shape ``(beats,)``.
        values: Words to write as bytes, lowest first, shape ``(beats, bytes)``.
        reads: Whether a beat reads, shape ``(beats,)``.
        read_addresses: Shape ``(beats,)``.

    Returns:
        Words read, shape ``(reads, bytes)``.

    Raises:
        ValueError: If a beat reads the word that it writes, which the hardware leaves open.
    """
    if (clash := np.flatnonzero(writes & reads & (write_addresses == read_addresses))).size:
        raise ValueError(f"beat {clash[0]} reads the word that it writes")
    contents = np.zeros((words, values.shape[1]), dtype=np.uint8)
    found = np.zeros_like(values)
    for beat in range(len(writes)):
        found[beat] = contents[read_addresses[beat]]
        if writes[beat]:
            contents[write_addresses[beat]] = values[beat]
    return found[reads]
