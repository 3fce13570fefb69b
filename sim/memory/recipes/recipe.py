"""Recipes by name, and where each setting of a run comes from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts

__all__ = ["AppliedRecipe", "Origin", "Recipe", "find_recipe", "recipe_names"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Recipe of a framework: a method, and settings with where each is documented."""

    name: str
    title: str
    version: str  # of the framework, and the configuration that was read
    method: str
    settings: Mapping[str, Any]
    sources: Mapping[str, str]  # by setting


@dataclass(frozen=True, kw_only=True)
class Origin(Facts):
    """A setting of a run, and where it comes from."""

    setting: str
    value: Any
    origin: str  # recipe, given or default
    source: str  # of what the recipe says; empty otherwise


@dataclass(frozen=True, kw_only=True)
class AppliedRecipe(Facts):
    """A recipe as a run follows it."""

    name: str
    title: str
    version: str
    settings: tuple[Origin, ...]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        asked: Mapping[str, Any],
        used: Mapping[str, Any],
        defaults: Mapping[str, Any],
    ) -> "AppliedRecipe":
        """Return where each of a run's settings comes from.

        A setting that equals the recipe's is the recipe's; else one that is no default was given.

        Args:
            recipe: The recipe.
            asked: All settings of the run, by name.
            used: The same, with what stands for the usual value replaced by that value.
            defaults: The values that settings have where nobody says anything.
        """
        said = {"method": recipe.method, **recipe.settings}
        found = []
        for name, value in asked.items():
            origin, source = "given", ""
            if name in said and said[name] == value:
                origin, source = "recipe", recipe.sources.get(name, recipe.title)
            elif name not in said and defaults[name] == value:
                origin = "default"
            found.append(Origin(setting=name, value=used[name], origin=origin, source=source))
        return cls(
            name=recipe.name, title=recipe.title, version=recipe.version, settings=tuple(found)
        )


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("recipes.toml").read_text())


def recipe_names() -> list[str]:
    """Return the names of all recipes."""
    return list(_catalogue())


@cache
def find_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        UserError: If there is none; the message names those there are.
    """
    found = _catalogue().get(name)
    if found is None:
        raise UserError(f"unknown recipe {name!r}; accepted: {', '.join(recipe_names())}")
    return Recipe(
        name=name,
        title=found["title"],
        version=found["version"],
        method=found["method"],
        settings={key: value for key, (value, _) in found["settings"].items()},
        sources={key: source for key, (_, source) in found["settings"].items()},
    )
