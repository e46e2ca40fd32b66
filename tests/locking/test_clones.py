"""A clone that is laid is what git itself makes of the same line, but for what git makes anew each time."""

import hashlib
import json
import os
import shutil
import subprocess
import threading
import zlib
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock, patch

import msgspec
import pytest

from cogpack.cache.sweep import items
from cogpack.config.parse import parse_config
from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.layers.clones import CloneSource
from cogpack.layers.entry import Complete, Directory, File, Symlink, complete
from cogpack.lockfile import LockedClone, LockedPlace, LockedSandboxed, LockedSubmodule
from cogpack.lockfile.base_kinds import DebianBase, RegistryBase
from cogpack.locking.lines.cloned import make_mirrors, open_pinned, read_in_clone
from cogpack.locking.lines.ground import debian_place
from cogpack.locking.lines.known_files import KnownFiles, known_files
from cogpack.locking.lines.pin_clones import pin_clones
from cogpack.locking.lines.read import Lines, Remaining
from cogpack.progress import Cancelled
from cogpack.run_lines import Clone, KnownStep, StepEffect, Surroundings
from cogpack.run_lines.known import meaning
from cogpack.run_lines.site import Site
from cogpack.session import Session, Settings
from tests.support.git_server import GitServer, git_server, plain_environment

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")

DEBIAN = Mock(spec=DebianBase, installed=())
"""A base that has no git-lfs."""
LONG = b"".join(b"line %d of a file that changes in a few places\n" % number for number in range(400))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """Serve `project`, which has a history, and `part` and `inner`, which are its submodules."""
    with git_server(tmp_path_factory.mktemp("served")) as found:
        found.commit("inner", {"i": b"inner"})
        found.git("inner", "tag", "-a", "-m", "one", "i1")
        found.commit("part", {"p": b"part", ".gitmodules": b'[submodule "in"]\n\tpath = in\n\turl = ../inner.git\n'})
        inner = found.git("inner", "rev-parse", "HEAD")
        found.git("part", "update-index", "--add", "--cacheinfo", f"160000,{inner},in")
        found.git("part", "commit", "-qm", "inner")
        found.git("part", "tag", "p1")
        files = {"README": LONG, "run": b"#!/bin/sh\n", "link": "a/b/deep", "a/b/deep": b"deep\n", "empty": b""}
        found.commit("project", files, at=1_700_000_000)
        found.git("project", "tag", "-a", "-m", "first", "v1.0", at=1_700_000_001)
        found.git("project", "branch", "old")
        found.commit("project", {"README": LONG.replace(b"line 7 ", b"LINE 7 ")}, at=1_700_000_002)
        found.git("project", "checkout", "-qb", "side", "old")
        found.commit("project", {"of-side": b"side"}, at=1_700_000_003)
        found.git("project", "tag", "on-the-side", at=1_700_000_003)
        found.git("project", "checkout", "-q", "main")
        words = LONG.replace(b"line 300 ", b"") + b"end"
        found.commit("project", {"README": words, "a/b/deep": None, "a/new": b"\0\1" * 9000}, at=1_700_000_004)
        found.git("project", "merge", "-q", "side", "-m", "merged", at=1_700_000_005)
        found.commit("with-parts", {".gitmodules": b'[submodule "x/part"]\n\tpath = parts/p\n\turl = ../part\n'})
        part = found.git("part", "rev-parse", "HEAD")
        found.git("with-parts", "update-index", "--add", "--cacheinfo", f"160000,{part},parts/p")
        found.git("with-parts", "commit", "-qm", "with a part")
        yield found


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(environment=plain_environment(tmp_path), cache=tmp_path / "cache")) as found:
        yield found


def effect_of(line: str) -> Clone:
    found = meaning(line, Site(surroundings=Surroundings()))
    assert isinstance(found, KnownStep), found
    (effect,) = found.effects
    assert isinstance(effect, Clone)
    return effect


def look(path: str) -> LockedPlace | None:
    """Look at a base where /models is a link."""
    return LockedPlace(path=path, kind="symlink", target="data") if path == "models" else debian_place(path)


