"""Lays the top-level folders out as one import package; all else is in ``pyproject.toml``.

A list of packages in ``pyproject.toml`` would name each sub-folder, and miss the next one.
"""

from setuptools import find_packages, setup

ROOMS = ("golden", "hw", "sim", "reports")  # folder ``golden`` is package ``consilico.golden``

setup(
    packages=[
        *(name for name in find_packages() if name.split(".")[0] == "consilico"),
        *(f"consilico.{name}" for name in find_packages() if name.split(".")[0] in ROOMS),
    ],
    package_dir={"consilico": "consilico"} | {f"consilico.{room}": room for room in ROOMS},
    include_package_data=False,  # what is named here, and no more
    package_data={
        "": ["*.j2", "*.css", "*.js", "*.json", "*.toml", "*.v", "py.typed"],
        "consilico.sim.estimate.operators": ["calibration/*.json", "designs/*.v"],
        "consilico.sim.estimate.memories": ["calibration/*.json"],
        "consilico.sim.claims": ["papers/*.toml"],
    },
)
