"""The program that joins, run as the container runs it, on directories of the test's own."""

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from cogpack.layers.weights import opaque
from cogpack.runtime import contract
from cogpack.runtime.inside import join

pytestmark = pytest.mark.slow

PROGRAM = Path(join.__file__)
KiB = 1024


def test_the_program_looks_where_the_layers_put_its_manifest_and_itself() -> None:
    """It stands alone in the container, so that it can't import where."""
    assert f"/{opaque.MANIFEST}" == join.MANIFEST
    assert f"/{opaque.PROGRAM}" == contract.JOIN[-1]


class Image:
    """Parts, their hashes and the manifest, as layers would bring them."""

    def __init__(self, root: Path, data: bytes, *, part: int = 64 * KiB, name: str = "big.pt") -> None:
        self.root = root
        self.data = data
        self.joined = root / "joined" / "id" / name
        self.manifest = root / "join.json"
        (root / "parts").mkdir(parents=True, exist_ok=True)
        parts = []
        for number, start in enumerate(range(0, len(data), part)):
            path = root / "parts" / f"{number:05d}"
            path.write_bytes(data[start : start + part])
            Path(f"{path}.blake3").write_text(blake3(path.read_bytes()).hexdigest())
            parts.append([str(path), path.stat().st_size])
        item = {"path": f"/src/{name}", "joined": str(self.joined), "size": len(data), "parts": parts}
        self.manifest.write_text(json.dumps([item]))

    def start(self, *command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-I", str(PROGRAM), *command],
            env={**os.environ, "COGPACK_JOIN": str(self.manifest)},
            capture_output=True,
            text=True,
            check=False,
            **options,
        )


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path / "image", random.Random(0).randbytes(1000 * KiB + 17))


def test_the_file_is_whole_before_the_command_runs_and_the_command_takes_over(image: Image) -> None:
    done = image.start(sys.executable, "-c", f"print(open({str(image.joined)!r}, 'rb').read()[:4].hex())")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == image.data[:4].hex()
    assert image.joined.read_bytes() == image.data
    assert "joined /src/big.pt" in done.stderr
    assert sorted(path.name for path in image.joined.parent.iterdir()) == [".lock", "big.pt", "big.pt.whole"]