def pins_of(
    session: Session,
    line: str,
    kept: tuple[LockedClone, ...] = (),
    *,
    large_files: bool = False,
    more: str = "",
    config: str = "",
) -> tuple[tuple[LockedClone, ...], tuple[LockedSandboxed, ...]]:
    """Pin what a line clones; `more`: a command that is run after it; `config`: more of cog.yaml."""
    text = f"build:\n  run: {json.dumps([line, *([more] if more else [])])}\npredict: predict.py:P\n{config}"
    parsed = parse_config(text.encode())
    lines = Lines(
        effects=(StepEffect(0, effect_of(line)),),
        remaining=(Remaining(1, parsed.run[1]),) if more else (),
    )
    base = Mock(spec=RegistryBase) if large_files else DEBIAN
    made = known_files(lines.effects, look)
    assert isinstance(made, KnownFiles)
    return pin_clones(session, parsed, base, lines, made.clones, kept)


def pinned(session: Session, line: str, *, large_files: bool = False) -> LockedClone:
    pins, refused = pins_of(session, line, large_files=large_files)
    assert not refused, refused
    return pins[0]


def refusal(session: Session, line: str, *, large_files: bool = False, more: str = "", config: str = "") -> str:
    pins, refused = pins_of(session, line, large_files=large_files, more=more, config=config)
    assert not pins
    return refused[0].why


def source_of(session: Session, pin: LockedClone) -> CloneSource:
    return CloneSource(pin, pin.directory, open_pinned(make_mirrors(session)), spool=session.cache)


def entries_of(session: Session, pin: LockedClone) -> Complete:
    return complete(source_of(session, pin).entries(), {})


def digest(entries: Complete) -> str:
    found = hashlib.sha256()
    for entry in entries:
        found.update(repr((type(entry).__name__, entry.path, getattr(entry, "mode", 0))).encode())
        if isinstance(entry, File):
            with entry.content.open() as stream:
                found.update(stream.read())
    return found.hexdigest()


def lay(entries: Complete, root: Path) -> None:
    for entry in entries:
        path = root / entry.path
        match entry:
            case Directory():
                path.mkdir(parents=True, exist_ok=True)
            case Symlink(target=target):
                path.symlink_to(target)
            case File(content=content, mode=mode):
                with content.open() as stream:
                    path.write_bytes(stream.read())
                path.chmod(mode)


def ask(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=root, env=plain_environment(root.parent), capture_output=True, text=True, check=False
    )
    return f"{done.returncode} {done.stdout}{done.stderr}"


def tree_of(root: Path) -> dict[str, tuple[int, bytes]]:
    found = {}
    for directory, names, files in os.walk(root):
        if ".git" in names:
            names.remove(".git")
        for name in [*files, *names]:
            path = Path(directory, name)
            if name == ".git":
                data = path.read_bytes()
            else:
                data = bytes(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(root))] = path.lstat().st_mode, data
    return found


QUESTIONS = (
    ("status", "--porcelain=v2", "--branch", "--untracked-files=all"),
    ("diff", "HEAD"),
    ("log", "--format=%H %T %P %s", "--stat"),
    ("rev-parse", "HEAD", "HEAD^{tree}"),
    ("describe", "--always"),
    ("describe", "--tags", "--long", "--always"),
    ("symbolic-ref", "HEAD"),
    ("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}"),
    ("config", "remote.origin.url"),
    ("config", "remote.origin.fetch"),
    ("fsck", "--strict", "--full", "--no-dangling"),
)
OF_SUBMODULES = (
    ("submodule", "status", "--recursive"),
    (
        "submodule",
        "foreach",
        "--recursive",
        "--quiet",
        "git status --porcelain; git log --format=%H; git fsck --strict",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "URL/project.git HERE",
        pytest.param("-b side URL/project HERE", marks=pytest.mark.slow),
        pytest.param("--single-branch URL/project HERE", marks=pytest.mark.slow),
        pytest.param("--depth 1 URL/project HERE", marks=pytest.mark.slow),
        "--depth=2 -b side URL/project HERE",
        pytest.param("-b v1.0 URL/project HERE", marks=pytest.mark.slow),
        pytest.param("-b v1.0 --depth 1 URL/project HERE", marks=pytest.mark.slow),
        "URL/project HERE && cd HERE && git checkout v1.0",
        pytest.param("URL/project HERE && cd HERE && git checkout side", marks=pytest.mark.slow),
        "URL/project HERE && cd HERE && git reset -q --hard v1.0",
        pytest.param("-b side URL/project HERE && git -C HERE reset -q --hard HEAD", marks=pytest.mark.slow),
        "--recursive URL/with-parts.git HERE",
        pytest.param("--recursive --shallow-submodules URL/with-parts.git HERE", marks=pytest.mark.slow),
        pytest.param("URL/with-parts.git HERE", marks=pytest.mark.slow),
    ],
)
def test_a_laid_clone_is_what_git_makes(words: str, server: GitServer, session: Session, tmp_path: Path) -> None:
    here, there = tmp_path / "laid", tmp_path / "real" / "clone"
    there.parent.mkdir()
    line = f"git clone -q {words}".replace("URL", server.address)
    pin = pinned(session, line.replace("HERE", "/x/clone"))
    lay(entries_of(session, pin), here)
    subprocess.run(
        ["sh", "-c", f"umask 022; {line.replace('HERE', str(there))}"],
        env=plain_environment(tmp_path),
        check=True,
        capture_output=True,
    )
    laid = here / "x" / "clone"
    assert tree_of(laid) == tree_of(there)
    for question in (*QUESTIONS, *(OF_SUBMODULES if "with-parts" in words else ())):
        assert ask(laid, *question) == ask(there, *question), question
    assert ask(laid, "status", "--porcelain") == "0 "
    assert ask(laid, "pull", "--ff-only")[0] == ask(there, "pull", "--ff-only")[0]


