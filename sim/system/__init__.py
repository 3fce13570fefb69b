"""Costs of a language model on an accelerator of our units: a prompt, or token by token."""
