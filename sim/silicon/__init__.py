"""Measure what a design costs: process kits, synthesis, timing, switching activity and power."""
