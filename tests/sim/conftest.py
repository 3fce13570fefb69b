"""Fixtures of the tests of ``sim``."""

import os
from collections.abc import Callable
from typing import Any

import pytest

Fake = Callable[[str, Any], list[tuple[Any, ...]]]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Replace a slow function by one that notes its arguments and returns (or raises) an answer."""

    def replace(name: str, answer: Any) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        def stand_in(*arguments: Any, **options: Any) -> Any:
            os.write(1, b"a tool talks\n")
            print("a library talks")
            calls.append((*arguments, options))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(name, stand_in)
        return calls

    return replace
