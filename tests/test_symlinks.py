"""Links in trees that are on no disk lead where Linux would follow them."""

from pathlib import Path

import pytest

from cogpack.symlinks import follow

LINKS = {
    "bin": "usr/bin",
    "usr/bin/python": "../../opt/./py/python3",
    "opt/py": "/usr/lib//py",
    "loop": "loop",
    "out": "../../etc",
    "a/here": ".",
}


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("bin/python", "usr/lib/py/python3"),
        ("/bin/../python", "usr/python"),  # ".." is of the directory that the link leads to
        ("opt/py/python3", "usr/lib/py/python3"),
        ("out/passwd", "etc/passwd"),
        ("a/here/here/b", "a/b"),
        ("..", ""),
        ("nothing/is/here", "nothing/is/here"),
        ("loop", None),
        ("loop/x", None),
    ],
)
def test_links_lead_where_linux_follows_them(path: str, real: str | None) -> None:
    assert follow(path, LINKS.get) == real


def test_the_last_link_is_followed_only_when_asked() -> None:
    assert follow("bin", LINKS.get, last=False) == "bin"
    assert follow("usr/bin/python", LINKS.get, last=False) == "usr/bin/python"
    assert follow("bin/python", LINKS.get, last=False) == "usr/bin/python"


def test_a_relative_path_begins_where_it_is_said_to_and_an_absolute_one_at_the_root() -> None:
    assert follow("../bin/python", LINKS.get, start="usr") == "usr/lib/py/python3"
    assert follow("/bin", LINKS.get, start="usr") == "usr/bin"


@pytest.mark.parametrize(("links", "real"), [(40, True), (41, False)])
def test_as_many_links_are_followed_as_the_kernel_follows(tmp_path: Path, links: int, real: bool) -> None:
    (tmp_path / "0").touch()
    for number in range(links):
        (tmp_path / str(number + 1)).symlink_to(str(number))
    assert (tmp_path / str(links)).exists() is real
    chain = {str(number + 1): str(number) for number in range(links)}
    assert follow(str(links), chain.get) == ("0" if real else None)
