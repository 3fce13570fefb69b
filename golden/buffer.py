"""Specify ``buffer``: a small memory of words with one write port and one read port."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config, choice, integer

__all__ = ["BufferConfig", "buffer_reads"]


@dataclass(frozen=True, kw_only=True)
class BufferConfig(Config):
    """Parameters of a buffer that is built from flip-flops or latches."""

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
    """Return the words that a sequence of requests reads from a buffer.

    A request (one beat) may write one word and read another. A read returns what earlier beats
    wrote; all words are 0 before the first beat.

    Args:
        words: Number of words in the buffer.
        writes: Whether each beat writes, shape ``(beats,)``.
        write_addresses: Address that each beat writes, shape ``(beats,)``.
        values: Value that each beat writes, as bytes with the lowest first, shape ``(beats,
            bytes)``.
        reads: Whether each beat reads, shape ``(beats,)``.
        read_addresses: Address that each beat reads, shape ``(beats,)``.

    Returns:
        The words read, in order, shape ``(number of reading beats, bytes)``.

    Raises:
        ValueError: If a beat reads the word that it writes: the hardware leaves that result
            undefined.
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
