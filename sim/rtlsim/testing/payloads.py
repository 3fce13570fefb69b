"""Pack the payload of one beat from fields by name, and take it apart again.

A testbench handles one beat at a time, as Python integers; :meth:`Layout.pack
<consilico.sim.units.layout.Layout.pack>` does the same for arrays of beats.
"""

import struct
from collections.abc import Mapping, Sequence

from consilico.sim.units.layout import Field, Layout

__all__ = ["Value", "bits_of", "from_bf16", "pack", "to_bf16", "unpack"]

Value = int | Sequence[int]  # of a field; one number for every lane, or one for each


def pack(layout: Layout, values: Mapping[str, Value]) -> int:
    """Return the payload that holds these values.

    Args:
        layout: The fields of the payload.
        values: A number for each field by name. A field that every lane has takes a sequence with
            one number per lane, or one number for all lanes. bf16 fields take bit patterns, see
            :func:`to_bf16`.

    Raises:
        ValueError: If a field is missing or unknown, a sequence has another length than there are
            lanes, or a number does not fit; the message names the field and what is accepted.
    """
    known = layout.by_name
    if unknown := values.keys() - known.keys():
        raise ValueError(f"no field {min(unknown)!r}; there are: {', '.join(known)}")
    if missing := known.keys() - values.keys():
        raise ValueError(f"field {min(missing)!r} is missing; there are: {', '.join(known)}")
    payload = 0
    for name, fields in known.items():
        value = values[name]
        numbers = [value] * len(fields) if isinstance(value, int) else list(value)
        if len(numbers) != len(fields):
            raise ValueError(f"{name} needs {len(fields)} numbers, one per lane: {numbers}")
        for item, number in zip(fields, numbers, strict=True):
            payload |= bits_of(item, number) << item.offset
    return payload


def bits_of(item: Field, number: int) -> int:
    """Return the bits of a number in its field, not yet shifted to its place.

    Raises:
        ValueError: If it does not fit; the message names the field and what is accepted.
    """
    low = -(1 << item.width - 1) if item.signed else 0
    high = low + (1 << item.width) - 1
    if not low <= number <= high:
        raise ValueError(f"{item.label} must be within {low} and {high}, not {number}")
    return number & ((1 << item.width) - 1)


def unpack(layout: Layout, payload: int) -> dict[str, int | list[int]]:
    """Return the numbers in a payload by name; a list, by lane, of a field that every lane has."""
    return {
        name: _number(fields[0], payload)
        if fields[0].lane is None
        else [_number(item, payload) for item in fields]
        for name, fields in layout.by_name.items()
    }


def _number(item: Field, payload: int) -> int:
    bits = payload >> item.offset & ((1 << item.width) - 1)
    return bits - (1 << item.width) if item.signed and bits >> item.width - 1 else bits


def to_bf16(value: float) -> int:
    """Return the bit pattern of the bf16 number nearest to a value, ties to even.

    The value is rounded to single precision first, as from any other float32.
    """
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if value != value:  # NaN must not become an infinity
        return int(bits >> 16 | 0x40)
    return int(bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def from_bf16(bits: int) -> float:
    """Return the value of a bf16 bit pattern."""
    (value,) = struct.unpack("<f", struct.pack("<I", bits << 16))
    return float(value)
