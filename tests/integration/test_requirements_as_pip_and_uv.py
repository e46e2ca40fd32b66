"""Requirements files that look odd, as people write them, come out as with pip or uv; what both refuse is refused."""

import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import uv
from packaging.utils import canonicalize_name
from support.index import index
from support.wheels import make_wheel

from cogpack.errors import InputError
from cogpack.project import find_project
from cogpack.resolve.wheels.compile import Uv, WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import resolve_wheels
from cogpack.resolve.wheels.target import TargetPython

pytestmark = pytest.mark.integration

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
RELEASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    *(("alpha", version, ("beta>=1",)) for version in ("1.0", "1.5", "2.0", "2.1rc1")),
    *(("beta", version, ()) for version in ("1.0", "2.0", "3.0.dev1")),
    *(("only-pre", version, ()) for version in ("1.0a1", "1.0b2")),
    *(("local", version, ()) for version in ("1.0", "1.0+cu118")),
    *(("post", version, ()) for version in ("1.0", "1.0.post1")),
    *(("epoch", version, ()) for version in ("3.0", "1!0.5")),
    ("Mixed.Case_Name", "1.2", ()),
    ("extra-ful", "1.0", ('beta<2 ; extra == "fast"', 'alpha<2 ; extra == "slow-er"')),
    ("old", "1.0", ("beta<2",)),
    ("new", "1.0", ("beta>=2",)),
    ("ring-a", "1.0", ("ring-b",)),
    ("ring-b", "1.0", ("ring-a",)),
)
WHEEL = "flat-1.0-py3-none-any.whl"
OWN = "own/extra_ful-1.0-py3-none-any.whl"

