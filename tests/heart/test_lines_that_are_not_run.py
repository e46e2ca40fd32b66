"""Lines of `build.run` of which it is known what they do are not run: what they bring is pinned, and laid in layers."""

import hashlib
import io
import json
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from support.fake_http import Answer, Fake, Request, serving
from support.world import Project, World, install_docker, noise, ok, push_image

from cogpack.planning.recipes import lines as line_layers

PGET = "https://github.test/replicate/pget/releases/latest/download/pget_$(uname -s)_$(uname -m)"
WRITTEN = PGET.replace("$(uname -s)_$(uname -m)", "Linux_x86_64")
LASTING = "https://github.test/replicate/pget/releases/download/v0.8.2/pget_Linux_x86_64"
TOOL = b"\x7fELF: pget 0.8.2"


@dataclass
class Outside:
    """Stands for servers of the web, each host below a path of its own. `answers`: by host and path."""

    answers: dict[str, Answer] = field(default_factory=dict)
    fake: Fake | None = None

    def answer(self, request: Request) -> Answer:
        found = self.answers.get(request.path.removeprefix("/"), (404, {}, b"no such page"))
        status, headers, body = found
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")):
            part = body[int(asked[1]) : int(asked[2]) + 1]
            return 206, {"Content-Range": f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(body)}"}, part
        return status, headers, body

    def has(self, url: str, body: bytes, **headers: str) -> None:
        self.answers[url.removeprefix("https://")] = (200, {k.replace("_", "-"): v for k, v in headers.items()}, body)

    @property
    def asked(self) -> list[str]:
        assert self.fake
        return [request.path for request in self.fake.seen]


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    tool = LASTING.removeprefix("https://")
    signed = "https://objects.test/a/pget?X-Sig-Signature=0123456789"
    made.answers |= {
        WRITTEN.removeprefix("https://"): (302, {"Location": LASTING}, b""),
        tool: (302, {"Location": signed}, b""),
        signed.removeprefix("https://"): (200, {"Content-Type": "application/octet-stream"}, TOOL),
    }
    with serving(made.answer) as made.fake:
        yield made


Laying: TypeAlias = Callable[..., Project]


