"""What a line is known to do is what the real programs do with it, where they are here."""

import os
import re
import runpy
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from cogpack.run_lines import (
    Clone,
    Fetch,
    HubDownload,
    KnownStep,
    Link,
    MakeDirectories,
    PipInstall,
    SetMode,
    Surroundings,
    WriteText,
)
from cogpack.run_lines.known import UnknownStep, meaning
from cogpack.run_lines.site import Site


class Files(BaseHTTPRequestHandler):
    """Answers each address with itself; below /moved, with where it moved."""

    repository: Path | None = None

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        body = self.path.encode()
        if self.path.startswith("/o/name.git/"):
            assert self.repository is not None
            file = self.repository / self.path.partition("?")[0].removeprefix("/o/name.git/")
            if not file.is_file():
                self.send_error(404)
                return
            body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def tmp_path(on_disk: Path) -> Path:
    return on_disk


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(line: str, root: Path) -> None:
    """Run a line in the directory `root/src`, with the umask of a build step."""
    (root / "src").mkdir()
    (root / "here").mkdir()
    environment = {"HOME": str(root / "root"), "PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["sh", "-c", f"umask 022; {line}"], cwd=root / "src", env=environment, check=True, capture_output=True
    )


LINES = [
    "mkdir HERE/a HERE/b && mkdir -p HERE/c/d HERE/a",
    "echo a 'b  c' > HERE/x; echo d >> HERE/x",
    "printf '%s-%s\\n' a b c > HERE/x && chmod 4755 HERE/x && chmod g-x,o=r HERE/x",
    "true > HERE/x > HERE/y",
    "ln -s ../a HERE/x && ln -sf b/c HERE/",
    "mkdir HERE/d && ln -s /x/y HERE/d; ln -sT z HERE/e",
    "curl -o HERE/x URL/a/b && chmod +x HERE/x",
    "curl -sSL URL/moved/a/b?c=d -oHERE/x",
    "cd HERE && curl -fLO URL/a/b.bin --retry 2",
    "mkdir -p HERE/d/e && curl -L --create-dirs --output HERE/d/e/x URL/a",
    "curl -L --output-dir HERE -O URL/a/b --compressed",
    "wget -O HERE/x URL/a/b?c=d",
    "wget -q URL/moved/a/b.bin -P HERE/d",
    "cd HERE && wget -nv URL/a/b.bin URL/c.bin",
    "wget -qO HERE/x URL/a && chmod a=rx HERE/x",
    "git clone -q URL/o/name.git HERE/x && cd HERE/x && git checkout -q v1",
    "cd HERE && git clone URL/o/name.git/ && git -C name checkout -q v2",
    "cd HERE && git clone -b v1 URL/o/name.git && cd name && git reset --hard v2",
]


