"""Say which bits of a payload are which number of which lane, and convert between the two."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.units.stimulus import Ports

if TYPE_CHECKING:
    from amaranth.lib.wiring import Component

__all__ = ["PLAIN", "Field", "Layout", "Layouts", "Values", "silence", "stream_layouts"]

PLAIN = "payload"  # name of the only field of a payload that is a plain number

Values = Mapping[str, NDArray[Any]]  # by field name; shape (items,), or (items, lanes) of an array


@dataclass(frozen=True, kw_only=True)
class Field:
    """One number in a payload."""

    name: str  # "code"; in a structure within a structure "scale.shift"
    lane: int | None = None  # its index where the payload has an array of it
    offset: int  # lowest bit
    width: int  # bits
    signed: bool = False
    format: Literal["integer", "bf16"] = "integer"

    @property
    def label(self) -> str:
        """Return the field's name for people, such as ``lane3/code``."""
        return self.name if self.lane is None else f"lane{self.lane}/{self.name}"

    def ulp(self, got: NDArray[np.int64], expected: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return by how many units in the last place values differ: ``got - expected``.

        bf16 numbers are compared by their place in the order of all bit patterns, in which both
        zeros are one number; integers are subtracted.

        Args:
            got: Values of the field, as :meth:`Layout.unpack` returns them, any shape.
            expected: Likewise, the same shape.
        """
        if self.format == "bf16":
            got, expected = _ordered(got), _ordered(expected)
        return np.subtract(got, expected, dtype=np.int64)


def _ordered(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    magnitude = bits & 0x7FFF
    return np.where(bits >> 15 & 1 == 1, -magnitude, magnitude)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The fields of one stream's payload, by rising offset.

    Rows of packed payloads are little-endian bytes: bit ``j`` of a payload is bit ``j % 8`` of byte
    ``j // 8``. A field may have at most 63 bits to be converted.
    """

    width: int  # bits
    fields: tuple[Field, ...]

    @classmethod
    def plain(cls, width: int, *, signed: bool = False) -> "Layout":
        """Return the layout of a payload that is one number, named :data:`PLAIN`."""
        return cls(
            width=width,
            fields=(Field(name=PLAIN, offset=0, width=width, signed=signed),) * (width > 0),
        )

    @cached_property
    def by_name(self) -> dict[str, tuple[Field, ...]]:
        """Return the fields of each name, by lane."""
        found: dict[str, list[Field]] = {}
        for item in self.fields:
            found.setdefault(item.name, []).append(item)
        return {name: tuple(items) for name, items in found.items()}

    def unpack(self, rows: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
        """Return the numbers in packed payloads.

        Args:
            rows: Shape ``(items, bytes)``; bytes beyond the payload are ignored.

        Returns:
            By name, signed where the field is: shape ``(items,)``, or ``(items, lanes)``.
        """
        return {name: _unpacked(rows, fields) for name, fields in self.by_name.items()}

    def pack(self, values: Values) -> NDArray[np.uint8]:
        """Return packed payloads; of a value too wide for its field the lowest bits are kept.

        Args:
            values: Integers or bools for every field, as :meth:`unpack` returns them.

        Returns:
            Shape ``(items, bytes)``.

        Raises:
            ValueError: If a field is missing or unknown, or a shape does not fit; the message names
                the field.
        """
        if different := set(values) ^ set(self.by_name):
            raise ValueError(f"fields are {', '.join(self.by_name)}; {min(different)!r} differs")
        items = max((len(part) for part in values.values()), default=0)
        rows = np.zeros((items, -(-self.width // 8)), dtype=np.uint8)
        for name, fields in self.by_name.items():
            part = np.asarray(values[name]).astype(np.int64, copy=False)
            wanted = (items,) if fields[0].lane is None else (items, len(fields))
            if part.shape != wanted:
                raise ValueError(f"{name} must have shape {wanted}, not {part.shape}")
            _put(rows, fields, part.reshape(items, len(fields)))
        return rows


def _aligned(fields: Sequence[Field]) -> bool:
    return all(item.offset % 8 == 0 == item.width % 8 for item in fields)


def _places(fields: Sequence[Field]) -> tuple[slice, NDArray[np.int64]]:
    """Return the bytes that hold fields of one width, and the place in them of each bit."""
    low, high = fields[0].offset // 8, -(-(fields[-1].offset + fields[-1].width) // 8)
    offsets = np.array([item.offset for item in fields]) - 8 * low
    return slice(low, high), offsets[:, None] + np.arange(fields[0].width)


def _unpacked(rows: NDArray[np.uint8], fields: Sequence[Field]) -> NDArray[np.int64]:
    width = fields[0].width
    if width > 63:
        raise ValueError(f"{fields[0].name} has {width} bits; a field may have at most 63")
    if _aligned(fields):
        first = np.array([item.offset // 8 for item in fields])
        octets = [rows[:, first + place] for place in range(width // 8)]
    else:
        span, places = _places(fields)
        bits = np.unpackbits(rows[:, span], axis=1, bitorder="little")
        packed = np.packbits(bits[:, places], axis=2, bitorder="little")
        octets = [packed[:, :, place] for place in range(packed.shape[2])]
    total = np.zeros((len(rows), len(fields)), dtype=np.int64)
    for place, octet in enumerate(octets):
        total |= octet.astype(np.int64) << 8 * place
    if fields[0].signed:
        half = np.int64(1) << (width - 1)
        total = (total ^ half) - half
    return total[:, 0] if fields[0].lane is None else total


def _put(rows: NDArray[np.uint8], fields: Sequence[Field], values: NDArray[np.int64]) -> None:
    width = fields[0].width
    if _aligned(fields):
        first = np.array([item.offset // 8 for item in fields])
        for place in range(width // 8):
            rows[:, first + place] = (values >> 8 * place & 255).astype(np.uint8)
        return
    span, places = _places(fields)
    part = rows[:, span]
    bits = np.zeros((len(rows), 8 * part.shape[1]), dtype=np.uint8)
    bits[:, places] = values[:, :, None] >> np.arange(width) & 1
    part |= np.packbits(bits, axis=1, bitorder="little")


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """Layouts of a unit's streams; ``cfg`` has no bits if there is no such stream."""

    i: Layout
    o: Layout
    cfg: Layout = Layout(width=0, fields=())

    @property
    def ports(self) -> Ports:
        """Return the widths of the payloads."""
        return Ports(i_width=self.i.width, o_width=self.o.width, cfg_width=self.cfg.width)


def stream_layouts(component: "Component", bf16: Collection[str] = ()) -> Layouts:
    """Return the layouts of a component's streams ``i``, ``o`` and, if it has one, ``cfg``.

    Args:
        component: Any component with streams of ``amaranth.lib.stream``.
        bf16: Fields that hold bf16 bit patterns, each with its stream, such as ``"o.data"``.

    Raises:
        UserError: If ``i`` or ``o`` is missing, or one of the three is no stream.
        ValueError: If a field named in ``bf16`` does not exist, or does not have 16 bits.
    """
    from amaranth import Shape
    from amaranth.lib import stream

    silence(component)
    found = {"cfg": Layout(width=0, fields=())}
    members = component.signature.members
    for name in ("i", "o", "cfg"):
        if name in members:
            member = members[name]
            if not member.is_signature or not isinstance(member.signature, stream.Signature):
                raise UserError(f"{type(component).__name__}.{name} is no stream")
            shape = member.signature.members["payload"].shape
            fields = tuple(_fields(shape, "", None, 0))
            found[name] = Layout(width=Shape.cast(shape).width, fields=fields)
        elif name not in found:
            raise UserError(f"{type(component).__name__} has no stream {name!r}")
    for place in bf16:
        name, _, of = place.partition(".")
        if any(item.width != 16 for item in found[name].by_name.get(of, ())) or (
            of not in found[name].by_name
        ):
            raise ValueError(f"{place} is not a field of 16 bits")
        found[name] = replace(
            found[name],
            fields=tuple(
                replace(item, format="bf16") if item.name == of else item
                for item in found[name].fields
            ),
        )
    return Layouts(**found)


def _fields(shape: Any, name: str, lane: int | None, low: int) -> Iterator[Field]:
    """Yield the numbers in a payload of some shape, an array's with their index."""
    from amaranth import Shape
    from amaranth.lib import data

    if isinstance(shape, data.ArrayLayout):
        for index, (_, item) in enumerate(shape):
            number = index if lane is None else lane * shape.length + index
            yield from _fields(item.shape, name, number, low + item.offset)
    elif isinstance(shape, data.Layout):
        for key, item in shape:
            inner = f"{name}.{key}" if name else str(key)
            yield from _fields(item.shape, inner, lane, low + item.offset)
    elif cast := Shape.cast(shape).width:
        yield Field(
            name=name or PLAIN, lane=lane, offset=low, width=cast, signed=Shape.cast(shape).signed
        )


def silence(component: "Component") -> None:
    """Keep Amaranth from warning that a component and its parts are never elaborated.

    Only the ports or the type of such a component are looked at.
    """
    component._MustUse__silence = True
    inside = [*vars(component).values(), *getattr(component, "parts", {}).values()]
    for item in inside:
        if hasattr(item, "elaborate"):
            silence(item)
