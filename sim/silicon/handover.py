"""Folder of files that an implementation hands over, to go on with in other tools.

The folder is written whole or not at all. What lies in it already is replaced only where an earlier
implementation wrote it and nobody has changed it since: ``implement.json`` lists the files with
their hashes.
"""

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import TEMPORARY_PREFIX
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.ladder import ACTIVITY, Climbed, LadderJob
from consilico.sim.silicon.layout.def_file import write_def
from consilico.sim.silicon.layout.layout import PhysicalLayout
from consilico.sim.silicon.layout.lef import routing_layers, site_name
from consilico.sim.silicon.layout.picture import cell_modules, module_picture, power_picture
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.metrics import orfs_metrics
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.timing.sdc import write_sdc

__all__ = ["check_folder", "hand_over"]

_INDEX = "implement.json"
_NAMES = (
    "netlist.v", "constraints.sdc", "wires.spef", "placement.def", "delays.sdf", "activity.vcd.gz",
    "metrics.json", "placement.svg", "power.svg", _INDEX,
)  # fmt: skip


def check_folder(folder: Path) -> None:
    """Refuse a folder that an implementation must not write to, before any long work.

    Raises:
        UserError: If it is no folder, or has a file of one of our names that is not ours, or no
            longer.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"cannot write {folder}: it is a file; accepted: a folder")
    known = _known(folder)
    for name in _NAMES:
        file = folder / name
        if name == _INDEX and known:
            continue
        if file.exists() and (not file.is_file() or known.get(name) != _sha256(file)):
            raise UserError(
                f"{file} is not as implement wrote it; accepted: a folder without it, or another"
            )


def _known(folder: Path) -> dict[str, str]:
    """Return the hashes of the files that an earlier implementation wrote, by name."""
    try:
        files = json.loads((folder / _INDEX).read_text())["files"]
        return {str(name): str(sha256) for name, sha256 in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def hand_over(
    folder: Path, job: LadderJob, climbed: Sequence[Climbed], found: Implementation
) -> None:
    """Write what an implementation hands over.

    Args:
        folder: Where to; see :func:`check_folder`.
        job: What was implemented; the recording of the last rung's simulation is in its folder.
        climbed: What was measured, rung by rung.
        found: The implementation.

    Raises:
        UserError: If the folder cannot be written.
    """
    check_folder(folder)
    last = climbed[-1]
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=TEMPORARY_PREFIX, dir=folder.absolute().parent
        ) as name:
            new = Path(name, "new")
            new.mkdir()
            _write(new, job, last, orfs_metrics(job, climbed, found))
            files = {file.name: _sha256(file) for file in sorted(new.iterdir())}
            index = {**found.to_json(), "files": files}
            (new / _INDEX).write_text(json.dumps(index, indent=2, allow_nan=False) + "\n")
            if not folder.exists():
                new.rename(folder)
                return
            for old in _known(folder).keys() - files.keys():
                (folder / old).unlink(missing_ok=True)
            for file in new.iterdir():
                file.replace(folder / file.name)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error


def _write(folder: Path, job: LadderJob, last: Climbed, metrics: Mapping[str, Any]) -> None:
    stage, layout = last.stage, last.stage.layout
    shutil.copyfile(stage.netlist, folder / "netlist.v")
    (folder / "constraints.sdc").write_text(_constraints(job, last))
    if stage.spef is not None:
        shutil.copyfile(stage.spef, folder / "wires.spef")
    if stage.sdf is not None:
        shutil.copyfile(stage.sdf, folder / "delays.sdf")
    if layout is not None:
        lef = job.kit.lef
        placed = write_def(layout.placement, layout.names, site_name(lef), routing_layers(lef))
        (folder / "placement.def").write_text(placed)
        _draw(folder, layout, last, f"{job.circuit.top} in {job.kit.name}")
    # the time stamp is left out, so that equal activity makes equal files
    with (
        (job.folder / ACTIVITY).open("rb") as recording,
        (folder / "activity.vcd.gz").open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
    ):
        shutil.copyfileobj(recording, packed)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")


def _draw(folder: Path, layout: PhysicalLayout, last: Climbed, name: str) -> None:
    """Draw where the modules lie and where the power goes."""
    placement = layout.placement
    modules = cell_modules(placement.design.netlist, placement.design.library)
    picture = module_picture(placement, modules, f"{name}: modules")
    (folder / "placement.svg").write_text(picture)
    power_w = {each.name: each.power.total_w for each in last.replayed.report.instances}
    by_cell = [power_w[instance] for instance in layout.names.instance]
    (folder / "power.svg").write_text(power_picture(placement, by_cell, f"{name}: power"))


def _constraints(job: LadderJob, last: Climbed) -> str:
    stage, circuit, kit = last.stage, job.circuit, job.kit
    propagated = stage.insertion_ns is not None
    if (sdc := job.flow.sdc) is not None:
        return sdc.text + ("\nset_propagated_clock [all_clocks]\n" if propagated else "")
    if stage.layout is not None:
        netlist = stage.layout.placement.design.netlist
    else:
        cells = read_liberty((kit.mapping_liberty,)).cells
        netlist = read_netlist(stage.netlist, circuit.top, cells)
    ports = [(name, way, len(nets)) for name, (way, nets) in netlist.ports.items()]
    return write_sdc(circuit.top, ports, circuit.clock, job.clock_ns, kit, stage.insertion_ns)
