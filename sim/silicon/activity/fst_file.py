"""FST files: where their blocks are, what the small ones say, and how they are compressed.

The format is that of GTKWave's ``fstapi`` (its ``block_format.txt``): type, length and content of
each block, numbers big-endian, the hierarchy at the end of the file.
"""

import gzip
import io
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHANGES",
    "FstBlocks",
    "Header",
    "Variable",
    "blackouts",
    "geometry",
    "hierarchy",
    "inflated",
    "lz4",
    "signed",
    "unpack",
    "varint",
    "varints",
    "walk",
]

CHANGES = {1, 5, 8}  # types of blocks with value changes: plain, with aliases in two ways
_HEADER, _BLACKOUT, _GEOMETRY, _WRAPPER = 0, 2, 3, 254
_HIERARCHIES = {4: "gzip", 6: "lz4", 7: "lz4 twice"}
_LENGTHS = struct.Struct(">BQ")
_HEADER_BYTES = 321
_ATTRIBUTE, _ATTRIBUTE_END, _SCOPE, _UPSCOPE = 252, 253, 254, 255
_VARIABLES = 30  # tags below are types of variables
_PORT = 18  # of an extended VCD: its length is told in another way
_NO_BITS = {0, 3, 4, 20, 21, 29}  # events, reals, strings
_MOST_UNPACKED = 1 << 36  # bytes of a file that is compressed as a whole
_DEFLATE_EXPANSION = 1100  # zlib makes at most 1,032 bytes of one
_EXPANSION = 300  # LZ4 and FastLZ make at most 255 and 86 bytes of one
_FASTLZ_FAR = 8191


@dataclass(frozen=True, kw_only=True)
class Header:
    """The time span of a recording, in ticks."""

    start: int
    end: int
    tick_s: float
    change_blocks: int  # blocks of value changes that the file should have


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One declaration. ``handle`` counts from 1; several variables may share one."""

    scope: tuple[str, ...]
    name: str
    width: int
    handle: int
    bits: bool  # false: an event, a real number or a string


@dataclass(frozen=True, kw_only=True)
class FstBlocks:
    """Index of a file's blocks: position and length of each in bytes, by type, in file order."""

    file: IO[bytes]
    blocks: dict[int, list[tuple[int, int]]]

    def read(self, kind: int) -> bytes | None:
        """Return the content of the last block of a type, or None without one."""
        found = self.blocks.get(kind)
        return self.content(*found[-1]) if found else None

    def content(self, position: int, length: int) -> bytes:
        """Return the content of a block."""
        self.file.seek(position)
        return self.file.read(length)

    def header(self) -> Header:
        """Return what the header says.

        Raises:
            ValueError: If it is missing, cut, or cannot be.
        """
        data = self.read(_HEADER) or b""
        if len(data) < _HEADER_BYTES:
            raise ValueError("it has no header")
        start, end = struct.unpack_from(">QQ", data)
        (blocks,) = struct.unpack_from(">Q", data, 56)
        (exponent,) = struct.unpack_from("b", data, 64)
        if not -21 <= exponent <= 2:
            raise ValueError(f"a time unit of 1e{exponent} s")
        if start > end or end >= 1 << 62:
            raise ValueError(f"a recording from {start} to {end}")
        return Header(start=start, end=end, tick_s=10.0**exponent, change_blocks=blocks)


@contextmanager
def walk(file: io.BufferedReader) -> Iterator[FstBlocks]:
    """Find the blocks of a file. One that is compressed as a whole is unpacked first.

    Raises:
        ValueError: If a block reaches beyond the end of the file.
    """
    kind, _ = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
    if kind != _WRAPPER:
        yield _walk(file)
        return
    _exactly(file, 8)
    with tempfile.TemporaryFile() as whole:
        with gzip.GzipFile(fileobj=file) as packed:
            while data := packed.read(1 << 20):
                whole.write(data)
                if whole.tell() > _MOST_UNPACKED:
                    raise ValueError(f"more than {_MOST_UNPACKED:,} bytes unpacked")
        yield _walk(whole)


def _walk(file: IO[bytes]) -> FstBlocks:
    size = file.seek(0, io.SEEK_END)
    blocks: dict[int, list[tuple[int, int]]] = {}
    position = 0
    while position < size:
        file.seek(position)
        kind, length = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
        if length < 8 or position + 1 + length > size:
            raise ValueError("a block reaches beyond its end")
        blocks.setdefault(kind, []).append((position + _LENGTHS.size, length - 8))
        position += 1 + length
    return FstBlocks(file=file, blocks=blocks)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it ends within a block")
    return data


def geometry(found: FstBlocks) -> NDArray[np.int64]:
    """Return the width of each signal by handle less 1.

    Returns:
        Bits; 0 for a string, -1 for a real number.

    Raises:
        ValueError: If the block is missing or damaged.
    """
    data = found.read(_GEOMETRY)
    if data is None:
        raise ValueError("it has no geometry: was the simulation ended before its end?")
    size, count = struct.unpack_from(">QQ", data)
    raw = data[16:]
    if len(raw) != size:
        raw = inflated(raw, size)
    width = varints(np.frombuffer(raw, dtype=np.uint8))
    if len(raw) != size or len(width) != count:
        raise ValueError("its geometry has another size than it says")
    return np.where(width == 0, -1, np.where(width == 0xFFFFFFFF, 0, width))


