"""Consilico: what a language-model operator costs on silicon, and whether it is still right."""

__version__ = "0.1.0"  # the only place: packaging reads it from here
