"""Pictures of a placement as SVG: cells in the colors of their modules, or by their power."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from consilico.sim.silicon.layout.placement import Placement, Reals
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import HIGH, LOW, Netlist

__all__ = ["cell_modules", "module_picture", "power_picture"]

_COLORS = (
    "#2a7ab9", "#d08a1d", "#5b9e6f", "#a5679e", "#c9573f", "#4f5d75", "#9cc6e6", "#ecc98f",
    "#a8cfb4", "#d9b8d4", "#8a6d3b",
)  # fmt: skip
_REST = "#c9ced6"
_SCALE = ("#eef4fa", "#cfe1f0", "#a6c8e4", "#75aad2", "#468ab9", "#23699a", "#134a70", "#0a2c45")
_INK, _FRAME = "#1c2128", "#888888"
_WIDE = 720.0  # of the core on the page
_LINE = 17.0  # height of a line of text
_MOST_PINS = 12  # of a net that says where the cells on it belong
_ROUNDS = 50  # a cell belongs to a module at most so many cells away


def cell_modules(netlist: Netlist, cells: Mapping[str, Cell]) -> list[str]:
    """Return the part of the top module that each cell belongs to, as far as names tell.

    A mapped netlist is flat; registers and the nets that they drive still carry the path of their
    module. Other cells belong where most of the cells on their nets belong, the nearest first.

    Args:
        netlist: Flat.
        cells: Its library.

    Returns:
        The first part of a path, such as ``lane0``, per instance; empty for the top itself.
    """
    named: dict[int, str] = {}
    for name, net in netlist.names.items():
        if part := _first(name):
            named.setdefault(net, part)
    found = [_first(each.name) for each in netlist.instances]
    on_net: dict[int, list[int]] = {}
    for index, instance in enumerate(netlist.instances):
        for pin, net in instance.pins.items():
            if net in (LOW, HIGH):
                continue
            on_net.setdefault(net, []).append(index)
            if not found[index] and cells[instance.cell].pins[pin].direction == "output":
                found[index] = named.get(net, "")
    near = [members for members in on_net.values() if len(members) <= _MOST_PINS]
    for _ in range(_ROUNDS):
        votes: dict[int, Counter[str]] = {}
        for members in near:
            parts = [found[each] for each in members if found[each]]
            for each in members:
                if parts and not found[each]:
                    votes.setdefault(each, Counter()).update(parts)
        if not votes:
            break
        for each, counted in votes.items():
            # of equals the first by name
            found[each] = min(counted, key=lambda part: (-counted[part], part))
    return found


def _first(path: str) -> str:
    first, separator, _ = path.replace("/", ".").partition(".")
    return first if separator else ""


def module_picture(placement: Placement, modules: Sequence[str], title: str) -> str:
    """Return a placement as SVG, with a color per module and a legend of them.

    Args:
        placement: Where the cells lie.
        modules: Of each cell; empty for the top.
        title: Line above the picture.
    """
    sizes = Counter(modules)
    top = sizes.pop("", 0)
    shown = [name for name, _ in sizes.most_common(len(_COLORS))]
    color = dict(zip(shown, _COLORS, strict=False))
    colors = [color.get(name, _REST) for name in modules]
    legend = [(color[name], f"{name}: {sizes[name]:,} cells") for name in sorted(shown, key=_order)]
    others = sum(sizes.values()) - sum(sizes[name] for name in shown)
    if others:
        legend.append((_REST, f"{len(sizes) - len(shown)} other modules: {others:,} cells"))
    if top:
        legend.append((_REST, f"of no module: {top:,} cells"))
    return _svg(placement, colors, legend, title)


def _order(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def power_picture(placement: Placement, power_w: Sequence[float], title: str) -> str:
    """Return a placement as SVG, the cells darker the more power they take per area.

    Args:
        placement: Where the cells lie.
        power_w: Power of each cell.
        title: Line above the picture.
    """
    area = placement.design.widths_um * placement.core.row_um
    density = np.maximum(np.asarray(power_w, dtype=np.float64), 0.0) / area * 1e6  # uW/um2
    top = float(density.max(initial=0.0)) or 1.0
    # each color is for twice the density of the one before
    edges = top * 2.0 ** np.arange(1 - len(_SCALE), 1)
    steps = np.minimum(np.searchsorted(edges, density), len(_SCALE) - 1)
    legend = [
        (color, f"up to {edge:.3g} uW/um2: {int((steps == step).sum()):,} cells")
        for step, (color, edge) in enumerate(zip(_SCALE, edges.tolist(), strict=True))
    ]
    return _svg(placement, [_SCALE[step] for step in steps], legend[::-1], title)


def _svg(
    placement: Placement, colors: Sequence[str], legend: Sequence[tuple[str, str]], title: str
) -> str:
    core = placement.core
    scale = _WIDE / core.width_um
    high = core.height_um * scale
    left, top = 20.0, 2 * _LINE
    columns = 3
    rows = -(-len(legend) // columns)
    height = top + high + (rows + 2) * _LINE
    wide = _WIDE + 2 * left
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {height:.0f}"'
            f' width="{wide:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{wide:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        (
            f'<text x="{left:g}" y="{_LINE + 4:g}" font-size="14" font-weight="bold" fill="{_INK}">'
            f"{html.escape(title)}</text>"
        ),
        # from the lower left corner upwards, in um
        f'<g transform="translate({left:g} {top + high:.2f}) scale({scale:.5f} {-scale:.5f})">',
        (
            f'<rect width="{core.width_um:.3f}" height="{core.height_um:.3f}" fill="none"'
            f' stroke="{_FRAME}" stroke-width="{1 / scale:.4f}"/>'
        ),
    ]
    lines += _cells(placement, colors)
    lines += [_ports(placement.port_xy_um, 2.5 / scale), "</g>"]
    for index, (color, words) in enumerate(legend):
        column, row = divmod(index, rows)
        x, y = left + column * _WIDE / columns, top + high + (row + 1.5) * _LINE
        lines.append(
            f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="11" height="11" fill="{color}"'
            f' stroke="{_FRAME}" stroke-width="0.5"/>'
            f'<text x="{x + 16:.1f}" y="{y:.1f}" fill="{_INK}">{html.escape(words)}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _cells(placement: Placement, colors: Sequence[str]) -> list[str]:
    """Return one path per color, with a gap between neighbors."""
    core = placement.core
    gap = min(0.06 * core.row_um, 0.2 * core.site_um)
    paths: dict[str, list[str]] = {}
    for color, x, y, width in zip(
        colors,
        placement.x_um.tolist(),
        placement.y_um.tolist(),
        placement.design.widths_um.tolist(),
        strict=True,
    ):
        paths.setdefault(color, []).append(
            f"M{x + gap:.3f} {y + gap:.3f}h{width - 2 * gap:.3f}v{core.row_um - 2 * gap:.3f}"
            f"h{2 * gap - width:.3f}z"
        )
    return [f'<path fill="{color}" d="{"".join(found)}"/>' for color, found in paths.items()]


def _ports(places: Reals, size_um: float) -> str:
    half = size_um / 2
    marks = "".join(
        f"M{x - half:.3f} {y - half:.3f}h{size_um:.3f}v{size_um:.3f}h{-size_um:.3f}z"
        for x, y in places.tolist()
    )
    return f'<path fill="{_INK}" d="{marks}"/>'