@pytest.fixture
def laying(world: World, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> Laying:
    """Makes a project with these lines, over a base with links and a directory of its own mode, and without programs:
    nothing can be run there."""
    push_image(world.registry, "base/links:v1", [base_tar()])
    assert outside.fake
    hosts = ("github.test", "objects.test", "files.test")
    monkeypatch.setattr(
        type(world),
        "cogpack",
        _mapped(type(world).cogpack, " ".join(f"https://{host}={outside.fake.url}/{host}" for host in hosts)),
    )

    def make(*lines: object, name: str = "model", build: str = "", **files: bytes) -> Project:
        project = world.project(name, files)
        project.write(
            "cog.yaml",
            'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
            f"{build}  run: {json.dumps(lines)}\n"
            f'predict: "predict.py:Predictor"\ncogpack:\n  base: {world.registry}/base/links:v1\n',
        )
        return project

    return make


def _mapped(act: Callable[..., object], url_map: str) -> Callable[..., object]:
    return lambda *args, **more: act(*args, **({"COGPACK_URL_MAP": url_map} | more))


def base_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, mode in (("tmp", 0o1777), ("usr/bin", 0o755), ("usr/local/bin", 0o755), ("data", 0o750)):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            entry.gid = 7 if path == "data" else 0
            archive.addfile(entry)
        for path, data in (
            ("usr/bin/python3.13", b"\x7fELF, or nearly"),
            ("usr/lib/libc.so.6", b"GNU C Library (stand-in) stable release version 2.41.\n"),
            ("root/.bashrc", b"# of the base\n"),
        ):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
        for path, target in (("usr/bin/python3", "python3.13"), ("bin", "usr/bin"), ("models", "data/m"), ("l", "l")):
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return out.getvalue()


LINES = (
    f"curl -o /usr/local/bin/pget -L {PGET}",
    "chmod +x /usr/local/bin/pget",
    "mkdir -p /data/m/deep",
    "echo one > /models/list && echo two >> /models/list",
    "ln -s /usr/local/bin/pget /bin/get",
    "wget -q -O /data/m/deep/w.bin https://files.test/w.bin",
)


def members(world: World, name: str) -> dict[str, tarfile.TarInfo]:
    """The tar members of all our layers."""
    from support import plain

    found: dict[str, tarfile.TarInfo] = {}
    for layer in world.manifest("me/model", name)["layers"][1:]:
        blob = plain.get(f"http://{world.registry}/v2/me/model/blobs/{layer['digest']}").content
        with tarfile.open(fileobj=io.BytesIO(blob), mode="r:*") as archive:
            found |= {member.name: member for member in archive}
    return found


@pytest.mark.slow
def test_a_project_of_known_lines_is_pushed_without_running_anything(
    world: World, outside: Outside, laying: Laying, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.has("https://files.test/w.bin", noise(70_000))
    project = laying(*LINES)
    for name in [name for name in sys.modules if name.startswith("cogpack.sandbox")]:
        monkeypatch.setitem(sys.modules, name, None)  # whoever imports it fails
    first = ok(project.cogpack("push", project.target()))
    files = world.files("me/model", "v1")
    assert files["usr/local/bin/pget"] == TOOL
    assert files["data/m/list"] == b"one\ntwo\n"
    assert files["usr/bin/get"] == "/usr/local/bin/pget"
    assert files["data/m/deep/w.bin"] == noise(70_000)
    there = members(world, "v1")
    assert there["usr/local/bin/pget"].mode == 0o755
    assert (there["data"].mode, there["data"].gid) == (0o750, 7)
    assert there["data/m/deep"].isdir()
    assert "models" not in there
    again = ok(project.cogpack("push", "--locked", project.target("v2"), "--cache-dir", "../other"))
    assert again.digest == first.digest
    lock = project.root / "cogpack.lock"
    decided = lock.read_bytes().partition(b"[results]")[0]
    lock.unlink()
    ok(project.cogpack("lock", "--cache-dir", "../third"))
    assert lock.read_bytes().partition(b"[results]")[0] == decided


@pytest.mark.slow
def test_what_moves_is_asked_for_where_it_stays_and_no_signed_address_is_locked(
    outside: Outside, laying: Laying
) -> None:
    project = laying(*LINES[:2])
    ok(project.cogpack("lock"))
    text = (project.root / "cogpack.lock").read_text()
    assert f'url = "{WRITTEN}", address = "{LASTING}", sha256 = "{hashlib.sha256(TOOL).hexdigest()}"' in text
    assert "0123456789" not in text
    asked = len(outside.asked)
    ok(project.cogpack("build", "-o", "../out", "--cache-dir", "../other"))
    assert outside.asked[asked:][0] == f"/{LASTING.removeprefix('https://')}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("build", "-o", "../out"),
        ("build", "-o", "../out.tar"),
        ("load",),
        ("plan",),
        ("lock",),
        ("lock", "--run"),
        ("lock", "--check"),
        ("push", "REF"),
        ("push", "--rebuild", "REF"),
        ("push", "--dry-run", "REF"),
        ("verify", "REF"),
        ("verify", "--run-steps", "REF"),
        ("inspect", "REF"),
        ("diff", ".", "REF"),
        ("weights", "ls"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_no_verb_runs_anything(
    world: World, laying: Laying, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    install_docker(world.directory, monkeypatch)
    project = laying(*LINES[:5])
    ok(project.cogpack("push", project.target()))
    monkeypatch.setattr("cogpack.planning.steps.run.ran", None)
    ok(project.cogpack(*(project.target() if word == "REF" else word for word in words)))


@pytest.mark.slow
def test_a_file_that_is_another_one_now_is_exit_3_and_upgrade_run_pins_it(outside: Outside, laying: Laying) -> None:
    project = laying("wget -O /data/f https://files.test/f")
    outside.has("https://files.test/f", b"before")
    ok(project.cogpack("lock"))
    locked = (project.root / "cogpack.lock").read_bytes()
    outside.has("https://files.test/f", b"after!")
    asked = len(outside.asked), len(project.world.requests)
    assert "unchanged" in ok(project.cogpack("lock")).err
    assert (len(outside.asked), len(project.world.requests)) == asked, "the base and the file are known"
    assert (project.root / "cogpack.lock").read_bytes() == locked
    done = project.cogpack("build", "-o", "../out", "--cache-dir", "../other")
    assert done.code == 3
    assert "cog.yaml:4:9: build.run[0]: " in done.err
    assert "cogpack lock --upgrade-run" in done.err
    done = ok(project.cogpack("lock", "--upgrade-run"))
    was, now = (hashlib.sha256(data).hexdigest()[:12] for data in (b"before", b"after!"))
    assert f"moved    https://files.test/f {was} -> {now}" in done.err


@pytest.mark.slow
def test_upgrade_run_of_one_command_pins_what_that_brings_and_keeps_all_else(outside: Outside, laying: Laying) -> None:
    project = laying("wget -O /data/f https://files.test/f", "wget -O /data/g https://files.test/g")
    for name in "fg":
        outside.has(f"https://files.test/{name}", b"before")
    ok(project.cogpack("lock"))
    for name in "fg":
        outside.has(f"https://files.test/{name}", b"after!")
    done = ok(project.cogpack("lock", "--upgrade-run", "1"))
    assert "moved    https://files.test/g" in done.err
    assert "https://files.test/f" not in done.err
    done = project.cogpack("lock", "--upgrade-run", "2")
    assert (done.code, "it has build.run[0] to build.run[1]" in done.err) == (2, True), done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ((404, {}, b"no"), 2, "build.run[0]: https://files.test/f"),
        ((403, {}, b"no"), 4, "build.run[0]: https://files.test/f"),
        ((503, {"Retry-After": "0"}, b"later"), 5, "build.run[0]: https://files.test/f"),
    ],
)
def test_a_file_that_can_t_be_had_is_an_error_of_its_step(
    outside: Outside, laying: Laying, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: int, told: str
) -> None:
    monkeypatch.setattr("cogpack.http.backoff", lambda _: 0.0)
    outside.answers["files.test/f"] = answer
    done = laying("wget -O /data/f https://files.test/f").cogpack("lock")
    assert (done.code, told in done.err) == (code, True), done.err


def decided(project: Project) -> list[str]:
    steps = ok(project.cogpack("plan", "--json")).json["steps"]
    return [step["sandboxed"] or "; ".join(step["effect"]) for step in steps]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("curl -o /data/f https://files.test/page", "is a page (text/html) there"),
        ("curl -o /data/f https://files.test/coded", "content coding, gzip"),
        ("curl -o /data/f https://github.test/replicate/pget/releases/latest/download/pget_Linux_x86_64", "without -L"),
        ("curl -o /data/f https://files.test/f?token=abcdefgh", "looks like a secret"),
        ("echo x >> /root/.bashrc", "the base has a file at /root/.bashrc"),
    ],
)
def test_what_is_not_exactly_known_is_run(outside: Outside, laying: Laying, line: str, why: str) -> None:
    outside.has("https://files.test/f", b"a file")
    outside.has("https://files.test/page", b"<html>", Content_Type="text/html; charset=utf-8")
    outside.has("https://files.test/coded", b"\x1f\x8b", Content_Encoding="gzip")
    first, second = decided(laying(line, "echo x > /after"))
    assert why in first
    assert second.endswith("precedes it (cog.yaml:4:9: build.run[0])")


