"""What is tried for every design: Yosys scripts, ABC scripts, ways to build arithmetic."""

from dataclasses import dataclass

from sim.silicon.synth_datapath import Datapath

__all__ = ["FRONT", "MAP", "ONE_HOT", "PORTFOLIO", "Recipe"]

# To words: registers, operators, multiplexers. One flat module.
FRONT = """
read_verilog -sv rtl.v
{blackbox}
hierarchy -check -top {top}
proc
flatten
opt_expr
opt_clean
check
opt -nodffe -nosdff
fsm -nomap
wreduce
peepopt
opt_clean
alumacc
share
opt
memory -nomap
opt_clean
opt -fast -full
memory_map
opt -undriven -fine
write_json words.json
"""

# From words, arithmetic and clock gates already built, to cells.
MAP = """
read_liberty -lib -ignore_miss_func cells.lib
read_json words.json
opt -fast
techmap
opt -fast
{multiplexers}
dfflibmap -liberty cells.lib
opt
techmap -map latches.v
abc -liberty cells.lib -constr abc.constr -D {target_ps} -script abc.script
setundef -zero
opt_clean -purge
hilomap -hicell {high} -locell {low}
clean -purge
write_json mapped.json
"""

# Wide multiplexers as decoder, AND and OR: smaller and much faster than trees of two-way cells.
ONE_HOT = """
muxcover -mux4=1000 -mux8=1000 -mux16=1
setundef -zero
techmap -map one_hot.v
opt -fast
techmap
opt -fast
"""

_CLEAN = "strash; ifraig; scorr; "
_SHRINK = _CLEAN + "dc2; dc2; dc2; strash; "
_RESUB = "; ".join(
    f"balance -l; resub -K {cut} -l; rewrite -l; resub -K {cut} -N 2 -l; refactor -l"
    for cut in (6, 8, 10, 12)
)
_ABC = {
    "area": _SHRINK + "dch; amap -m",
    "resub": _CLEAN + f"{_RESUB}; {_RESUB}; dch; amap -m",
    "keep": _CLEAN + "&get -n; &dch -f; &nf; &put",
    "keep-area": _CLEAN + "dch; amap -m",
    "fast": _CLEAN + "dch; map -B 0.9; topo; buffer -p -N 16; upsize {D}; dnsize {D}",
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to map a design."""

    datapath: Datapath
    one_hot: bool
    abc: str

    @property
    def name(self) -> str:
        """Name for reports."""
        path = self.datapath
        parts = [path.adder, "booth" if path.booth else "rows", "cells" if path.cells else "gates"]
        return "/".join([*parts, "one-hot" if self.one_hot else "tree", self.abc])

    @property
    def abc_script(self) -> str:
        """Commands for ABC."""
        return _ABC[self.abc]


def _recipe(adder: str, booth: bool, cells: bool, one_hot: bool, abc: str) -> Recipe:
    path = Datapath(adder=adder, booth=booth, cells=cells)
    return Recipe(datapath=path, one_hot=one_hot, abc=abc)


PORTFOLIO = tuple(
    _recipe(adder, booth, cells, one_hot, abc)
    for adder in ("ripple", "brent-kung", "sklansky")
    for booth in (False, True)
    for cells in (False, True)
    for one_hot in (False, True)
    for abc in _ABC
)
