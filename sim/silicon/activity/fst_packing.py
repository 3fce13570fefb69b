"""Numbers and compression of FST files."""

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["lz4", "signed", "unpack", "varint", "varints"]

_EXPANSION = 300  # LZ4 and FastLZ make at most 255 and 86 bytes of one
_FASTLZ_FAR = 8191


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Number of seven bits a byte (LEB128, unsigned) at a position, and the position behind it.

    Raises:
        IndexError: If the data end within it.
    """
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def signed(data: bytes, at: int) -> tuple[int, int]:
    """The same, signed."""
    value, end = varint(data, at)
    bits = 7 * (end - at)
    return (value - (1 << bits) if data[end - 1] & 0x40 else value), end


def varints(data: NDArray[np.uint8], at: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Unsigned numbers that begin at positions; without positions, all of a run of them."""
    if at is None:
        ends = np.flatnonzero(data < 0x80)
        at = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    value = np.zeros(len(at), dtype=np.int64)
    more = np.arange(len(at))
    shift = 0
    while len(more):
        byte = data[at[more] + shift // 7].astype(np.int64)
        value[more] |= (byte & 0x7F) << shift
        more = more[byte >= 0x80]
        shift += 7
    return value


def unpack(kind: bytes, data: bytes, size: int) -> bytes:
    """Decompress the changes of a signal.

    Args:
        kind: Pack type of the block: ``4`` LZ4, ``F`` FastLZ, else zlib.
        data: Compressed.
        size: Bytes that must come out.

    Raises:
        ValueError: If something else comes out.
    """
    if kind == b"4":
        return lz4(data, size)
    if size > _EXPANSION * len(data) and kind == b"F":
        raise ValueError("a size that cannot be")
    found = _fastlz(data) if kind == b"F" else zlib.decompress(data)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes where {size} should be")
    return found


def lz4(data: bytes, size: int) -> bytes:
    """Decompress an LZ4 block of known size.

    Raises:
        ValueError: If it is damaged.
    """
    from lz4.block import LZ4BlockError, decompress

    if size > _EXPANSION * (len(data) + 1):
        raise ValueError("a size that cannot be")
    try:
        found: bytes = decompress(data, uncompressed_size=size)
    except LZ4BlockError as error:
        raise ValueError(str(error)) from error
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes where {size} should be")
    return found


def _fastlz(data: bytes) -> bytes:
    """FastLZ, levels 1 and 2 (block format of the FastLZ documentation)."""
    out = bytearray()
    level = (data[0] >> 5) + 1
    at = 0
    while at < len(data):
        control = data[at] & 0x1F if at == 0 else data[at]
        at += 1
        if control < 32:  # literals
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = (control >> 5) + 2
        distance = (control & 0x1F) << 8
        if length == 9:
            while True:
                more = data[at]
                at += 1
                length += more
                if level == 1 or more != 255:
                    break
        distance += data[at]
        at += 1
        if level == 2 and distance == _FASTLZ_FAR:
            distance += data[at] << 8 | data[at + 1]
            at += 2
        start = len(out) - distance - 1
        if start < 0:
            raise ValueError("a match before the beginning")
        for index in range(start, start + length):  # may overlap what it makes
            out.append(out[index])
    return bytes(out)
