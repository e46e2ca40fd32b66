"""What lines download from the hub lies in the image as the hub's own library leaves it, and is found there offline."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from support.hub import LARGE, Hub, hub, sibling

from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.layers.compression import Gzip, SplicedGzip
from cogpack.layers.entry import complete
from cogpack.lockfile import LockedHubChoice
from cogpack.locking.lines.pin_hub_downloads import HubPins, pin_hub_downloads
from cogpack.planning.recipes.hub import HubLayers, hub_layers, open_hub_file
from cogpack.planning.recipes.maker import LayerMaker
from cogpack.resolve.weights.hub import Hub as Server
from cogpack.resolve.weights.hub import HubFile
from cogpack.run_lines import HubDownload
from cogpack.sandbox.trees.lay import contents, lay
from cogpack.session import Session, Settings
from cogpack.sizes import MiB

CACHE = "/root/.cache/huggingface/hub"
FILES = {"config.json": b'{"model_type": "x"}', "model.safetensors": b"w" * LARGE, "onnx/model.onnx": b"o" * LARGE}
PLACES = ["cog.yaml:4: build.run[0]", "cog.yaml:5: build.run[1]"]
MAKER = LayerMaker(compressed=Gzip(), spliced=SplicedGzip(), inherited={})


NONE = HubPins()


@pytest.fixture
def found() -> Iterator[Hub]:
    with hub(dict(FILES)) as server:
        yield server


@contextmanager
def at(found: Hub, tmp_path: Path, **environment: str) -> Iterator[Session]:
    variables = {"HOME": str(tmp_path), "HF_ENDPOINT": found.endpoint, **environment}
    with Session(Settings(environment=variables, cache=tmp_path / "cache")) as session:
        yield session


def pinned(session: Session, *downloads: HubDownload, kept: HubPins = NONE) -> HubPins:
    pins, sandboxed = pin_hub_downloads(session, list(enumerate(downloads)), kept, PLACES)
    assert not sandboxed
    return pins


def layers(session: Session, pins: HubPins, *downloads: HubDownload) -> HubLayers:
    return hub_layers(list(enumerate(downloads)), pins, MAKER, partial(open_hub_file, session.servers.hub))


def laid(session: Session, pins: HubPins, place: Path, *downloads: HubDownload) -> Path:
    found = layers(session, pins, *downloads)
    return lay(place, [contents(layer) for layer in (*found.large, *found.small)], owned=False).root


DOWNLOAD = HubDownload(repository="owner/name", cache=CACHE)


@pytest.mark.slow
def test_the_hubs_library_finds_it_without_a_network(found: Hub, tmp_path: Path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra hf is not installed")
    dataset = HubDownload(repository="owner/name", kind="dataset", cache=CACHE, files=("onnx/model.onnx",))
    with at(found, tmp_path) as session:
        pins = pinned(session, DOWNLOAD, dataset)
        root = laid(session, pins, tmp_path / "place", DOWNLOAD, dataset)
    cache = f"{root}{CACHE}"
    folder = huggingface_hub.snapshot_download("owner/name", cache_dir=cache, local_files_only=True)
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_in(Path(folder))} == FILES
    options = {"cache_dir": cache, "local_files_only": True}
    asked = huggingface_hub.hf_hub_download("owner/name", "onnx/model.onnx", repo_type="dataset", **options)
    assert Path(asked).read_bytes() == FILES["onnx/model.onnx"]
    at_commit = huggingface_hub.hf_hub_download("owner/name", "config.json", revision=found.revision, **options)
    assert Path(at_commit).read_bytes() == FILES["config.json"]
    (model, _) = sorted(huggingface_hub.scan_cache_dir(cache).repos, key=lambda one: one.repo_type, reverse=True)
    assert (model.repo_type, model.nb_files, set(model.refs)) == ("model", 3, {"main"})
    assert not huggingface_hub.scan_cache_dir(cache).warnings


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_what_the_library_itself_downloads_is_the_same_but_for_its_own_notes(found: Hub, tmp_path: Path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra hf is not installed")
    with at(found, tmp_path) as session:
        root = laid(session, pinned(session, DOWNLOAD), tmp_path / "place", DOWNLOAD)
    huggingface_hub.snapshot_download(
        "owner/name", cache_dir=f"{tmp_path}/real", endpoint=found.endpoint, token=False, max_workers=1
    )
    assert listed(Path(f"{root}{CACHE}")) == listed(tmp_path / "real")


def listed(root: Path) -> dict[str, str | bytes]:
    return {
        path.relative_to(root).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and not {".locks", "trees", "CACHEDIR.TAG"} & set(path.parts)
    }


def test_files_of_a_directory_lie_there_as_they_are(found: Hub, tmp_path: Path) -> None:
    download = HubDownload(repository="owner/name", directory="/src/m", include=("*.json", "onnx/"))
    with at(found, tmp_path) as session:
        pins = pinned(session, download)
        root = laid(session, pins, tmp_path / "place", download)
        assert layers(session, pins, download).places == (("src/m/config.json", 0), ("src/m/onnx/model.onnx", 0))
    assert listed(root) == {f"src/m/{name}": FILES[name] for name in ("config.json", "onnx/model.onnx")}


def test_a_pin_holds_while_the_branch_moves_and_only_git_s_own_files_are_read_for_it(
    found: Hub, tmp_path: Path
) -> None:
    with at(found, tmp_path) as session:
        pins = pinned(session, DOWNLOAD)
        assert found.served == {"config.json": len(FILES["config.json"])}
        assert [one.blob is None for one in pins.files] == [False, True, True]
        before = found.revision
        found.revision = "b" * 40
        assert pinned(session, DOWNLOAD, kept=pins) == pins
        assert pinned(session, DOWNLOAD).revisions[0].commit == found.revision
        assert pins.revisions[0].commit == before
        nothing = pinned(session, kept=pins)
    assert nothing == HubPins()


def test_a_file_that_is_another_one_by_now_is_an_error(found: Hub, tmp_path: Path) -> None:
    with at(found, tmp_path) as session:
        pins = pinned(session, DOWNLOAD)
        found.files["model.safetensors"] = b"v" * LARGE
        with pytest.raises(MismatchError, match="is not what the lock pins"):
            laid(session, pins, tmp_path / "place", DOWNLOAD)


def test_bytes_that_git_calls_otherwise_are_an_error(found: Hub, tmp_path: Path) -> None:
    found.sibling = lambda name, data: {**sibling(name, data), "blobId": "0" * 40}
    with at(found, tmp_path) as session, pytest.raises(MismatchError) as caught:
        pinned(session, DOWNLOAD)
    assert caught.value.message.startswith("cog.yaml:4: build.run[0]: ")
    assert "git calls it 0000" in caught.value.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("download", "said"),
    [
        (HubDownload(repository="owner/none", cache=CACHE), "no such model"),
        (HubDownload(repository="owner/name", revision="v9", cache=CACHE), "no such model or revision"),
        (HubDownload(repository="owner/name", files=("none.bin",), cache=CACHE), "no file"),
        (HubDownload(repository="owner/name", files=("none.bin", "config.json"), cache=CACHE), "has no file none.bin"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_the_line(
    found: Hub, tmp_path: Path, download: HubDownload, said: str
) -> None:
    with at(found, tmp_path) as session, pytest.raises(InputError) as caught:
        pinned(session, DOWNLOAD, download)
    assert caught.value.message.startswith("cog.yaml:5: build.run[1]: ")
    assert said in caught.value.message


@pytest.mark.slow
def test_a_private_repository_is_read_with_the_users_token_which_is_in_no_pin(tmp_path: Path) -> None:
    with hub(dict(FILES), token="hunter2-and-more") as found:
        with at(found, tmp_path) as session, pytest.raises(CogpackError, match="private"):
            pinned(session, DOWNLOAD)
        with at(found, tmp_path, HF_TOKEN="hunter2-and-more") as session:
            pins = pinned(session, DOWNLOAD)
            root = laid(session, pins, tmp_path / "place", DOWNLOAD)
    assert "hunter2" not in repr(pins)
    assert b"hunter2" not in b"".join(path.read_bytes() for path in files_in(root))


def test_large_files_are_layers_of_their_own_and_never_too_many(found: Hub, tmp_path: Path) -> None:
    whole = "hub: owner/name/model.safetensors"
    names = [f"model-{number:05d}-of-00070.safetensors" for number in range(70)]
    with at(found, tmp_path) as session:
        (one,) = (file for file in pinned(session, DOWNLOAD).files if file.path == "model.safetensors")
        (revision,) = pinned(session, DOWNLOAD).revisions
        revision = msgspec.structs.replace(revision, choices=(LockedHubChoice(count=71),))
        many = [
            msgspec.structs.replace(one, path=path, size=64 * MiB, sha256=f"sha256:{number:064d}")
            for number, path in enumerate(names)
        ]
        made = layers(session, HubPins((revision,), (*many, one)), DOWNLOAD)
    assert [layer.name for layer in made.large[-2:]] == ["hub: owner/name/model-00069-of-00070.safetensors", whole]
    assert len(made.large) <= 33
    entries = [entry.path for layer in made.large for entry in complete(layer.source.entries(), {})]
    assert sum("/blobs/" in path for path in entries) == 71


def test_a_lock_that_does_not_say_it_is_refused(found: Hub, tmp_path: Path) -> None:
    with at(found, tmp_path) as session:
        pins = pinned(session, HubDownload(repository="owner/name", files=("config.json",), cache=CACHE))
        other = HubDownload(repository="owner/name", files=("model.safetensors",), cache=CACHE)
        with pytest.raises(MismatchError, match="does not say what owner/name has on the hub"):
            layers(session, pins, other)


def test_a_file_that_somebody_took_out_of_the_lock_is_missed(found: Hub, tmp_path: Path) -> None:
    with at(found, tmp_path) as session:
        pins = pinned(session, DOWNLOAD)
        for number in range(len(pins.files)):
            left = HubPins(pins.revisions, pins.files[:number] + pins.files[number + 1 :])
            assert left.of(DOWNLOAD) is None
            assert pinned(session, DOWNLOAD, kept=left) == pins


def test_more_files_than_a_lock_can_have_are_left_to_the_library(found: Hub, tmp_path: Path) -> None:
    listed = [HubFile(path=str(n), file=str(n), size=1, revision=found.revision) for n in range(8001)]
    with at(found, tmp_path) as session, patch.object(Server, "list", lambda *_: (found.revision, listed)):
        pins, (sandboxed,) = pin_hub_downloads(session, [(1, DOWNLOAD)], NONE, PLACES)
    assert (pins, sandboxed.step) == (NONE, 1)
    assert "has 8001 files" in sandboxed.why
    assert found.served == {}


@pytest.mark.slow
def test_a_line_that_wants_more_files_than_before_gets_them_all_of_the_pinned_commit(
    found: Hub, tmp_path: Path
) -> None:
    few = HubDownload(repository="owner/name", cache=CACHE, include=("*.json",))
    with at(found, tmp_path) as session:
        before = pinned(session, few)
        assert before.of(DOWNLOAD) is None
        after = pinned(session, DOWNLOAD, few, kept=before)
        assert {file.path for file in after.of(DOWNLOAD) or ()} == FILES.keys()
        assert after.of(few) == before.of(few)
        assert len(after.revisions) == 1
        found.files.clear()
        assert pinned(session, DOWNLOAD, few, kept=after) == after
