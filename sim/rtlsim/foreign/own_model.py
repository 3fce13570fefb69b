"""A golden model of one's own in place of a unit's: a function in anyone's Python file.

The function is what a unit's golden model is, ``function(config, accepted)``, and returns the
fields of the beats on ``o`` by name. The unit still says which orders of beats mean anything, and
after which of them results come.
"""

import importlib.util
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import check_input
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.layout import Field, Layout
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import VERIFICATION, Unit

__all__ = ["OwnModel", "read_model", "with_golden"]

Golden = Callable[[Any, Accepted], GoldenResults]


@dataclass(frozen=True, kw_only=True)
class OwnModel:
    """A function of a Python file that says what must come out."""

    path: Path
    name: str  # of the function
    function: Callable[[Any, Accepted], Any]

    @property
    def source(self) -> str:
        """Return the file and the function as ``--golden`` takes them."""
        return f"{self.path}:{self.name}"

    def golden(self, unit: Unit, config: Config, accepted: Accepted) -> GoldenResults:
        """Return what the function says must come out, as a unit's golden model does.

        Args:
            unit: The unit whose streams are meant.
            config: Its configuration.
            accepted: What was accepted.

        Raises:
            ValueError: If the unit's document promises nothing for this order of items.
            UserError: If the function fails, or returns other fields than the unit's stream ``o``
                has, other shapes, what are no integers, or integers that do not fit.
        """
        promised = unit.golden(config, accepted)
        layout = unit.layouts(config).o
        completes = promised.completes
        due = accepted.beats if completes is None else int(completes.sum())
        if not due:
            return promised
        copies = {name: part.copy() for name, part in accepted.data.items()}
        with _importing(self.path):
            try:
                returned = self.function(config, accepted.with_data(copies))
            except Exception as error:
                raise UserError(f"{self.source}: {_said(error, self.path)}") from error
        return GoldenResults(
            beats=_checked(returned, layout, due, self.source), completes=completes
        )

    def instead(self, unit: Unit) -> Unit:
        """Return a unit with this golden model instead of its own."""
        return with_golden(unit, partial(self.golden, unit))

    def replacing(self, unit: Unit, config: Config, seed: int, *, exhaustive: bool) -> Unit:
        """Return a unit with this golden model, as it is verified.

        Coverage points that the unit's stimulus hits by results that this model never gives are
        exempt, which the verdict says.

        Args:
            unit: The unit.
            config: The configuration that it is verified with.
            seed: The seed that it is verified with.
            exhaustive: Whether the unit's exhaustive stimulus is replayed.
        """
        own = self.instead(unit)
        points = {*unit.coverage}
        hit = Counter(own.vectors(config, seed).coverage)
        if exhaustive and own.exhaustive is not None:
            points |= {*unit.exhaustive_coverage}
            hit.update(own.exhaustive(config, seed).coverage)
        why = f"{self.source} gives no such result"
        never = {point: why for point in sorted(points) if not hit[point]}
        return replace(own, exempt=lambda config: {**never, **unit.exempt(config)})


def read_model(text: str) -> OwnModel:
    """Import the function that ``FILE:FUNCTION`` names.

    Raises:
        UserError: If the text has another form, the file cannot be read or fails, or has no such
            function.
    """
    file, colon, name = text.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise UserError(f"--golden takes FILE.py:FUNCTION, not {text!r}")
    path = Path(file)
    check_input(path, "golden model")
    spec = importlib.util.spec_from_file_location(f"consilico_own_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for the module that they are in
    with _importing(path):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise UserError(f"{path}: {_said(error, path)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [
            each
            for each, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == spec.name
        ]
        raise UserError(f"{path} has no function {name!r}; it has: {', '.join(known) or 'none'}")
    return OwnModel(path=path, name=name, function=function)


def with_golden(unit: Unit, golden: Golden) -> Unit:
    """Return a unit whose results, those of its stimuli too, are those of another golden model.

    Args:
        unit: The unit.
        golden: What must come out, for the same streams.
    """
    other = replace(unit, golden=golden)

    def again(stimuli: Callable[[Any, int], Stimulus], config: Any, seed: int) -> Stimulus:
        given = stimuli(config, seed)
        before = unit.expect(config, given.kind, given.bits)
        after = other.expect(config, given.kind, given.bits)
        by_driver = Counter(given.coverage) - Counter(before.coverage)
        return replace(
            given,
            completes=after.completes,
            expected=after.expected,
            coverage=dict(by_driver + Counter(after.coverage)),
        )

    exhaustive, sources = unit.exhaustive, unit.sources
    if VERIFICATION not in sources:  # which is cut from the vectors
        sources = {name: partial(again, source) for name, source in sources.items()}
    return replace(
        other,
        vectors=partial(again, unit.vectors),
        sources=sources,
        exhaustive=None if exhaustive is None else partial(again, exhaustive),
    )


@contextmanager
def _importing(path: Path) -> Iterator[None]:
    """Let a file import what lies next to it, as a script may."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _said(error: BaseException, path: Path) -> str:
    """Say in one line what went wrong in a file, and in which line of it."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    where = f"line {line}: " if line else ""
    return f"{where}{type(error).__name__}{f': {text[:300]}' if text else ''}"


def _checked(returned: Any, layout: Layout, due: int, source: str) -> dict[str, NDArray[Any]]:
    """Return the fields that a function gave, if they are what the stream has."""
    names = ", ".join(layout.by_name)
    if not isinstance(returned, Mapping):
        kind = type(returned).__name__
        raise UserError(f"{source} returns {kind}; accepted: a dictionary of the fields {names}")
    if wrong := sorted({*map(str, returned)} ^ {*layout.by_name}):
        what = "does not return" if wrong[0] in layout.by_name else "returns"
        raise UserError(f"{source} {what} the field {wrong[0]!r}; accepted: {names}")
    return {
        name: _checked_field(returned[name], fields, due, source)
        for name, fields in layout.by_name.items()
    }


def _checked_field(
    given: Any, fields: tuple[Field, ...], due: int, source: str
) -> NDArray[np.int64]:
    field = fields[0]
    where = f"{source}: {field.name}"
    try:
        values = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths, a tensor
        raise UserError(f"{where} is no array: {' '.join(str(error).split())}") from error
    if values.dtype.kind not in "biu":
        raise UserError(f"{where} holds {values.dtype}; accepted: integers, as bits of the field")
    shape = (due,) if field.lane is None else (due, len(fields))
    if values.shape != shape:
        raise UserError(f"{where} has the shape {values.shape}; accepted: {shape}")
    least = -(1 << field.width - 1) if field.signed else 0
    most = least + (1 << field.width) - 1
    for extreme in (int(values.min()), int(values.max())):
        if not least <= extreme <= most:
            raise UserError(f"{where} is {extreme}; accepted: {least} to {most}")
    return values.astype(np.int64)
