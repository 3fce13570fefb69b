"""Outputs of registers that show one state, as it is or inverted (Q and QN)."""

import numpy as np

from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.power.design import Bits, Design, Nets

__all__ = ["follow", "shown_states"]


def shown_states(cell: Cell) -> dict[str, tuple[str, bool]]:
    """State that each output shows, and whether inverted; outputs of logic are left out.

    A state and its complement (``IQ`` and ``IQN``) count as one, under the first name.
    """
    names: dict[str, tuple[str, bool]] = {}
    for sequential in cell.sequential:
        for index, name in enumerate(sequential.states[:2]):
            names[name] = (sequential.states[0], index == 1)
    shown = {}
    for pin in cell.pins.values():
        if pin.direction != "output" or pin.function is None or pin.three_state:
            continue
        function = parse_function(pin.function)
        if len(function.variables) == 1 and function.variables[0] in names:
            state, inverted = names[function.variables[0]]
            shown[pin.name] = state, inverted ^ bool(function.table[0])
    return shown


def follow(design: Design, row: Nets) -> tuple[Nets, Bits]:
    """Give outputs that no signal tells of, such as an open QN, the row of their counterpart.

    Args:
        design: The netlist.
        row: Of each net, from :func:`consilico.sim.silicon.power.design.match`, shape ``(nets,)``.

    Returns:
        Rows, and which nets are the inverse of the signal in their row, shape ``(nets,)`` each.
    """
    row = row.copy()
    inverse = np.zeros(len(row), dtype=np.bool_)
    for group in design.groups:
        shown = shown_states(group.cell)
        for pin, (state, inverted) in shown.items():
            for other, (same, other_inverted) in shown.items():
                nets, sources = group.nets[pin], group.nets[other]
                told = (row[nets] < 0) & (row[sources] >= 0)
                if state == same and pin != other and told.any():
                    row[nets[told]] = row[sources[told]]
                    inverse[nets[told]] = inverse[sources[told]] ^ inverted ^ other_inverted
    return row, inverse
