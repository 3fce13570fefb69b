"""Specify what is right: configurations, number formats, bit-exact models and trainable modules.

Nothing in this package knows of hardware tools. Each unit is one module with its configuration and
its bit-exact model, under the name that its generator has in ``consilico.hw``.
"""
