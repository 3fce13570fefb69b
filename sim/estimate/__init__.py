"""Estimates of a design's cost: models of operators, memories and other nodes, with error bars."""