def hierarchy(found: FstBlocks) -> Iterator[Variable | tuple[str, ...]]:
    """Yield scopes, as tuples of names, and variables in file order.

    Raises:
        ValueError: If the block is missing or damaged.
        IndexError: If it is cut.
    """
    kind = next((kind for kind in _HIERARCHIES if kind in found.blocks), None)
    if kind is None:
        raise ValueError("it has no hierarchy: was the simulation ended before its end?")
    packed = found.read(kind) or b""
    (size,) = struct.unpack_from(">Q", packed)
    packed = packed[8:]
    if kind == 4:
        data = inflated(packed, size, wbits=47)  # gzip or zlib
    elif kind == 6:
        data = lz4(packed, size)
    else:
        middle, at = varint(packed, 0)
        data = lz4(lz4(packed[at:], middle), size)
    if len(data) != size:
        raise ValueError("its hierarchy has another size than it says")
    return _declarations(data)


def _declarations(data: bytes) -> Iterator[Variable | tuple[str, ...]]:
    scope: tuple[str, ...] = ()
    handles = at = 0
    while at < len(data):
        tag = data[at]
        at += 1
        if tag == _SCOPE:
            name, at = _text(data, at + 1)
            _, at = _text(data, at)
            scope = (*scope, name.removeprefix("\\"))
            yield scope
        elif tag == _UPSCOPE:
            if not scope:
                raise ValueError("a scope ends that none began")
            scope = scope[:-1]
        elif tag == _ATTRIBUTE:
            _, at = _text(data, at + 2)
            _, at = varint(data, at)
        elif tag < _VARIABLES:
            name, at = _text(data, at + 1)
            width, at = varint(data, at)
            alias, at = varint(data, at)
            if not alias:
                handles += 1
            yield Variable(
                scope=scope,
                name=name,
                width=(width - 2) // 3 if tag == _PORT else width,
                handle=alias or handles,
                bits=tag not in _NO_BITS,
            )
        elif tag != _ATTRIBUTE_END:
            raise ValueError(f"unknown entry {tag} in its hierarchy")


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode("latin-1"), end + 1


def blackouts(found: FstBlocks) -> list[tuple[bool, int]]:
    """Return when recording goes on (true: ``$dumpon``) or off, in ticks, in file order."""
    data = found.read(_BLACKOUT)
    if data is None:
        return []
    count, at = varint(data, 0)
    time = 0
    result = []
    for _ in range(count):
        active = data[at] != 0
        step, at = varint(data, at + 1)
        time += step
        result.append((active, time))
    return result


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits per byte (LEB128, unsigned).

    Returns:
        The number at the position, and the position behind it.

    Raises:
        IndexError: If the data end within it.
        ValueError: If it has more than 64 bits.
    """
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def signed(data: bytes, at: int) -> tuple[int, int]:
    """Read a signed number as :func:`varint` reads one without sign."""
    value, end = varint(data, at)
    bits = 7 * (end - at)
    return (value - (1 << bits) if data[end - 1] & 0x40 else value), end


def varints(data: NDArray[np.uint8], at: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Read the unsigned numbers that begin at positions, or, without them, all of a run.

    Raises:
        IndexError: If the data end within one.
        ValueError: If one has more than 63 bits.
    """
    if at is None:
        ends = np.flatnonzero(data < 0x80)
        at = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    value = np.zeros(len(at), dtype=np.int64)
    more = np.arange(len(at))
    shift = 0
    while len(more):
        if shift > 56:
            raise ValueError("a number of more than 63 bits")
        byte = data[at[more] + shift // 7].astype(np.int64)
        value[more] |= (byte & 0x7F) << shift
        more = more[byte >= 0x80]
        shift += 7
    return value


def unpack(kind: bytes, data: bytes, size: int) -> bytes:
    """Decompress the changes of a signal.

    Args:
        kind: Pack type of the block: ``4`` for LZ4, ``F`` for FastLZ, else zlib.
        data: The compressed data.
        size: Number of bytes that must come out.

    Raises:
        ValueError: If something else comes out.
    """
    if kind == b"4":
        return lz4(data, size)
    if kind != b"F":
        return inflated(data, size)
    if size > _EXPANSION * len(data):
        raise ValueError("a size that cannot be")
    found = _fastlz(data)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes where {size} should be")
    return found


def inflated(data: bytes, size: int, wbits: int = 15) -> bytes:
    """Decompress zlib data of known size.

    Raises:
        ValueError: If something else comes out.
        zlib.error: If the data are damaged.
    """
    if size > _DEFLATE_EXPANSION * (len(data) + 1):
        raise ValueError("a size that cannot be")
    found = zlib.decompressobj(wbits).decompress(data, size + 1)
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
    """Decompress FastLZ data of level 1 or 2 (block format of the FastLZ documentation)."""
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
