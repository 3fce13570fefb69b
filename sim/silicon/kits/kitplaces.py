"""Where the Liberty files of a kit lie, by the conventions that people already use."""

import importlib.util
import os
from pathlib import Path

from consilico.sim.silicon.kits.kitfile import Corner, KitFile, Place

__all__ = ["locate"]

_USUAL = {  # where people keep a kit, if the variable is not set
    "PDK_ROOT": ("~/.ciel", "~/.volare", "/usr/share/pdk", "/usr/local/share/pdk"),
}
_BELOW = {  # where else below the variable's folder a kit may lie
    # versions that ciel, or volare before it, fetched and did not enable
    "PDK_ROOT": ("ciel/*/versions/*", "volare/*/versions/*"),
    "FLOW_HOME": ("flow",),
}


def locate(file: KitFile, corner: Corner) -> tuple[Path, ...] | None:
    """The Liberty files of the first place that has them all.

    A place whose file names do not say ``{corner}`` has the default corner only.
    """
    for place in file.places:
        names = [name.replace("{corner}", corner.spelling) for name in place.liberty]
        if names == list(place.liberty) and corner != file.corners[0]:
            continue
        for root in _roots(place):
            found = [_file(root / name) for name in names]
            if None not in found:
                return tuple(path for path in found if path is not None)
    return None


def _roots(place: Place) -> list[Path]:
    if place.kind == "folder":
        return [Path(place.root)]
    if place.kind == "package":
        try:
            spec = importlib.util.find_spec(place.root)
        except (ImportError, ValueError):  # of a package within one that is not there
            spec = None
        return [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []
    value = os.environ.get(place.root)
    folders = [Path(value)] if value else [Path(x) for x in _USUAL.get(place.root, ())]
    roots = []
    for folder in (path.expanduser().absolute() for path in folders):
        below = [path for inner in _BELOW.get(place.root, ()) for path in folder.glob(inner)]
        below = [path for path in below if path.is_dir()]
        roots += [folder, *sorted(below, key=lambda path: path.stat().st_mtime, reverse=True)]
    return roots


def _file(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None
