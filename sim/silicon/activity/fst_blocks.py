"""Blocks of an FST file: where they are, and what the small ones say.

The format is that of GTKWave's ``fstapi`` (its ``block_format.txt``): type, length and content of
each block, numbers big-endian, the hierarchy at the end of the file.
"""

import gzip
import io
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from consilico.sim.silicon.activity.fst_packing import lz4, varint, varints

__all__ = ["CHANGES", "Header", "Variable", "Walk", "blackouts", "geometry", "hierarchy", "walk"]

CHANGES = {1, 5, 8}  # types of blocks with value changes: plain, with aliases in two ways
_HEADER, _BLACKOUT, _GEOMETRY, _WRAPPER = 0, 2, 3, 254
_HIERARCHIES = {4: "gzip", 6: "lz4", 7: "lz4 twice"}
_LENGTHS = struct.Struct(">BQ")
_HEADER_BYTES = 321
_ATTRIBUTE, _ATTRIBUTE_END, _SCOPE, _UPSCOPE = 252, 253, 254, 255
_VARIABLES = 30  # tags below are types of variables
_PORT = 18  # of an extended VCD: its length is told in another way
_NO_BITS = {0, 3, 4, 20, 21, 29}  # events, reals, strings


@dataclass(frozen=True, kw_only=True)
class Header:
    """Times in ticks, and what a tick is."""

    start: int
    end: int
    tick_s: float


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One declaration; ``handle`` counts from 1, several variables may share one."""

    scope: tuple[str, ...]
    name: str
    width: int
    handle: int
    bits: bool  # false: an event, a real number or a string


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Position and length of the content of each block, by type, in file order."""

    file: IO[bytes]
    blocks: dict[int, list[tuple[int, int]]]

    def read(self, kind: int) -> bytes | None:
        """Content of the last block of a type."""
        found = self.blocks.get(kind)
        return self.content(*found[-1]) if found else None

    def content(self, position: int, length: int) -> bytes:
        """Content of a block."""
        self.file.seek(position)
        return self.file.read(length)

    def header(self) -> Header:
        """The header.

        Raises:
            ValueError: If it is missing or cut.
        """
        data = self.read(_HEADER) or b""
        if len(data) < _HEADER_BYTES:
            raise ValueError("it has no header")
        start, end = struct.unpack_from(">QQ", data)
        (exponent,) = struct.unpack_from("b", data, 64)
        return Header(start=start, end=end, tick_s=10.0**exponent)


@contextmanager
def walk(file: io.BufferedReader) -> Iterator[Walk]:
    """Find the blocks of a file; one that is compressed as a whole is unpacked into a temporary.

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
            shutil.copyfileobj(packed, whole)
        yield _walk(whole)


def _walk(file: IO[bytes]) -> Walk:
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
    return Walk(file=file, blocks=blocks)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it ends within a block")
    return data


def geometry(found: Walk) -> NDArray[np.int64]:
    """Width of each signal by handle less 1: bits, 0 of a string, -1 of a real number.

    Raises:
        ValueError: If the block is missing or damaged.
    """
    data = found.read(_GEOMETRY)
    if data is None:
        raise ValueError("it has no geometry: was the simulation ended before its end?")
    size, count = struct.unpack_from(">QQ", data)
    raw = data[16:]
    if len(raw) != size:
        raw = zlib.decompress(raw)
    width = varints(np.frombuffer(raw, dtype=np.uint8))
    if len(raw) != size or len(width) != count:
        raise ValueError("its geometry has another size than it says")
    return np.where(width == 0, -1, np.where(width == 0xFFFFFFFF, 0, width))


def hierarchy(found: Walk) -> Iterator[Variable | tuple[str, ...]]:
    """Scopes, as tuples, and variables in file order.

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
        data = zlib.decompress(packed, wbits=47)  # gzip or zlib
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


def blackouts(found: Walk) -> list[tuple[bool, int]]:
    """Whether recording goes on (``$dumpon``) or off, and when, in ticks."""
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
