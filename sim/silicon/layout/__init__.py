"""From mapped cells to a layout: placement, wires, clock tree, and the delays that follow."""