@pytest.fixture(scope="module")
def _repository(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Serve a repository with two tags, as files."""
    if not shutil.which("git"):
        return
    root = tmp_path_factory.mktemp("repository")
    commit = "git -c user.name=a -c user.email=b commit -q --allow-empty -m"
    line = f"git init -q a && cd a && {commit} 1 && git tag v1 && {commit} 2 && git tag v2 && cd .."
    line += " && git clone -q --bare a b && cd b && git update-server-info"
    subprocess.run(["sh", "-c", line], cwd=root, check=True, capture_output=True)
    Files.repository = root / "b"


@pytest.mark.slow
@pytest.mark.usefixtures("_repository")
@pytest.mark.parametrize("line", LINES)
def test_a_line_does_what_it_is_known_to_do(line: str, server: str, tmp_path: Path) -> None:
    if missing := [name for name in ("curl", "wget", "git") if f"{name} " in line and not shutil.which(name)]:
        pytest.skip(f"{missing[0]} is not installed")
    line = line.replace("HERE", str(tmp_path / "here")).replace("URL", server)
    start = str(tmp_path / "src")
    found = meaning(line, Site(surroundings=Surroundings(directory=start, project=start)))
    assert isinstance(found, KnownStep), found
    run(line, tmp_path)
    assert not list((tmp_path / "src").iterdir())
    written: dict[str, str] = {}
    for effect in found.effects:
        match effect:
            case Fetch(url=url, path=path, mode=mode):
                asked = url.removeprefix(server)
                assert Path(path).read_text() == (asked.removeprefix("/moved") if effect.redirects else asked)
                assert stat.S_IMODE(Path(path).stat().st_mode) == mode
            case MakeDirectories(paths=paths):
                assert all(Path(path).is_dir() for path in paths)
            case WriteText(path=path, text=text, append=append):
                written[path] = written.get(path, "") + text if append else text
                assert append or stat.S_IMODE(Path(path).stat().st_mode) == effect.mode
            case Link(target=target, path=path):
                assert str(Path(path).readlink()) == target
            case Clone(directory=directory, revision=revision, branch=branch):
                head = ["git", "-C", directory, "rev-parse", "HEAD", f"{revision or branch}^{{commit}}"]
                first, second = subprocess.run(head, check=True, capture_output=True, text=True).stdout.split()
                assert first == second
            case _:
                assert not isinstance(effect, SetMode), "done to the file that it means"
    assert {path: Path(path).read_text() for path in written} == written


@given(
    st.dictionaries(
        st.sampled_from(["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"]),
        st.sampled_from(["/x", "/y/z"]),
    )
)
def test_the_hubs_cache_is_where_its_library_has_it(environment: dict[str, str]) -> None:
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")
    line = "hf download owner/model"
    found = meaning(line, Site(surroundings=Surroundings(environment={"HOME": "/h", **environment})))
    with patch.dict(os.environ, {"HOME": "/h", **environment}, clear=True):
        expected = runpy.run_path(constants.__file__)["HF_HUB_CACHE"]
    assert found == KnownStep((HubDownload(repository="owner/model", cache=expected),))


FLAGS = "-U --upgrade --no-deps --pre --force-reinstall -I -q -v -qU --no-index --no-build-isolation --prefer-binary"
FLAGS += " --no-cache-dir --disable-pip-version-check --require-hashes --no-color -vq --no-input --no-compile -- a"
VALUED = [
    "'b[c]==1'",
    "'d>=1,<2'",
    "-i https://h.example/a",
    "-ihttps://h.example/b",
    "--index-url=https://h.example/c",
]
VALUED += ["--extra-index-url https://h.example/d", "--extra-index-url=https://h.example/e", "-f https://h.example/f"]
VALUED += ["-r x/r.txt", "--requirement=y.txt", "-c c.txt", "--upgrade-strategy eager", "--trusted-host h.example"]
VALUED += ["--timeout 5", "--only-binary :all:", "--no-binary a,b", "--root-user-action ignore", "--progress-bar off"]
ARGUMENTS = st.sampled_from([*FLAGS.split(), *VALUED])


@pytest.mark.slow
@given(st.lists(ARGUMENTS, min_size=1, max_size=6))
def test_options_of_pip_are_read_as_pip_reads_them(arguments: list[str]) -> None:
    install = pytest.importorskip("pip._internal.commands.install", reason="pip's own parser is not installed")
    line = f"pip install {' '.join(arguments)}"
    found = meaning(line, Site(surroundings=Surroundings()))
    if isinstance(found, UnknownStep):
        assert found.why == "pip install names no package" or re.search(
            r"is no requirement|has no value|is no file that", found.why
        )
        return
    (effect,) = found.effects
    assert isinstance(effect, PipInstall)
    words = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {' '.join(arguments)}"], capture_output=True, text=True, check=True
    )
    with patch.dict(os.environ, {"PIP_CONFIG_FILE": os.devnull}):
        options, operands = install.InstallCommand("install", "", isolated=True).parse_args(words.stdout.splitlines())
    assert [each.text for each in effect.requirements] == [str(Requirement(operand)) for operand in operands]
    assert list(effect.files) == [f"/src/{name}" for name in options.requirements]
    assert list(effect.constraints) == [f"/src/{name}" for name in options.constraints]
    assert effect.options.index_url in (options.index_url, None)
    assert effect.options.index_url is not None or options.index_url == "https://pypi.org/simple"
    assert list(effect.options.extra_index_urls) == options.extra_index_urls
    assert list(effect.options.find_links) == options.find_links
    assert effect.options.no_index == options.no_index
    assert effect.options.pre == bool(options.pre)
    assert effect.options.require_hashes == options.require_hashes
    assert effect.upgrade == bool(options.upgrade)
    assert effect.eager == (options.upgrade_strategy == "eager")
    assert effect.dependencies == (not options.ignore_dependencies)
    assert effect.force_reinstall == bool(options.force_reinstall)
    assert effect.ignore_installed == bool(options.ignore_installed)
    assert effect.build_isolation == bool(options.build_isolation)
    assert effect.prefer_binary == options.prefer_binary
