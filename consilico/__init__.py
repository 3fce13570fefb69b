"""Consilico: what a language-model operator costs on silicon, and whether it is still right."""