@pytest.mark.slow
def test_the_last_of_two_files_of_one_path_wins_and_keeps_its_mode(
    world: World, outside: Outside, laying: Laying
) -> None:
    outside.has("https://files.test/f", b"fetched")
    project = laying("echo a > /data/f && chmod 700 /data/f", "curl -o /data/f https://files.test/f", "true")
    ok(project.cogpack("push", project.target()))
    assert world.files("me/model", "v1")["data/f"] == b"fetched"
    assert members(world, "v1")["data/f"].mode == 0o700


@pytest.mark.slow
def test_large_files_lie_among_the_weights_and_what_changes_moves_alone(
    world: World, outside: Outside, laying: Laying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_layers, "OWN_LAYER", 50_000)
    outside.has("https://files.test/large.bin", noise(60_000))
    outside.has("https://files.test/small.bin", noise(100))
    outside.has("https://files.test/empty.bin", b"")
    lines = [f"wget -O /data/{name} https://files.test/{name}.bin" for name in ("large", "small", "empty")]
    project = laying(*lines, **{"w.safetensors": noise(1_500_000)})
    ok(project.cogpack("push", project.target()))
    before = layers(world, "v1")
    names = list(before)
    assert [re.sub(r" [0-9.]+$|: .*", "", name) for name in names[1:]] == [
        "venv", "weights", "fetched", "wheels", "files of build.run", "project",
    ]  # fmt: skip
    outside.has("https://files.test/small.bin", noise(100, seed=1))
    ok(project.cogpack("lock", "--upgrade-run"))
    ok(project.cogpack("push", project.target("v2")))
    after = layers(world, "v2")
    assert [name for name in names if before[name] != after[name]] == ["files of build.run"]
    assert world.files("me/model", "v2")["data/empty"] == b""