@pytest.mark.slow
def test_how_a_copy_of_a_repository_is_packed_does_not_matter(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    pin = pinned(session, f"git clone {server.address}/project /x")
    source = source_of(session, pin)
    first = digest(complete(source.entries(), {}))
    mirror = make_mirrors(session).directory(pin.url, [pin.commit])
    for words in ("-adfq --window=1 --depth=1", "-adfq --window=50 --depth=9"):
        subprocess.run(["git", "repack", *words.split()], cwd=mirror, env=plain_environment(tmp_path), check=True)
        assert digest(entries_of(session, pin)) == first
    shutil.rmtree(mirror)
    assert digest(entries_of(session, pin)) == first, "fetched again by the pins alone"
    assert source.key() == source_of(session, pin).key()


@pytest.mark.slow
def test_a_pin_is_kept_while_its_line_is_the_same_and_no_server_is_asked(server: GitServer, session: Session) -> None:
    line = f"git clone -b side {server.address}/project /x"
    pins, _ = pins_of(session, line)
    asked = len(server.requests)
    assert pins_of(session, line, pins) == (pins, ())
    assert len(server.requests) == asked
    assert pins_of(session, line.replace("-b side", "-b side --depth 2"), pins)[0] != pins


@pytest.mark.slow
def test_a_clone_whose_other_branches_a_command_may_look_for_is_left_to_git(
    server: GitServer, session: Session
) -> None:
    line = f"git clone {server.address}/project /x"
    for more in ("cd /x && git checkout side && make", "git -C /x merge origin/side | cat"):
        assert "its other branches" in refusal(session, line, more=more)
    for more in (
        "git lfs install",
        "cd /x && git status && make",
        "git clone https://h.example/b && cd b && git checkout a | a",
    ):
        assert pins_of(session, line, more=more)[0]


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["v1.0", "side", "origin/side", "main", "on-the-side", "HEAD"])
def test_a_revision_is_the_one_that_git_checks_out(
    revision: str, server: GitServer, session: Session, tmp_path: Path
) -> None:
    pin = pinned(session, f"git clone {server.address}/project /x && cd /x && git checkout {revision}")
    server.git("project", "clone", "-q", ".", str(tmp_path / "clone"))
    assert ask(tmp_path / "clone", "checkout", "-q", revision) == "0 "
    assert ask(tmp_path / "clone", "rev-parse", "HEAD") == f"0 {pin.commit}\n"
    assert ask(tmp_path / "clone", "symbolic-ref", "HEAD")[0] == ("0" if pin.branch else "1")


@pytest.mark.slow
def test_a_commit_that_no_branch_ends_in_is_found_by_the_beginning_of_its_name(
    server: GitServer, session: Session
) -> None:
    commit = server.git("project", "rev-parse", "main~1")
    for name in (commit, commit[:9]):
        pin = pinned(session, f"git clone {server.address}/project /x && cd /x && git checkout {name}")
        assert (pin.commit, pin.branch) == (commit, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("-b nowhere URL/project /x", "no branch or tag nowhere"),
        ("URL/project /x && cd /x && git checkout README", "a file README"),
        ("URL/project /x && cd /x && git checkout nowhere", "no commit, tag or branch nowhere"),
        ("--depth 1 URL/project /x && cd /x && git checkout v1.0", "a part of it"),
        ("-b side URL/project /x && cd /x && git reset --hard main", "not in the history of side"),
        ("-b v1.0 URL/project /x && cd /x && git reset --hard main", "moves no branch"),
    ],
)
def test_what_git_would_not_do_or_not_so_is_left_to_git(
    words: str, why: str, server: GitServer, session: Session
) -> None:
    assert why in refusal(session, f"git clone {words}".replace("URL", server.address))