def test_the_commands_exit_code_is_the_containers(image: Image) -> None:
    assert image.start(sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_a_second_start_writes_nothing(image: Image) -> None:
    """So that it may be another user's, or on a volume that is read only now."""
    image.start()
    before = image.joined.stat()
    image.joined.with_name(".lock").unlink()
    again = image.start()
    assert again.stderr == ""
    after = image.joined.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not image.joined.with_name(".lock").exists()


def test_another_models_file_on_a_kept_volume_is_not_taken_for_this_one(image: Image, tmp_path: Path) -> None:
    image.start()
    other = Image(tmp_path / "image", image.data[::-1])
    assert other.start().returncode == 0
    assert other.joined.read_bytes() == image.data[::-1]


def test_a_damaged_file_of_another_size_is_joined_anew(image: Image) -> None:
    image.start()
    image.joined.write_bytes(b"short")
    assert image.start().returncode == 0
    assert image.joined.read_bytes() == image.data


def test_what_was_written_before_the_machine_went_down_is_not_trusted(image: Image) -> None:
    image.start()
    marker = image.joined.with_name("big.pt.whole")
    marker.write_text(marker.read_text().replace(marker.read_text().split()[0], "another-boot"))
    assert "joined" in image.start().stderr


def test_a_start_that_was_killed_is_gone_on_with(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGPACK_JOIN", str(image.manifest))
    copied: list[int] = []
    copy = join.copy

    def failing(source: int, target: int, offset: int, size: int) -> None:
        if len(copied) == 5:
            raise OSError(errno.EIO, "cut off")
        copied.append(offset)
        copy(source, target, offset, size)

    with monkeypatch.context() as patch:
        patch.setattr(join, "copy", failing)
        patch.setattr(join, "THREADS", 1)
        assert join.main([]) == 1
    assert not image.joined.exists()
    with monkeypatch.context() as patch:
        patch.setattr(join, "copy", lambda *call: (copied.append(call[2]), copy(*call))[1])
        assert join.main([]) == 0
    assert image.joined.read_bytes() == image.data
    assert len(copied) == len(set(copied)) == 16


@pytest.mark.parametrize("number", join.NOT_HERE)
def test_where_the_kernel_does_not_copy_the_program_does(
    image: Image, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, "refused")

    monkeypatch.setenv("COGPACK_JOIN", str(image.manifest))
    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert join.main([]) == 0
    assert image.joined.read_bytes() == image.data


def test_a_part_that_is_too_short_is_an_error_and_no_file_appears(image: Image) -> None:
    part = image.root / "parts" / "00003"
    part.write_bytes(part.read_bytes()[:-1])
    done = image.start()
    assert done.returncode == 2
    assert "parts/00003 has 65535 bytes, not 65536" in done.stderr
    assert not image.joined.exists()


def test_a_place_that_can_not_be_written_is_explained(image: Image, tmp_path: Path) -> None:
    (image.root / "joined").write_text("a file stands where the directory should be")
    done = image.start(sys.executable, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (1, "")
    error, following = done.stderr.splitlines()
    assert error.startswith("cogpack: error: /src/big.pt: can't be put together in ")
    assert "--tmpfs" in following


def test_two_containers_on_one_volume_join_once(image: Image) -> None:
    command = [sys.executable, "-I", str(PROGRAM)]
    environment = {**os.environ, "COGPACK_JOIN": str(image.manifest)}
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(map(bool, told)) == [False, True]
    assert image.joined.read_bytes() == image.data


def item(image: Image, **changes: object) -> "list[dict[str, object]]":
    (found,) = json.loads(image.manifest.read_text())
    return [found | changes]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[" * 100_000, "null", "7", "[7]", "{}x", "[{}]", "[[]]", '[{"path": 1}]', "\ud800",
    ],
)  # fmt: skip
def test_a_document_that_is_none_of_ours_is_told_as_that(image: Image, text: str) -> None:
    """M8: no traceback, and the command does not start."""
    image.manifest.write_text(text, errors="surrogatepass")
    done = image.start(sys.executable, "-c", "print('started')")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cogpack: error: the image is damaged: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"path": ""}, {"path": "/"}, {"path": "/src/"}, {"path": 7}, {"path": "/a\0b"}, {"path": "/\ud800"},
        {"joined": "x"}, {"joined": ""}, {"joined": None},
        {"size": 2**70}, {"size": -1}, {"size": "7"}, {"size": 1.5}, {"size": True}, {"size": 10 * 2**40},
        {"parts": []}, {"parts": {}}, {"parts": None}, {"parts": [["/nope", 1_024_017]]}, {"parts": [["/nope"]]},
        {"parts": [["/nope", 2**70], ["/nopes", 1_024_017 - 2**70]]}, {"parts": [["/dev/zero", 1_024_017]]},
    ],
)  # fmt: skip
def test_an_item_that_can_not_be_is_told_as_that(image: Image, changes: "dict[str, object]") -> None:
    image.manifest.write_text(json.dumps(item(image, **changes)))
    done = image.start(sys.executable, "-c", "print('started')")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cogpack: error: the image is damaged: ")
    assert "next: " in done.stderr
    assert not image.joined.exists()


@pytest.mark.parametrize("what", ["absent", "shorter", "longer", "a pipe", "no digest", "a digest of no text"])
def test_a_part_that_is_not_what_the_document_says_is_told_as_that(image: Image, what: str) -> None:
    """A file that is short, or has a hole, is worse than none."""
    part = image.root / "parts" / "00001"
    if what in ("absent", "a pipe"):
        part.unlink()
        if what == "a pipe":
            os.mkfifo(part)
    elif what in ("shorter", "longer"):
        os.truncate(part, part.stat().st_size + (1 if what == "longer" else -1))
    elif what == "no digest":
        Path(f"{part}.blake3").unlink()
    else:
        Path(f"{part}.blake3").write_bytes(b"\xff")
    done = image.start(sys.executable, "-c", "print('started')")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the image is damaged: " in done.stderr
    assert "parts/00001" in done.stderr
    assert not image.joined.exists()


def test_a_link_that_somebody_laid_in_the_shared_directory_is_not_written_through(image: Image, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    image.joined.parent.mkdir(parents=True)
    image.joined.with_name("big.pt.partial").symlink_to(tmp_path / "precious")
    assert image.start().returncode == 1
    assert (tmp_path / "precious").read_text() == "mine"
