"""Where submodules come from is read by git itself, and believed where it is a server's address."""

import shutil
from pathlib import Path

import pytest

from cogpack.git.attributes import filtered, says_something
from cogpack.git.objects import NotExactError
from cogpack.git.program import Git
from cogpack.git.submodules import Submodule, read_submodules
from cogpack.progress import Cancellation
from tests.support.git_server import plain_environment

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")


class Repository:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.git = Git(plain_environment(place), Cancellation())
        self.git("init", "-q", "--bare", str(place))

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", directory=self.place, data=data).decode().strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("bare"))


def modules(repository: Repository, text: str) -> list[Submodule]:
    return read_submodules(
        repository.git, repository.place, repository.blob(text.encode()), "https://h.example/o/n.git"
    )


def module(text: str, name: str = "a") -> str:
    return f'[submodule "{name}"]\n' + "".join(f"\t{line}\n" for line in text.split("; "))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (module("path = p; url = ../x", "../../x"), "is called"),
        (module("path = p; url = ../x", "a/.."), "is called"),
        (module("path = p; url = ../x", "/a"), "is called"),
        (module("path = p; url = ../x", "-a"), "is called"),
        (module("path = p; url = --upload-pack=touch /tmp/pwned"), "no address of http"),
        (module("path = p; url = file:///etc"), "no address of http"),
        (module("path = p; url = /etc"), "no address of http"),
        (module("path = p; url = ext::sh -c id"), "no address of http"),
        (module("path = p; url = git@h.example:o/n"), "no address of http"),
        (module("path = p; url = https://me:secret@h.example/o/n"), "no address of http"),
        (module("path = p; url = ../../../../etc"), "no address of http"),
        (module("path = p"), "no address of http"),
        (module("path = p; url = ../x; update = !id"), "not updated by a checkout"),
        (module("path = p; url = ../x; update = none"), "not updated by a checkout"),
        (module("path = p; url = ../x; evil = yes"), "does not know"),
        (module("path = p; url = ../x") + module("path = q; url = ../x", "a/b"), "within"),
        ("[submodule\n", "can't be read"),
    ],
)
def test_what_leads_elsewhere_is_refused(text: str, why: str, repository: Repository) -> None:
    with pytest.raises(NotExactError, match=why):
        modules(repository, text)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://g.example/a/b", "https://g.example/a/b"),
        ("../x.git", "https://h.example/o/x.git"),
        ("../../q/x", "https://h.example/q/x"),
        ("./x", "https://h.example/o/n.git/x"),
        ("../x/", "https://h.example/o/x"),
    ],
)
def test_an_address_is_what_git_makes_of_it(written: str, url: str, repository: Repository) -> None:
    assert modules(repository, module(f"path = p; url = {written}; shallow = true; branch = b")) == [
        Submodule("a", "p", url, shallow=True)
    ]


def attributes(repository: Repository, text: bytes) -> dict[str, str]:
    blob, data = repository.blob(text), repository.blob(b"x")
    tree = repository.git(
        "mktree",
        directory=repository.place,
        data=f"100644 blob {blob}\t.gitattributes\n100644 blob {data}\ta.bin\n".encode(),
    )
    return filtered(repository.git, repository.place, tree.decode().strip(), ["a.bin", ".gitattributes"])


@pytest.mark.parametrize(
    "text", [b"*.bin ident\n", b"*.bin eol=crlf\n", b"*.bin working-tree-encoding=UTF-16\n", b"*.bin crlf=input2\n"]
)
def test_what_changes_a_file_on_its_way_is_refused(text: bytes, repository: Repository) -> None:
    assert says_something(text)
    with pytest.raises(NotExactError, match="gitattributes give"):
        attributes(repository, text)


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        (b"*.bin filter=lfs diff=lfs merge=lfs -text\n", {"a.bin": "lfs"}),
        (b"[attr]mine filter=lfs\n*.bin mine\n", {"a.bin": "lfs"}),
        (b"* text=auto eol=lf\n*.other filter=lfs ident eol=crlf\n*.bin -filter\n", {}),
    ],
)
def test_filters_are_told_by_path(text: bytes, filters: dict[str, str], repository: Repository) -> None:
    assert attributes(repository, text) == filters


def test_most_attributes_change_nothing() -> None:
    assert not says_something(b"* text=auto\n*.png binary\nweb/** linguist-vendored\n")