@pytest.mark.parametrize("written", ["/data/x", "/models/x"])
def test_a_clone_that_reaches_the_place_of_a_weight_is_left_to_git(written: str, session: Session) -> None:
    weights = "model: h.example/m\nweights:\n  - {name: w, target: /data/x/w, source: {uri: ./w}}\n"
    assert "the managed weight" in refusal(session, f"git clone https://h.example/p {written}", config=weights)


def test_a_submodule_that_leads_elsewhere_is_not_followed(server: GitServer, session: Session) -> None:
    text = b'[submodule "a"]\n\tpath = p\n\turl = file:///etc\n'
    server.commit("evil", {".gitmodules": text})
    part = server.git("part", "rev-parse", "HEAD")
    server.git("evil", "update-index", "--add", "--cacheinfo", f"160000,{part},p")
    server.git("evil", "commit", "-qm", "p")
    assert "no address of http" in refusal(session, f"git clone --recursive {server.address}/evil /x")
    pinned(session, f"git clone {server.address}/evil /x")


def test_a_submodule_that_nobody_names_is_left_to_git(server: GitServer, session: Session) -> None:
    server.commit("nameless", {"a": b"a"})
    part = server.git("part", "rev-parse", "HEAD")
    server.git("nameless", "update-index", "--add", "--cacheinfo", f"160000,{part},p")
    server.git("nameless", "commit", "-qm", "p")
    assert "does not name" in refusal(session, f"git clone --recursive {server.address}/nameless /x")


def test_a_tree_that_leaves_its_directory_is_not_laid(server: GitServer, session: Session) -> None:
    blob = server.commit("tree", {"a": b"a"}) and server.git("tree", "rev-parse", "HEAD:a")
    place = server.root / "tree.object"
    place.write_bytes(b"100644 .GiT\0" + bytes.fromhex(blob))
    oid = server.git("tree", "hash-object", "-t", "tree", "-w", "--literally", str(place))
    server.git("tree", "reset", "-q", "--soft", server.git("tree", "commit-tree", oid, "-m", "evil"))
    assert "which git refuses" in refusal(session, f"git clone {server.address}/tree /x")


@pytest.mark.slow
def test_what_git_lfs_stores_is_left_to_git_where_the_image_may_have_it(server: GitServer, session: Session) -> None:
    server.commit("large", {".gitattributes": b"*.bin filter=lfs -text\n", "a.bin": b"a"})
    line = f"git clone {server.address}/large /x"
    assert "the filter 'lfs'" in refusal(session, line, large_files=True)
    pinned(session, line, large_files=False)
    pinned(session, f"GIT_LFS_SKIP_SMUDGE=1 {line}", large_files=True)


def test_a_server_that_is_away_is_no_reason_to_run_the_line(server: GitServer, session: Session) -> None:
    line = f"git clone {server.address}/project /x"
    with patch.object(server, "away", True), patch.object(session.cancellation, "wait"):
        with pytest.raises(UnavailableError):
            pinned(session, line)
    assert sum("/project/" in path for path in server.requests[-3:]) == 3, "asked three times"


@pytest.mark.slow
def test_two_runs_fetch_into_one_cache(server: GitServer, session: Session, tmp_path: Path) -> None:
    line = f"git clone {server.address}/project /x"
    with (
        Session(Settings(environment=plain_environment(tmp_path), cache=tmp_path / "cache")) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        first, second = pool.map(lambda one: digest(entries_of(one, pinned(one, line))), (session, other))
    assert first == second
    (mirror,) = [item for item in items(tmp_path / "cache") if item.kind == "git repositories"]
    assert mirror.files > 4


@pytest.mark.slow
def test_ctrl_c_ends_a_fetch_and_leaves_no_git_behind(server: GitServer, session: Session) -> None:
    with patch.object(server, "hold", threading.Event()) as held, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pinned, session, f"git clone {server.address}/project /x")
        assert server.held.acquire(timeout=20)
        session.cancellation.cancel()
        with pytest.raises(Cancelled):
            waiting.result(timeout=20)
        held.set()
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert server.address not in left


