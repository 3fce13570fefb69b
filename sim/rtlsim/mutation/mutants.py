"""Put hundreds of single faults into one design, each switched on by a number.

Yosys' ``mutate`` picks places all over the elaborated design, evenly by module, cell and source
line: a bit of a cell's port is inverted, held at 0 or 1, or inverted depending on another bit. All
go into one netlist with an input ``mutant``; 0 is the design as it was.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Ending, Limits, run_tool, work_folder
from consilico.sim.base.reach import Reach

__all__ = ["SELECT", "Mutants", "Mutation", "make_mutants"]

SELECT = "mutant"  # the input that chooses
_SOURCE = re.compile(r"source\d+\.v")  # files that texts are written to
_SOUND = "sound.v"  # file that gets no faults
_TIMED = "timed.v"  # file of the black boxes
_HEAD = re.compile(r"^module\b.*?;", re.M | re.S)
_SPARE = 4  # times as many places are listed where some may be in it
_ELABORATE = """\
read_verilog -sv {files}
read_verilog -sv -lib {timed}
hierarchy -check -top {top}
proc -norom
flatten
opt_expr
opt_merge
wreduce
opt_expr -fine
opt_merge
opt_clean
"""
_LIST = "mutate -list {count} -seed {seed} -ctrl {select} {width} 1 -o mutations.txt\n"
_APPLY = """\
script mutations.txt
opt_clean
rename {top} {top}_mutants
write_verilog -noattr mutants.v
memory_map
async2sync t:$adff t:$adffe t:$aldff t:$aldffe t:$dffsr t:$dffsre
dffunmap
opt_clean
write_json mutants.json
"""
_LIMITS = Limits(wall_s=1800, cpu_s=300)
# `mutate -list` looks for ever where a design has fewer places than it is asked for
_LIST_LIMITS = Limits(wall_s=600, cpu_s=30)
_WORDS = {
    "inv": "{bit} is inverted",
    "const0": "{bit} is always 0",
    "const1": "{bit} is always 1",
    "cnot0": "{bit} is inverted while bit {other} of the same port is 0",
    "cnot1": "{bit} is inverted while bit {other} of the same port is 1",
}


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """Fault that a mutant has, with its place in the source."""

    number: int  # value of the input that switches it on
    file: str  # that the text names at this place; empty if it names none
    line: int | None  # of this file, from 1
    change: str  # one line for people


@dataclass(frozen=True, kw_only=True)
class Mutants:
    """A design with faults in it."""

    mutations: tuple[Mutation, ...]
    width: int  # bits of the input that chooses
    verilog: str  # module ``{top}_mutants``, and what is no netlist
    json: str  # the same netlist, as Yosys writes it: memories and resets are made of $dff

    def alone(self, number: int, top: str) -> str:
        """Return Verilog of the design with one fault, or with none for 0.

        Args:
            number: Which fault.
            top: Name of the design's module.
        """
        bits = rf"\[{self.width - 1}:0\] " if self.width > 1 else ""
        text = re.sub(rf"^  input {bits}{SELECT};\n", "", self.verilog, flags=re.M)
        tied = f"  wire [{self.width - 1}:0] {SELECT} = {self.width}'d{number};\n"
        text = re.sub(rf"^  wire {bits}{SELECT};\n", tied, text, flags=re.M)
        head = rf"^module {re.escape(top)}_mutants\((.*?)\);"
        ports = re.search(head, text, re.M | re.S)
        assert ports is not None
        names = [name for name in re.split(r",\s*", ports[1]) if name.strip() != SELECT]
        return text[: ports.start()] + f"module {top}({', '.join(names)});" + text[ports.end() :]


def make_mutants(
    texts: Sequence[str], top: str, count: int, seed: int, sound: str = "", timed: str = ""
) -> Mutants:
    """Put faults into a design.

    Args:
        texts: Its Verilog.
        top: Name of its module.
        count: Faults wanted, at least 1; fewer if the design has no more places.
        seed: Chooses the places.
        sound: Further Verilog that gets no faults, such as a wrapper.
        timed: Further Verilog that Yosys takes as black boxes, such as clocks of their own.

    Raises:
        UserError: If ``count`` is below 1, or the design has no place for a fault.
        ToolError: If Yosys fails.
    """
    if count < 1:
        raise UserError(f"the number of mutants must be at least 1, not {count}")
    wanted = count * (_SPARE if sound else 1)
    width = wanted.bit_length()
    with work_folder("mutants") as folder:
        names = [f"source{index}.v" for index in range(len(texts))] + [_SOUND]
        boxes = "".join(f"{head} endmodule\n" for head in _HEAD.findall(timed))
        for name, text in zip([*names, _TIMED], [*texts, sound, boxes], strict=True):
            (folder / name).write_text(text)
        elaborate = _ELABORATE.format(files=" ".join(names), timed=_TIMED, top=top)
        while True:
            listing = _LIST.format(count=wanted, seed=seed, select=SELECT, width=width)
            (folder / "list.ys").write_text(elaborate + listing)
            run = run_tool(
                "yosys", ["yosys", "-q", "list.ys"], _LIST_LIMITS, folder=folder, reach=Reach()
            )
            if run.ending is not Ending.TIMED_OUT:
                run.check()
                break
            wanted //= 2
            if not wanted:
                raise UserError(f"{top} has no place for a mutant, or takes Yosys too long")
        listed = (folder / "mutations.txt").read_text().splitlines()
        lines = [line for line in listed if line.strip() and _place(line)[0] != _SOUND][:count]
        (folder / "mutations.txt").write_text("".join(f"{line}\n" for line in lines))
        if not lines:
            raise UserError(f"{top} has no place for a mutant")
        (folder / "apply.ys").write_text(elaborate + _APPLY.format(top=top))
        run_tool(
            "yosys", ["yosys", "-q", "apply.ys"], _LIMITS, folder=folder, reach=Reach()
        ).check()
        return Mutants(
            mutations=tuple(map(_mutation, lines)),
            width=width,
            verilog=(folder / "mutants.v").read_text() + timed,
            json=(folder / "mutants.json").read_text(),
        )


def _mutation(line: str) -> Mutation:
    """Return what a line of Yosys' list does.

    Raises:
        ToolError: If it is none that is known.
    """
    options = dict(re.findall(r" -(mode|port|portbit|ctrlbit|wire|wirebit) (\S+)", line))
    number = re.search(rf" -ctrl {SELECT} \d+ (\d+)", line)
    if number is None or options.get("mode") not in _WORDS:
        raise ToolError(f"yosys lists a mutation that is not known: {line[:200]}")
    kind = re.search(r"\$(\w+)\$[^ ]*\d+ -port", line)
    wire = f" ({options['wire']}[{options['wirebit']}])" if "wire" in options else ""
    cell = f" of {'register' if kind[1] == 'procdff' else kind[1]}" if kind else ""
    bit = f"{options['port']}[{options['portbit']}]{cell}{wire}"
    file, at = _place(line)
    return Mutation(
        number=int(number[1]),
        file=file,
        line=at,
        change=_WORDS[options["mode"]].format(bit=bit, other=options.get("ctrlbit", "")),
    )


def _place(line: str) -> tuple[str, int | None]:
    """Return file and line of a mutation, of the innermost module where several are named.

    Next to a cell's own place stand those of the instances that it is in; Yosys puts its own into
    the name that it makes up for an operator.
    """
    places = re.findall(r" -src (\S+?):(\d+)", line)
    if not places:
        return "", None
    own = re.search(r" -cell \S*\$([^\s$]+):(\d+)\$\d+ ", line)
    file, at = own.groups() if own and own.groups() in places else places[-1]
    return ("" if _SOURCE.fullmatch(file) else file), int(at)
