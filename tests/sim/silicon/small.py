"""Small hand-made libraries: a cell is a line, tables are scalars."""

from pathlib import Path

HEAD = """
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, ff); nom_voltage : 1.2;
  operating_conditions (tt_1p2) { voltage : 1.2; }
"""
_TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")


def cell(name: str, area: float | None, more: str = "", **pins: str) -> str:
    """One cell: input pins have no text, outputs their function, ``@`` marks text as it stands."""
    lines = [f"cell ({name}) {{", f"area : {area};" if area is not None else "", more]
    inputs = [pin for pin, text in pins.items() if not text or text[0] == "@"]
    for pin, text in pins.items():
        if pin in inputs:
            lines.append(
                f"pin ({pin}) {{ direction : input; capacitance : 2; {text.lstrip('@')} }}"
            )
            continue
        arcs = ""
        if inputs:
            tables = " ".join(f'{table} (scalar) {{ values ("0.05"); }}' for table in _TABLES)
            arcs = f'timing () {{ related_pin : "{" ".join(inputs)}"; {tables} }}'
        function, _, other = text.partition("@")
        says = f'function : "{function}";' if function else ""
        lines.append(f"pin ({pin}) {{ direction : output; {says} {other} {arcs} }}")
    return "\n".join([*lines, "}"])


def flop(name: str, area: float, next_state: str = "D", more: str = "", **pins: str) -> str:
    """A flip-flop of the clock CK and the output Q."""
    text = f'ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "{next_state}"; {more} }}'
    return cell(name, area, text, **{"CK": "", "D": "", "Q": "IQ", **pins})


def latch(name: str, area: float | None, enable: str = "G", more: str = "", **pins: str) -> str:
    """A latch of the enable pin G and the output Q."""
    text = f'latch (IQ, IQN) {{ enable : "{enable}"; data_in : "D"; {more} }}'
    return cell(name, area, text, **{"G": "", "D": "", "Q": "IQ", **pins})


INV = cell("INV", 1, A="", Y="!A")
BUF = cell("BUF", 2, A="", Y="A")
DFF = flop("DFF", 8)
LATCH = latch("LATCH", 6)
BASE = (INV, BUF, DFF, LATCH)


def write(path: Path, *cells: str, head: str = HEAD) -> Path:
    """Write a library of these cells."""
    path.write_text(f"library (small) {{{head}{chr(10).join(cells)}\n}}\n")
    return path
