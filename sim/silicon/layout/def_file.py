"""DEF: where cells and ports lie, written for other tools and read from them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.silicon.layout.lef import RoutingLayer
from consilico.sim.silicon.layout.placement import Core, PlaceableDesign, Placement
from consilico.sim.silicon.netlist.write import PlainNames

__all__ = ["read_def", "write_def"]

_MOST_BYTES = 1 << 30
_PER_UM = 1000  # database units
_ROW = re.compile(
    r"^\s*ROW\s+\S+\s+\S+\s+(-?\d+)\s+(-?\d+)\s+\w+\s+DO\s+(\d+)\s+BY\s+1\s+STEP\s+(\d+)", re.M
)
_ORIENTATIONS = {  # mirrored at a horizontal axis (odd rows), at a vertical one
    (False, False): "N",
    (False, True): "FN",
    (True, False): "FS",
    (True, True): "S",
}


def write_def(
    placement: Placement, names: PlainNames, site: str, layers: Sequence[RoutingLayer] = ()
) -> str:
    """Return a placement as DEF 5.8.

    Args:
        placement: Legal.
        names: Of nets and instances, as in the netlist that the DEF goes with.
        site: Name of the rows' site in the technology's LEF.
        layers: Routing layers, the lowest first. With them tracks are written, and ports are pins
            above the lowest layer, where tracks cross.
    """
    return "".join(f"{line}\n" for line in _lines(placement, names, site, layers))


def _lines(
    placement: Placement, names: PlainNames, site: str, layers: Sequence[RoutingLayer]
) -> Iterator[str]:
    design, core = placement.design, placement.core

    def units(um: float) -> int:
        return round(um * _PER_UM)

    yield 'VERSION 5.8 ;\nDIVIDERCHAR "/" ;\nBUSBITCHARS "[]" ;'
    yield f"DESIGN {design.netlist.top} ;\nUNITS DISTANCE MICRONS {_PER_UM} ;"
    yield f"DIEAREA ( 0 0 ) ( {units(core.width_um)} {units(core.height_um)} ) ;"
    sites = round(core.width_um / core.site_um)
    for row in range(core.rows):
        yield (
            f"ROW row_{row} {site} 0 {units(row * core.row_um)} {'FS' if row % 2 else 'N'}"
            f" DO {sites} BY 1 STEP {units(core.site_um)} 0 ;"
        )
    for layer in layers:
        length = core.height_um if layer.horizontal else core.width_um
        count = int((length - layer.offset_um) / layer.pitch_um) + 1
        yield (
            f"TRACKS {'Y' if layer.horizontal else 'X'} {units(layer.offset_um)} DO {count}"
            f" STEP {units(layer.pitch_um)} LAYER {layer.name} ;"
        )
    yield f"COMPONENTS {design.cells} ;"
    for index, instance in enumerate(design.netlist.instances):
        x, y = float(placement.x_um[index]), float(placement.y_um[index])
        odd = round(y / core.row_um) % 2 == 1
        orientation = _ORIENTATIONS[odd, bool(placement.flipped[index])]
        at = f"( {units(x)} {units(y)} ) {orientation}"
        yield f"- {names.instance[index]} {instance.cell} + PLACED {at} ;"
    yield "END COMPONENTS"
    yield f"PINS {len(design.ports)} ;"
    for port, (x, y) in zip(design.ports, placement.port_xy_um.tolist(), strict=True):
        shape, (across, up) = _port(x, y, core, layers)
        yield (
            f"- {port.name} + NET {names.of(port.net)} + DIRECTION {port.direction.upper()}"
            f" + USE SIGNAL{shape} + PLACED ( {units(across)} {units(up)} ) N ;"
        )
    yield "END PINS"
    yield f"NETS {len(design.nets)} ;"
    for number, net in enumerate(design.nets.tolist()):
        pins = range(int(design.starts[number]), int(design.starts[number + 1]))
        yield f"- {names.of(net)}"  # on a line of its own: qrouter reads no other
        yield f"  {' '.join(_pin(design, names, pin) for pin in pins)} + USE SIGNAL ;"
    yield "END NETS\nEND DESIGN"


def _port(
    x: float, y: float, core: Core, layers: Sequence[RoutingLayer]
) -> tuple[str, tuple[float, float]]:
    """Return the shape of a port's pin and where it lies: where tracks cross, if there are any."""
    across, along = (
        next((each for each in layers[1:] if each.horizontal == way), None) for way in (False, True)
    )
    if across is None or along is None:
        return "", (x, y)
    at_side = min(x, core.width_um - x) < min(y, core.height_um - y)
    layer = along if at_side else across
    half = round(layer.width_um / 2 * _PER_UM)
    shape = f" + LAYER {layer.name} ( {-half} {-half} ) ( {half} {half} )"
    return shape, (_on_track(x, core.width_um, across), _on_track(y, core.height_um, along))


