"""Claim files are read field by field; what is wrong is one line that names file and field."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.claims.catalogue import claims, find_claims
from consilico.sim.claims.claim import KINDS, read_claims

RIGHT = """\
paper = "A paper"
source = "arXiv 0000.00000"
[[claim]]
name = "states"
says = "It holds half."
where = "abstract"
published = 50
unit = "%"
tolerance = 1
[[claim.condition]]
given = "states count"
kind = "memory"
quantity = "states"
form = "saving"
run = { model = "llama-60m", method = "adamw-8bit" }
against = { model = "llama-60m", method = "adamw" }
"""


def file_of(folder: Path, text: str, name: str = "paper.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_claim_is_read(tmp_path: Path) -> None:
    (claim,) = read_claims(file_of(tmp_path, RIGHT))
    assert claim.name == "paper/states"
    assert claim.limit is not None
    assert claim.limit.words == "50 %"
    assert [condition.given for condition in claim.conditions] == ["states count"]


SHORT = RIGHT.partition("[[claim.condition]]")[0] + "[[claim.condition]]\n"
COUNT = 'given = "g"\nkind = "count"\nmodel = "llama-60m"\nquantity = "states"\n'
ESTIMATE = 'given = "g"\nkind = "estimate"\nunit = "consmax/log2"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paper = 3", r"paper must be a text, not 3$"),
        ("= 3", r" is not TOML: "),
        (RIGHT.replace('"states"', '"States"', 1), r"claim 1\.name must be lower-case letters"),
        (RIGHT + RIGHT.partition("[[claim]]")[2].join(["[[claim]]", ""]),
         r"claim 2\.name must be of no other claim of the file, not 'states'$"),
        (RIGHT.replace("published = 50", 'published = "50"'),
         r"claim 1\.published must be a number above 0, not '50'$"),
        (RIGHT.replace('"%"', '"percent"'), r"claim 1\.unit must be one of %, x, .* not 'percent'"),
        (RIGHT.replace("tolerance", "tolerence"), r"claim 1\.tolerance is missing$"),
        (RIGHT.replace("tolerance", 'bound = "about"\ntolerance'),
         r"claim 1\.bound must be one of equal, at least, at most, up to, not 'about'$"),
        (RIGHT.replace("where", 'verdict = "supported"\nwhere'),
         r"claim 1\.verdict is unknown; accepted: "),
        (SHORT + 'kind = "guess"\n', r"claim 1\.condition 1\.kind must be one of memory, count, "),
        (RIGHT.replace('given = "states count"\n', ""), r"condition 1\.given is missing$"),
        (RIGHT.replace("llama-60m", "llama-61m", 1),
         r"condition 1\.run is not accepted: unknown model 'llama-61m'; accepted: "),
        (RIGHT.replace("adamw-8bit", "adam9"), r"condition 1\.run is not accepted: unknown method"),
        (RIGHT.replace('"adamw-8bit"', '"adamw-8bit", batsh = 2'),
         r"condition 1\.run\.batsh is unknown; accepted: model, method, recipe, batch, "),
        (RIGHT.replace('"adamw-8bit"', '"adamw-8bit", batch = 0'),
         r"condition 1\.run is not accepted: batch must be "),
        (RIGHT.replace("saving", "amount"), r"condition 1\.form must be amount without against"),
        (RIGHT.replace("form", 'families = ["MLP"]\nform'),
         r"condition 1\.families must be some of MLP matrices, .* not 'MLP'$"),
        (RIGHT.replace("form", 'gpu = "rtx1"\nform'), r"condition 1\.gpu is not accepted: "),
        (RIGHT.replace('"%"', '"GB"'),
         r"condition 1\.kind memory answers in %, x, the claim is in GB$"),
        (SHORT + COUNT + 'rule = "guess"', r"1\.rule must be one of adam, .* not 'guess'"),
        (SHORT + COUNT + 'rule = "adam"\nrank = -1', r"condition 1\.rank must be a whole number"),
        (SHORT + COUNT + 'rule = "adam"\npruned_percent = 101', r"pruned_percent must be at most"),
        (SHORT + ESTIMATE + 'quantity = "power"', r"condition 1\.clock_ns must be given with"),
        (SHORT + ESTIMATE + 'quantity = "area"\nnode = "3m"', r"condition 1\.node is not accepted"),
        (SHORT + 'given = "g"\nkind = "printed"\nproduct = [{ what = "p", value = 1, unit = "h" }]',
         r"condition 1\.product 1\.unit must be one of "),
        (SHORT + 'kind = "nothing"\n', r"condition 1\.why is missing$"),
        (RIGHT.replace("published = 50\n", ""),
         r"condition 1\.kind must be nothing where the claim has no published, not memory$"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, text)
    with pytest.raises(UserError, match=message) as caught:
        read_claims(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_needs_a_name_that_a_claim_can_have(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the name of a claim file must be lower-case letters"):
        read_claims(file_of(tmp_path, RIGHT, "A paper.toml"))


def test_a_folder_adds_claims_and_may_not_hide_any(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no claim file; accepted: a folder with \.toml files"):
        claims(tmp_path)
    path = file_of(tmp_path, RIGHT)
    assert {*claims(tmp_path)} - {*claims()} == {"paper/states"}
    assert {*claims(path)} - {*claims()} == {"paper/states"}
    file_of(tmp_path, RIGHT, "galore.toml")
    with pytest.raises(UserError, match=r"^two claim files are called galore: .* and "):
        claims(tmp_path)


def test_claims_are_found_by_paper_and_by_name() -> None:
    names = [claim.name for claim in find_claims(["galore/7b-in-24gb", "fira"])]
    assert names == ["galore/7b-in-24gb", "fira/states-against-galore", "fira/states-against-adam"]
    with pytest.raises(UserError, match=r"^unknown claim 'fira/x'; there are: fira/states-against"):
        find_claims(["fira/x"])
    with pytest.raises(UserError, match=r"^unknown claim 'x'; there are: apollo, cast, "):
        find_claims(["x"])


def test_the_papers_that_are_named_have_claims() -> None:
    found = claims()
    papers = {name.partition("/")[0] for name in found}
    assert papers >= {
        "consmax-v1", "consmax-iccad", "softermax", "ita", "sole", "vexp", "i-bert", "galore",
        "q-galore", "owlore", "welore", "sltrain", "loram", "gradnormlorp", "lamda", "fira", "lost",
        "dct", "randlora", "svfit", "sst", "nola", "lora-sb", "qlora", "cast", "apollo", "lomo",
    }  # fmt: skip
    kinds = {condition.kind for claim in found.values() for condition in claim.conditions}
    assert kinds == {*KINDS}


class Point:
    """An entry point of an installed package."""

    name = value = module = "stranger"
    dist = None

    def __init__(self, file: Path) -> None:
        self.__file__ = str(file)

    def load(self) -> "Point":
        return self


def test_a_package_brings_claims_and_a_bad_one_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [Point(tmp_path / "module.py")]
    monkeypatch.setattr("consilico.sim.claims.catalogue.entry_points", lambda group: points)
    file_of(tmp_path, RIGHT)
    assert "paper/states" in claims()
    file_of(tmp_path, RIGHT.replace("tolerance", "tolerence"))
    assert "paper/states" not in claims()
    said = capsys.readouterr().err
    assert said.startswith("consilico: claims of stranger are left out: ")
    assert said.count("\n") == 1