@pytest.mark.slow
def test_commands_that_are_run_see_known_files_and_are_run_again_when_one_is_another(
    world: World, outside: Outside, laying: Laying, programs: bytes
) -> None:
    push_image(world.registry, "base/links:v1", [programs])
    outside.has("https://files.test/f", b"before")
    project = laying(
        "curl -o /f https://files.test/f",
        "cat /f > /etc/made; echo the step runs",
        **{"w.safetensors": noise(1_500_000)},
    )
    done = ok(project.cogpack("push", project.target()))
    assert "[2/2] the step runs" in done.err
    assert world.files("me/model", "v1")["etc/made"] == b"before"
    assert "the step runs" not in ok(project.cogpack("push", project.target("v2"))).err
    outside.has("https://files.test/f", b"after!")
    assert "the step runs" in ok(project.cogpack("lock", "--upgrade-run")).err
    world.requests.clear()
    ok(project.cogpack("push", project.target("v3")))
    assert world.files("me/model", "v3")["etc/made"] == b"after!"
    before, after = layers(world, "v1"), layers(world, "v3")
    assert sorted(name for name in before if before[name] != after[name]) == ["files of build.run", "run: 1 step"]


def layers(world: World, tag: str) -> dict[str, str]:
    found = world.manifest("me/model", tag)["layers"]
    return {layer.get("annotations", {}).get("dev.cogpack.layer.name", "base"): layer["digest"] for layer in found}


@pytest.mark.slow
def test_a_line_that_writes_where_a_weight_lies_is_refused_by_both_names(outside: Outside, laying: Laying) -> None:
    outside.has("https://files.test/f", b"a file")
    project = laying("mkdir -p /weights && curl -o /weights/w.bin https://files.test/f")
    source = project.root.parent / "stored"
    source.mkdir()
    (source / "w.bin").write_bytes(noise(1000))
    text = (project.root / "cog.yaml").read_text()
    weights = f"weights:\n  - name: m\n    target: /weights\n    source: {{uri: {source}}}\n"
    project.write("cog.yaml", f"{text}model: registry.test/m\n{weights}")
    done = project.cogpack("plan")
    assert done.code == 2
    assert "/weights/w.bin: the managed weight" in done.err
    assert "build.run[0]" in done.err
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", re.sub(r"mkdir -p /weights && curl[^\"]*", "mkdir -p /weights/w.bin", config))
    done = project.cogpack("plan")
    assert done.code == 2
    assert "w.bin and a directory of build.run both want this place" in done.err


@pytest.mark.slow
def test_an_answer_that_breaks_off_goes_on_where_it_was(outside: Outside, laying: Laying, world: World) -> None:
    data = noise(400_000)
    tries: list[str] = []

    def answer(request: Request) -> Answer:
        tries.append(request.headers.get("range", ""))
        if request.headers.get("range"):
            at = int(request.headers["range"].removeprefix("bytes=").partition("-")[0])
            return 206, {"Content-Range": f"bytes {at}-{len(data) - 1}/{len(data)}", "ETag": '"1"'}, data[at:]
        return 200, {"Content-Length": str(len(data)), "ETag": '"1"', "Connection": "close"}, data[:150_000]

    with serving(answer) as fake:
        project = laying("wget -O /data/f https://files.test/f")
        ok(project.cogpack("push", project.target(), COGPACK_URL_MAP=f"https://files.test={fake.url}"))
    assert world.files("me/model", "v1")["data/f"] == data
    assert tries[:1] == [""]
    assert tries[1].startswith("bytes=")
