"""Proof, by Yosys, that a change of a unit's Verilog changes nothing that can be seen."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["proved_equivalent"]

# Registers and ports are matched by name; Amaranth's intermediate wires (`$` in their names) are
# not, since a changed wire may still leave everything behind it as it was.
_PREPARE = "hierarchy -top {top}; proc; flatten; memory_map; async2sync; opt_clean"
_SCRIPT = """\
read_verilog {folder}/original.v; {prepare}; rename {top} original; design -stash original
read_verilog {folder}/changed.v; {prepare}; rename {top} changed; design -stash changed
design -copy-from original -as original original
design -copy-from changed -as changed changed
rename -hide w:*$*
equiv_make original changed both
hierarchy -top both
equiv_struct; equiv_simple; equiv_induct -seq 3
equiv_status -assert
"""


def proved_equivalent(original: str, changed: str, top: str, limit_s: float = 120.0) -> bool:
    """Whether two Verilog texts were proved to behave alike.

    False means "not proved within the time", not "different": states that are never reached are
    not excluded.

    Args:
        original: Verilog.
        changed: Verilog with the same ports and registers.
        top: Module to compare.
        limit_s: Wall-clock limit in seconds.

    Raises:
        UserError: If Yosys is missing.
    """
    yosys = shutil.which("yosys")
    if yosys is None:
        raise UserError("Yosys is not on the path; install it: apt-get install yosys")
    with tempfile.TemporaryDirectory(prefix="consilico-equivalence-") as name:
        folder = Path(name)
        (folder / "original.v").write_text(original)
        (folder / "changed.v").write_text(changed)
        script = folder / "prove.ys"
        prepare = _PREPARE.format(top=top)
        script.write_text(_SCRIPT.format(folder=folder, prepare=prepare, top=top))
        try:
            run = subprocess.run(
                [yosys, "-q", "-s", str(script)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            return False
    return run.returncode == 0