Files = str | bytes | Mapping[str, str | bytes]
CASES: dict[str, Files] = {
    "CRLF": "alpha==1.0\r\nbeta\r\n",
    "CR": "alpha==1.0\rbeta==1.0\r",
    "a mark of UTF-8": b"\xef\xbb\xbfalpha==1.0\n",
    "UTF-16": "alpha==1.0\nbeta<2\n".encode("utf-16"),
    "a mark, then a comment and a constraint": {
        "requirements.txt": b"\xef\xbb\xbf# ours\n-c c.txt\nalpha\n",
        "c.txt": b"\xef\xbb\xbfbeta<2\r\n",
    },
    "continued": "alpha \\\n  >=1.0 ,\\\n  <2\nbeta\\\n==1.0\n",
    "continued, and a space": "alpha==1.0 \\ \nbeta\n",
    "continued by a comment": "beta==1.0 \\\n# why\nalpha==1.0\n",
    "as pip-compile writes": "alpha==1.0 \\\n    --hash=sha256:{alpha} \\\n    --hash=sha256:"
    + "0" * 64
    + "\n    # via -r in\n"
    "beta==1.0 \\\n    --hash=sha256:{beta}\n    # via alpha\n",
    "a hash in capitals": "beta==1.0 --hash=sha256:{BETA}\n",
    "a hash behind a space": "beta==1.0 --hash sha256:{beta}\n",
    "a wrong hash": "beta==1.0 --hash=sha256:" + "a" * 64 + "\n",
    "files within files": {
        "requirements.txt": "-r req/base.txt\n-c req/c.txt\n",
        "req/base.txt": "-r more/deep.txt\n",
        "req/more/deep.txt": "-c ../c.txt\nalpha\n",
        "req/c.txt": "alpha<2\nbeta<2\n",
    },
    "-rFILE": {"requirements.txt": "-rreq.txt\n-cc.txt\n", "req.txt": "alpha", "c.txt": "alpha<1.5"},
    "--requirement=FILE": {"requirements.txt": "--requirement=r.txt\n", "r.txt": "alpha<2"},
    "a file in quotes": {"requirements.txt": '-r "my reqs/base file.txt"\n', "my reqs/base file.txt": "alpha==1.0\n"},
    "a file that is not there": "-r nowhere.txt\n",
    "markers": 'alpha==1.0 ; python_version >= "3.8" and (sys_platform == "linux" or os_name=="nt")\n'
    'never; sys_platform == "win32"\nbeta<2;python_version<"4" # why\n',
    "a marker that is empty": "beta==1.0;\n",
    "a marker in other quotes": "beta==1.0 ; python_version >= \u201c3.8\u201d\n",
    "an address with a hash": "beta @ {url}/files/beta-1.0-py3-none-any.whl#sha256={beta}\n",
    "an address with a wrong hash": "beta @ {url}/files/beta-1.0-py3-none-any.whl#sha256=" + "0" * 64 + "\n",
    "an address alone, with an egg": "{url}/files/beta-1.0-py3-none-any.whl#egg=beta\n",
    "an address with a query and a marker": "beta @ {url}/files/beta-1.0-py3-none-any.whl?x=1 ; os_name=='posix'\n",
    "an address of a local version": "local @ {url}/files/local-1.0%2Bcu118-py3-none-any.whl\n",
    "an address and a pin": "beta @ {url}/files/beta-1.0-py3-none-any.whl\nbeta==1.0\n",
    "an address and another pin": "beta @ {url}/files/beta-1.0-py3-none-any.whl\nbeta==2.0\n",
    "an address of another": "alpha @ {url}/files/beta-1.0-py3-none-any.whl\n",
    "an address with extras": "extra-ful[fast]@{url}/files/extra_ful-1.0-py3-none-any.whl\n",
    "extras in other spellings": "Extra_Ful[ Fast , SLOW_er ]==1.0\n",
    "no extras in brackets": "beta[]==1.0\n",
    "an extra that is none": "alpha[nope]==1.0\n",
    "twice": "beta==1.0\nBETA==1.0\n",
    "twice, closer": "beta>=1\nbeta<2\n",
    "twice, otherwise": "beta==1.0\nbeta==2.0\n",
    "twice, with extras": "extra-ful==1.0\nextra-ful[fast]\n",
    "two that do not hold together": "old\nnew\n",
    "pre-releases alone": "only-pre\n",
    "a pre-release that is named": "alpha>=2.1rc1\n",
    "--pre": "--pre # so\nalpha\n",
    "names as they come": "mixed-case.NAME\n",
    "versions as they come": "post==1.0\nlocal==1.0\nepoch\nbeta==v1.0\n",
    "operators": "alpha===1.0\nbeta~=1.0\npost!=1.0.post1,\n",
    "stars": "beta==1.*\npost==1.0.*\n",
    "a star too many": "beta>=1.*\n",
    "brackets": "beta (>=1.0,<2)\n",
    "tabs and spaces": "  beta\t==\t1.0   # c\n",
    "a comment that is none": "beta==1.0# c\n",
    "=": "beta=1.0\n",
    "of conda": "beta=1.0=py313_0\n",
    "of conda's pip": "beta @ file:///home/conda/feedstock_root/build_artifacts/beta_1/work\n",
    "a ring": "ring-a\n",
    "links beside a file": {"requirements.txt": "-r req/x.txt\n", "req/x.txt": "-f ./w\nflat\n", f"req/w/{WHEEL}": b""},
    "links of the project": {"requirements.txt": "-r req/x.txt\n", "req/x.txt": "-f w\nflat\n", f"w/{WHEEL}": b""},
    "links with a space": {"requirements.txt": '-f "my w"\nflat\n', f"my w/{WHEEL}": b""},
    "a wheel with a space": {"requirements.txt": f"./my w/{WHEEL}\n", f"my w/{WHEEL}": b""},
    "a wheel by its name": {"requirements.txt": f"{WHEEL}\n", WHEEL: b""},
    "a wheel with a marker": {"requirements.txt": f'./{WHEEL} ; python_version >= "3.8"\n', WHEEL: b""},
    "a wheel that is not for this": {"requirements.txt": f'./{WHEEL} ; os_name == "nt"\nbeta\n', WHEEL: b""},
    "a wheel with extras": {"requirements.txt": f"./{OWN}[fast]\n", OWN: b""},
    "a wheel with a hash": {"requirements.txt": f"./{OWN} --hash=sha256:{{extra_ful}}\n" * 2, OWN: b""},
    "a wheel with a wrong hash": {"requirements.txt": f"./{OWN} --hash=sha256:{'0' * 64}\n", OWN: b""},
    "a wheel by file:": {"requirements.txt": f"extra-ful[fast] @ file:{OWN}\n", OWN: b""},
    "a wheel by file:///": {"requirements.txt": f"extra-ful @ file://{{root}}/{OWN}\n", OWN: b""},
    "a wheel of another name": {"requirements.txt": f"beta @ file:{OWN}\n", OWN: b""},
    "a wheel that a file of a directory names": {
        "requirements.txt": "-r req/x.txt\n",
        "req/x.txt": f"./{WHEEL}\n",
        WHEEL: b"",
    },
    "constraints of who is not there": {"requirements.txt": "-c c.txt\nalpha\n", "c.txt": "never==1\nbeta<2\n"},
    "constraints by address": {
        "requirements.txt": "-c c.txt\nbeta\n",
        "c.txt": "beta @ {url}/files/beta-1.0-py3-none-any.whl\n",
    },
    "nothing": "# nothing\n\n   # here\n",
    "a page of HTML": "<!DOCTYPE html>\n<html>\n",
    "a line of a shell": "pip install beta==1.0\n",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheels")
    for name, version, requires in RELEASES:
        extras = ("fast", "slow-er") if "extra" in name else ()
        make_wheel(directory, name, version, requires=requires, extras=extras)
    make_wheel(directory / "more", "flat")
    return directory


@pytest.fixture(scope="module")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a pip of today: older ones took what is no requirement by now."""
    directory = tmp_path_factory.mktemp("pip")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory), "pip>=25.1"]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("no package index gives pip")
    (wheel,) = directory.glob("pip-*.whl")
    return wheel


@pytest.fixture
def url(wheels: Path) -> Iterator[str]:
    with index(wheels) as (fake, _):
        yield fake.url


@pytest.fixture
def root(request: pytest.FixtureRequest, wheels: Path, url: str, tmp_path: Path) -> Path:
    files = CASES[request.param]
    root = tmp_path / "model"
    places = {path.name.partition("-1.0-")[0]: path for path in wheels.rglob("*-1.0-py3-none-any.whl")}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in places.items()}
    words = {"{url}": url, "{root}": str(root), "{BETA}": hashes["beta"].upper()}
    words |= {f"{{{name}}}": value for name, value in hashes.items()}
    for name, content in (files if isinstance(files, Mapping) else {"requirements.txt": files}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            for word, value in words.items():
                content = content.replace(word, value)
        elif name.endswith(".whl"):
            content = places[Path(name).name.partition("-1.0-")[0]].read_bytes()
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (root / "cog.yaml").write_text(f"build: {{python_version: '{PYTHON}', python_requirements: requirements.txt}}\n")
    return root


def by_pip(pip: Path, root: Path, url: str, work: Path) -> set[str] | None:
    """Give what it would install; None where it refuses."""
    report = work / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary=:all:"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), "PIP_CONFIG_FILE": "/dev/null", "PIP_RETRIES": "0"}
    done = subprocess.run(
        [*command, "--quiet", f"--report={report}", "-r", "requirements.txt"],
        cwd=root,
        env=environment | {"PIP_INDEX_URL": f"{url}/simple", "PYTHONPATH": str(pip)},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        return None
    return _set(one["metadata"] for one in json.loads(report.read_bytes())["install"])


def by_uv(root: Path, url: str, work: Path) -> set[str] | None:
    command = [uv.find_uv_bin(), "--no-config", "pip", "compile", "requirements.txt", "--python", sys.executable]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), "UV_CACHE_DIR": str(work / "uv")}
    done = subprocess.run(
        [*command, "--no-python-downloads", "--only-binary=:all:", "--format=pylock.toml", "--quiet"],
        cwd=root,
        env=environment | {"UV_DEFAULT_INDEX": f"{url}/simple", "UV_HTTP_RETRIES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return _set(tomllib.loads(done.stdout).get("packages", [])) if done.returncode == 0 else None


def by_us(root: Path, url: str, work: Path) -> set[str] | None:
    environment = {"UV_DEFAULT_INDEX": f"{url}/simple", "UV_HTTP_RETRIES": "0", "HOME": str(work)}
    try:
        found = find_project(root).requirements()
        resolved = resolve_wheels(
            WheelQuestion(requirements=found.lines, constraints=found.constraints, root=root),
            Uv(
                target=TargetPython(python=PYTHON, glibc="2.36", arch="amd64"),
                indexes=Indexes.from_environment(environment, found, root),
                cache=work / "scratch",
                metadata=work / "metadata",
            ),
        )
        if found.sources:
            return None
    except InputError:
        return None
    return {f"{wheel.name}=={wheel.version}" for wheel in resolved.wheels}


def _set(packages: Iterator[Mapping[str, str]] | list[Mapping[str, str]]) -> set[str]:
    return {f"{canonicalize_name(one['name'])}=={one['version']}" for one in packages}


@pytest.mark.parametrize("root", CASES, indirect=True)
def test_a_file_is_read_as_pip_or_uv_read_it(root: Path, url: str, pip_wheel: Path, tmp_path: Path) -> None:
    pip, uv_, ours = (by(root, url, tmp_path) for by in (partial(by_pip, pip_wheel), by_uv, by_us))
    assert ours in (pip, uv_)
    assert ours is not None or pip is None, "pip takes it"
