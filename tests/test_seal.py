import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cogpack.notes import Code, Note
from cogpack.seal import Seal


def machine(root: Path) -> Seal:
    return Seal.of_this_user({"XDG_STATE_HOME": str(root)})


def noted(root: Path) -> list[Note]:
    notes: list[Note] = []
    Seal.of_this_user({"XDG_STATE_HOME": str(root)}, notes.append)
    return notes


def test_what_this_user_wrote_is_known_again_in_a_later_run(tmp_path: Path) -> None:
    sealed = machine(tmp_path).close("a", b"data")
    assert machine(tmp_path).open("a", sealed) == b"data"
    assert (tmp_path / "cogpack" / "seal").stat().st_mode & 0o777 == 0o600


def test_what_another_machine_wrote_does_not_count(tmp_path: Path) -> None:
    assert machine(tmp_path / "mine").open("a", machine(tmp_path / "theirs").close("a", b"data")) is None


@pytest.mark.parametrize("planted", [b"", b"x", b"\0" * 32 + b"data", b"data"])
def test_what_has_no_seal_does_not_count(planted: bytes, tmp_path: Path) -> None:
    assert machine(tmp_path).open("a", planted) is None


def test_a_seal_serves_for_its_bytes_and_its_name_only(tmp_path: Path) -> None:
    seal = machine(tmp_path)
    sealed = seal.close("a", b"data")
    assert seal.open("b", sealed) is None
    assert seal.open("a", sealed[:-1] + b"b") is None
    assert seal.open("", sealed) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_proves_nothing(mode: int, tmp_path: Path) -> None:
    sealed = machine(tmp_path).close("a", b"data")
    (tmp_path / "cogpack" / "seal").chmod(mode)
    notes: list[Note] = []
    assert Seal.of_this_user({"XDG_STATE_HOME": str(tmp_path)}, notes.append).open("a", sealed) is None
    assert [(note.code, f"{tmp_path}/cogpack/seal: has mode {mode:o}" in note.text) for note in notes] == [
        (Code.SEAL_IGNORED, True)
    ]


@pytest.mark.parametrize(
    ("user", "advice"),
    [(0, "; set HOME or XDG_STATE_HOME to root's own, as sudo -H does"), (4321, "; remove it, and a new one is made")],
)
def test_a_key_of_another_user_is_told_as_that(
    user: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path)
    owner = (tmp_path / "cogpack" / "seal").stat().st_uid
    if owner == user:
        os.chown(tmp_path / "cogpack" / "seal", owner := 1234, -1)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    (note,) = noted(tmp_path)
    assert note.text.startswith(f"{tmp_path}/cogpack/seal: is of user {owner}, and not of user {user}, so that ")
    assert note.text.endswith(advice)


def test_a_key_that_this_user_cannot_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path)
    opened = Path.open

    def refused(path: Path, *arguments: Any, **others: Any) -> Any:
        if path.name == "seal":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments, **others)

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (note,) = noted(tmp_path)
    assert note.code is Code.SEAL_IGNORED
    assert f"{tmp_path}/cogpack/seal: user 1000 may not open it, so that nothing counts" in note.text
    assert f"sudo rm -r {tmp_path}/cogpack" in note.text


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_of_another_length_proves_nothing(content: bytes, tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "cogpack" / "seal").write_bytes(content)
    sealed = machine(tmp_path).close("a", b"data")
    assert machine(tmp_path).open("a", sealed) is None


def test_where_no_key_can_be_kept_a_run_knows_what_it_wrote_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for seal in (machine(tmp_path / "file"), Seal.of_this_user({"HOME": "relative"})):
        assert seal.open("a", seal.close("a", b"data")) == b"data"
        assert machine(tmp_path / "file").open("a", seal.close("a", b"data")) is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_key_is_below_home_where_nothing_else_is_said(tmp_path: Path) -> None:
    Seal.of_this_user({"HOME": str(tmp_path), "XDG_STATE_HOME": "relative is ignored"})
    assert (tmp_path / ".local" / "state" / "cogpack" / "seal").is_file()


def test_a_word_is_the_same_for_who_has_the_key_and_another_for_everybody_else(tmp_path: Path) -> None:
    assert machine(tmp_path / "a").word("uv 1") == machine(tmp_path / "a").word("uv 1")
    assert machine(tmp_path / "a").word("uv 1") != machine(tmp_path / "a").word("uv 2")
    assert machine(tmp_path / "a").word("uv 1") != machine(tmp_path / "b").word("uv 1")


def test_of_a_file_it_is_the_same(tmp_path: Path) -> None:
    seal, place = Seal(), tmp_path / "sealed"
    place.write_bytes(seal.close("a", b"data"))
    assert (seal.read("a", place), seal.read("b", place)) == (b"data", None)
    place.write_bytes(seal.close_encoded("a", ["data", 1]))
    assert msgspec.msgpack.decode(seal.open("a", place.read_bytes()) or b"") == ["data", 1]
    assert msgspec.msgpack.decode(seal.read("a", place) or b"") == ["data", 1]
    place.write_bytes(b"short")
    assert seal.read("a", place) is None
    with pytest.raises(FileNotFoundError):
        seal.read("a", tmp_path / "nothing")