def _on_track(place: float, end: float, layer: RoutingLayer) -> float:
    most = int((end - layer.offset_um) / layer.pitch_um)
    steps = min(max(0, round((place - layer.offset_um) / layer.pitch_um)), most)
    return layer.offset_um + steps * layer.pitch_um


def _pin(design: PlaceableDesign, names: PlainNames, pin: int) -> str:
    at = int(design.pin_object[pin])
    if at < design.cells:
        return f"( {names.instance[at]} {design.pin_name[pin]} )"
    return f"( PIN {design.ports[at - design.cells].name} )"


def read_def(path: Path, design: PlaceableDesign, names: PlainNames) -> Placement:
    """Return where a DEF file puts the cells and ports of a design.

    Cells that the design has not, such as fillers, are passed over. Places count from the lower
    left corner of the rows, or of the die where the file has no rows.

    Args:
        path: DEF file, plain or gzipped.
        design: What is placed.
        names: Of its instances, as :func:`write_def` writes them; the netlist's own names are
            found, too.

    Raises:
        UserError: If the file cannot be read or is no DEF, or does not say where a cell or a port
            of the design lies.
    """
    text = read_input_text(path, "DEF file", limit_bytes=_MOST_BYTES)
    per_um = re.search(r"^\s*UNITS\s+DISTANCE\s+MICRONS\s+(\d+)", text, re.M)
    die = re.search(
        r"^\s*DIEAREA\s+\(\s*(-?\d+)\s+(-?\d+)\s*\)\s*\(\s*(-?\d+)\s+(-?\d+)\s*\)", text, re.M
    )
    if per_um is None or die is None or not int(per_um[1]):
        raise UserError(f"{path} is no DEF file: it has no UNITS DISTANCE MICRONS, or no DIEAREA")
    unit = 1 / int(per_um[1])
    left, low, right, high = (int(value) * unit for value in die.groups())
    if rows := [[int(value) * unit for value in row] for row in _ROW.findall(text)]:
        left, low = min(row[0] for row in rows), min(row[1] for row in rows)
        right = max(x + count * step / unit for x, _, count, step in rows)
        high = max(row[1] for row in rows) + design.row_um
    components = _placed(text, "COMPONENTS")
    pins = _placed(text, "PINS")
    x, y = np.zeros(design.cells), np.zeros(design.cells)
    flipped = np.zeros(design.cells, dtype=np.bool_)
    for index, instance in enumerate(design.netlist.instances):
        found = components.get(names.instance[index]) or components.get(instance.name)
        if found is None:
            raise UserError(f"{path} does not place the cell {names.instance[index]}")
        x[index], y[index] = found[0] * unit - left, found[1] * unit - low
        flipped[index] = found[2] in ("FN", "S")
    ports = np.zeros((len(design.ports), 2))
    for index, port in enumerate(design.ports):
        found = pins.get(port.name)
        if found is None:
            raise UserError(f"{path} does not place the port {port.name}")
        ports[index] = found[0] * unit - left, found[1] * unit - low
    return Placement(
        design=design,
        core=Core(
            width_um=right - left,
            rows=max(1, round((high - low) / design.row_um)),
            row_um=design.row_um,
            site_um=design.site_um,
        ),
        x_um=x,
        y_um=y,
        flipped=flipped,
        port_xy_um=ports,
    )


def _placed(text: str, section: str) -> dict[str, tuple[int, int, str]]:
    """Return x, y and orientation of all that a section places, by name without escapes."""
    body = re.search(rf"^\s*{section}\s+\d+\s*;(.*?)^\s*END\s+{section}", text, re.M | re.S)
    statement = re.compile(
        r"^\s*-\s+(\S+)\s[^;]*?\+\s*(?:PLACED|FIXED|COVER)\s*"
        r"\(\s*(-?\d+)\s+(-?\d+)\s*\)\s*(\w+)",
        re.M,
    )
    return {
        match[1].replace("\\", ""): (int(match[2]), int(match[3]), match[4])
        for match in statement.finditer(body[1] if body else "")
    }
