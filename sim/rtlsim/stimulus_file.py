"""Stimulus files: a script as JSON, payloads by lane and field name, to be read and edited."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.rtlsim.script import Consumer, Script, Way
from consilico.sim.units.layout import Layout, Layouts
from consilico.sim.units.stimulus import Kind

__all__ = ["read_script", "script_json"]

_SCHEMA = "stimulus/1"
_NAMES = {Kind.DATA: "data", Kind.CONFIG: "config", Kind.RESET: "reset"}
_LIMIT_BYTES = 256 << 20


def script_json(script: Script, layouts: Layouts, unit: str, config: Config, shows: str) -> str:
    """Return a script as the text of a stimulus file.

    Args:
        script: What to drive.
        layouts: Layouts of the unit's streams.
        unit: Name of the unit.
        config: Its configuration.
        shows: What goes wrong with it, for people.
    """
    return json.dumps(
        {
            "schema": _SCHEMA,
            "shows": shows,
            "unit": unit,
            "config": config.to_json(),
            "scramble": script.scramble,
            "consumer": [
                {"way": Way(way).name.lower(), "delay": delay}
                for way, delay in zip(
                    script.consumer.ways.tolist(), script.consumer.delays.tolist(), strict=True
                )
            ],
            "consumer_loop": script.consumer.loop,
            "items": [_item(script, index, layouts) for index in range(len(script))],
        },
        indent=1,
    )


def _item(script: Script, index: int, layouts: Layouts) -> dict[str, Any]:
    kind = Kind(int(script.kind[index]))
    found: dict[str, Any] = {"kind": _NAMES[kind]}
    for name in ("gap", "data_lead", "config_lead"):
        if value := int(getattr(script, name)[index]):
            found[name] = value
    if kind == Kind.RESET:
        found["length"] = int(script.length[index])
    if script.pressed[index]:
        found["pressed"] = True
    if kind == Kind.RESET:
        return found
    payload = int.from_bytes(script.bits[index].tobytes(), "little")
    layout = layouts.i if kind == Kind.DATA else layouts.cfg
    return found | {"fields": _fields(payload, layout)}


def _fields(payload: int, layout: Layout) -> dict[str, int]:
    found = {}
    for field in layout.fields:
        value = payload >> field.offset & ((1 << field.width) - 1)
        if field.signed and value >> (field.width - 1):
            value -= 1 << field.width
        found[field.label] = value
    return found


def read_script(path: Path, layouts: Layouts, unit: str, config: Config) -> Script:
    """Read a stimulus file.

    Args:
        path: The file.
        layouts: Layouts of the unit's streams.
        unit: Name of the unit that it is replayed on.
        config: Its configuration.

    Raises:
        UserError: If it cannot be read, is no stimulus file, or one for another unit or
            configuration.
    """
    try:
        value = json.loads(read_input_text(path, "stimulus file", limit_bytes=_LIMIT_BYTES))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no stimulus file: {error}") from error
    if not isinstance(value, dict) or value.get("schema") != _SCHEMA:
        raise UserError(f"{path} is no stimulus file: its schema is not {_SCHEMA!r}")
    if value.get("unit") != unit:
        raise UserError(f"{path}: unit is {value.get('unit')!r}, not {unit!r}")
    if value.get("config") != config.to_json():
        raise UserError(
            f"{path}: config is {json.dumps(value.get('config'))}, "
            f"not {json.dumps(config.to_json())}: give the same --set"
        )
    try:
        return _script(value, layouts)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise UserError(f"{path} is no stimulus file: {error!r}") from error


def _script(value: dict[str, Any], layouts: Layouts) -> Script:
    kinds = {name: kind for kind, name in _NAMES.items()}
    items = value["items"]
    width = (max(layouts.i.width, layouts.cfg.width) + 7) // 8
    bits = np.zeros((len(items), width), dtype=np.uint8)
    for index, item in enumerate(items):
        if item["kind"] != "reset":
            layout = layouts.i if item["kind"] == "data" else layouts.cfg
            payload = _payload(item["fields"], layout, index)
            bits[index] = np.frombuffer(payload.to_bytes(width, "little"), dtype=np.uint8)
    consumer = value["consumer"]
    return Script(
        kind=np.array([kinds[item["kind"]] for item in items], dtype=np.uint8),
        bits=bits,
        data_lead=np.array([item.get("data_lead", 0) for item in items], dtype=np.int64),
        config_lead=np.array([item.get("config_lead", 0) for item in items], dtype=np.int64),
        gap=np.array([item.get("gap", 0) for item in items], dtype=np.uint16),
        length=np.array([item.get("length", 1) for item in items], dtype=np.uint8),
        pressed=np.array([item.get("pressed", False) for item in items], dtype=np.bool_),
        consumer=Consumer(
            ways=np.array([Way[entry["way"].upper()] for entry in consumer], dtype=np.uint8),
            delays=np.array([entry["delay"] for entry in consumer], dtype=np.uint16),
            loop=int(value["consumer_loop"]),
        ),
        scramble=bool(value["scramble"]),
    )


def _payload(fields: dict[str, int], layout: Layout, index: int) -> int:
    known = {field.label: field for field in layout.fields}
    if different := set(fields) ^ set(known):
        raise ValueError(f"item {index}: fields are {', '.join(known)}; {min(different)} differs")
    payload = 0
    for label, number in fields.items():
        field = known[label]
        low = -(1 << (field.width - 1)) if field.signed else 0
        if not low <= number < low + (1 << field.width):
            high = low + (1 << field.width) - 1
            raise ValueError(f"item {index}: {label} is {number}; accepted: {low} to {high}")
        payload |= (number & ((1 << field.width) - 1)) << field.offset
    return payload
