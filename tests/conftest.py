"""Fixtures that every test may use."""

from pathlib import Path

import pytest


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