@pytest.mark.slow
def test_an_object_that_is_another_is_an_error(server: GitServer, session: Session) -> None:
    pin = pinned(session, f"git clone {server.address}/project /x")
    mirror = make_mirrors(session).directory(pin.url, [pin.commit])
    readme = server.git("project", "rev-parse", "HEAD:README")
    loose = mirror / "objects" / readme[:2] / readme[2:]
    loose.parent.mkdir(exist_ok=True)
    loose.write_bytes(zlib.compress(b"blob 4\0evil"))
    for pack in (mirror / "objects" / "pack").glob("*.idx"):  # so that the loose one is found
        objects = pack.with_suffix(".pack").read_bytes()
        for file in pack.parent.glob(f"{pack.stem}.*"):
            file.unlink()
        subprocess.run(
            ["git", f"--git-dir={mirror}", "unpack-objects", "-q"],
            input=objects,
            env=plain_environment(mirror),
            check=True,
        )
    with pytest.raises(MismatchError, match=r"has the contents of|can't be read"):
        digest(entries_of(session, pin))


def test_nobody_is_asked_for_a_password(server: GitServer, session: Session) -> None:
    with patch.object(server, "secret", "Basic"), pytest.raises(DeniedError, match="access"):
        pinned(session, f"git clone {server.address}/project /x")


def test_the_users_own_login_is_used_and_stays_out_of_the_image(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cr3t\n")
    secret = b64encode(b"me:s3cr3t").decode()
    with patch.object(server, "secret", secret):
        pin = pinned(session, f"git clone {server.address}/project /x")
        entries = entries_of(session, pin)
    for entry in entries:
        if isinstance(entry, File) and entry.content.size < 10_000:
            with entry.content.open() as stream:
                data = stream.read()
            assert b"s3cr3t" not in data
            assert secret.encode() not in data


def test_a_repository_that_is_not_there_names_the_step(server: GitServer, session: Session) -> None:
    with pytest.raises(InputError) as caught:
        pinned(session, f"git clone {server.address}/nowhere /x")
    assert caught.value.message.startswith("cog.yaml:2:9: build.run[0]: ")
    assert "/nowhere: there is no such repository" in caught.value.message


@pytest.mark.slow
def test_a_mapped_address_is_asked_for_and_the_written_one_is_in_the_image(server: GitServer, tmp_path: Path) -> None:
    environment = {
        **plain_environment(tmp_path),
        "COGPACK_URL_MAP": f"https://git.example/hub={server.address}",
    }
    settings = Settings(
        environment=environment,
        cache=tmp_path / "cache",
        insecure_registries=frozenset({server.address.removeprefix("http://")}),
    )
    with Session(settings) as session:
        pin = pinned(session, "git clone https://git.example/hub/project.git /x")
        config = next(entry for entry in entries_of(session, pin) if entry.path == "x/.git/config")
        assert isinstance(config, File)
        assert b"url = https://git.example/hub/project.git\n" in config.content.open().read()


def test_no_hook_of_the_users_is_run_and_no_other_transport(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    hook = tmp_path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {told}\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f'[core]\n\thooksPath = {hook.parent}\n\tfsmonitor = "touch {told}; false"\n'
        f'[url "ext::sh -c touch% {told}"]\n\tinsteadOf = {server.address}/evil-transport\n'
    )
    entries_of(session, pinned(session, f"git clone {server.address}/project /x"))
    with pytest.raises(InputError, match="by ext"):
        pinned(session, f"git clone {server.address}/evil-transport /x")
    assert not told.exists()


def test_a_file_of_a_clone_is_read_as_it_lies_in_the_image(server: GitServer, session: Session) -> None:
    server.commit("reads", {"d/r.txt": b"six\n", "l": "d", "up": "../x/d/r.txt", "abs": "/x/d/r.txt", "out": "/etc/no"})
    pin = pinned(session, f"git clone {server.address}/reads /x")
    opened = open_pinned(make_mirrors(session))
    for path in ("/x/d/r.txt", "/x/l/r.txt", "/x/up", "/x/abs"):
        assert read_in_clone(opened, pin, path) == b"six\n", path
    for path in ("/x/out", "/x/d", "/x/none", "/x/d/../../etc/passwd", "/y"):
        assert read_in_clone(opened, pin, path) is None, path


@pytest.mark.parametrize("name", ["..", "a/../b", "/a", "a/", 'x"]\n[core]\n\tfsmonitor = "y', "a\nb"])
def test_a_submodule_s_name_in_a_lock_is_a_plain_path_and_no_other_section_of_gits_config(name: str) -> None:
    pin = {"path": "p", "url": "https://h.example/p", "commit": "a" * 40}
    assert msgspec.convert({**pin, "name": "x y/part-1.2"}, LockedSubmodule).name == "x y/part-1.2"
    with pytest.raises(msgspec.ValidationError, match="name"):
        msgspec.convert({**pin, "name": name}, LockedSubmodule)
