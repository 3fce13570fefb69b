"""Fixtures that every test may use."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

Fake = Callable[[str, Any], list[tuple[Any, ...]]]

# No test depends on how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# A shell starts what runs in the background with Ctrl-C ignored, and programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests leave a person's own results alone, and do not answer from them.
os.environ.setdefault("CONSILICO_CACHE", str(Path(__file__).parents[1] / "build" / "cache"))


@pytest.fixture
def shared() -> Path:
    """Folder of reference data beside the checkout; the product itself never needs it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data: {folder} is not there")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty result cache of this test alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CONSILICO_CACHE", str(folder))
    return folder


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
