"""Projects that name sources by their place: what is resolved with their wheels, and what pip lines make of them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest
from support.building import FakeBuilder
from support.git_server import GitServer, git_server
from support.sources import make_sdist
from support.wheels import make_wheel
from support.world import World

from cogpack.errors import InputError
from cogpack.lockfile import Decisions, GitSource, IndexSource, Lock
from cogpack.locking.decide import resolve_lock
from cogpack.locking.lines.pip.sources import check_environment
from cogpack.locking.upgrade import Upgrade
from cogpack.locking.wheels.building import Building
from cogpack.project import find_project
from cogpack.resolve.pip import UnforeseenError
from cogpack.run_lines import PipInstall
from cogpack.session import Session, Settings

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")

PLATFORM = "linux/amd64"


def package(name: str, version: str, *requires: str) -> bytes:
    extra = '[project.optional-dependencies]\nmore = ["beside"]\n'
    return f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = {json.dumps(requires)}\n{extra}'.encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with git_server(tmp_path_factory.mktemp("served")) as found:
        found.commit("pkg", {"pyproject.toml": package("pkg", "2.0", "dep<2"), "pkg.py": b"", "r.txt": b"beside\n"})
        found.commit("ops", {"pyproject.toml": package("ops", "1.0", "dep<2") + b"[tool.wants]\ntorch = true\n"})
        found.commit("hard", {"setup.py": b"import torch\n"})
        yield found


@dataclass
class Made:
    """Makes locks of one project. `builder`: of the last of them."""

    world: World
    builder: FakeBuilder | None = None

    def lock(self, *requirements: str, run: tuple[str, ...] = (), previous: Lock | None = None, **more: bool) -> Lock:
        lines = "".join(f"    - {json.dumps(line)}\n" for line in run)
        text = (
            'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
            + (f"  run:\n{lines}" if lines else "")
            + f'predict: "predict.py:Predictor"\ncogpack:\n  base: {self.world.registry}/base/python:v1\n'
        )
        root = self.world.project(
            files={"cog.yaml": text}, requirements="".join(f"{one}\n" for one in requirements)
        ).root
        settings = Settings(directory=root, cache=self.world.directory / "cache", environment=self.world.environment)
        with Session(settings) as session:
            self.builder = FakeBuilder(session.store)
            building = Building(builder=self.builder, pushed=lambda _: None)
            return resolve_lock(session, find_project(root), previous, building, **more)


@pytest.fixture
def made(world: World, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr("sys.executable", str(world.python))
    for version in ("1.0", "2.0"):
        make_wheel(world.wheels, "dep", version)
    make_wheel(world.wheels, "beside")
    return Made(world)


def versions(decisions: Decisions) -> dict[str, str]:
    return {one.name: one.version for one in decisions.wheels if one.name not in ("cog", "coglet", "pip")}


def decided(lock: Lock) -> Decisions:
    return lock.platforms[PLATFORM]


def test_what_the_wheel_of_a_source_requires_is_resolved_with_all_else(made: Made, server: GitServer) -> None:
    found = decided(made.lock("dep", f"pkg[more] @ git+{server.address}/pkg"))
    assert versions(found) == {"pkg": "2.0", "dep": "1.0", "beside": "1.0"}
    (wheel,) = (one for one in found.wheels if one.name == "pkg")
    assert (wheel.url, wheel.path) == (None, None)
    (build,) = found.builds
    assert build.wheel == wheel.filename
    assert build.source == GitSource(url=f"{server.address}/pkg", commit=server.git("pkg", "rev-parse", "main"))


@pytest.mark.parametrize("own", [False, True], ids=["", "which the project names, too"])
def test_a_source_that_a_source_requires_by_its_address_is_built_too(made: Made, server: GitServer, own: bool) -> None:
    server.commit("outer", {"pyproject.toml": package("outer", "1.0", f"pkg[more] @ git+{server.address}/pkg@main")})
    lines = [f"git+{server.address}/outer", *([f"pkg @ git+{server.address}/pkg"] if own else [])]
    first = made.lock("dep", *lines)
    expected = {"outer": "1.0", "pkg": "2.0", "dep": "1.0", **({} if own else {"beside": "1.0"})}
    assert versions(decided(first)) == expected
    assert {build.source for build in decided(first).builds} == {
        GitSource(url=f"{server.address}/outer", commit=server.git("outer", "rev-parse", "main")),
        GitSource(
            url=f"{server.address}/pkg",
            commit=server.git("pkg", "rev-parse", "main"),
            requested="" if own else "main",
        ),
    }
    server.requests.clear()
    assert decided(made.lock("dep", "beside", *lines, previous=first)).builds == decided(first).builds
    assert not server.requests


@pytest.mark.parametrize("run", [False, True])
def test_two_sources_that_require_a_package_by_different_addresses_are_refused_unless_the_project_names_one(
    made: Made, server: GitServer, run: bool
) -> None:
    server.commit("same", {"pyproject.toml": package("pkg", "3.0"), "pkg.py": b""})
    for name, other in (("one", "pkg"), ("two", "same")):
        server.commit(name, {"pyproject.toml": package(name, "1.0", f"pkg @ git+{server.address}/{other}")})
    both = [f"git+{server.address}/{name}" for name in ("one", "two")]
    if run:
        found = decided(made.lock("dep", run=(f"pip install --no-index {' '.join(both)}",)))
        assert "pkg is required by two addresses" in found.sandboxed[0].why
        return
    with pytest.raises(InputError, match=r"pkg is required by two addresses, .*/pkg and .*/same") as caught:
        made.lock("dep", *both)
    assert caught.value.next_step == f"name the one that is wanted: pkg @ git+{server.address}/same"
    found = decided(made.lock("dep", *both, f"pkg @ git+{server.address}/same"))
    assert versions(found) == {"one": "1.0", "two": "1.0", "pkg": "3.0", "dep": "2.0"}


def test_no_more_sources_are_built_than_anybody_means_that_require_each_other_by_their_addresses(
    made: Made, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.locking.sources.beside._MOST", 1)
    server.commit("chain", {"pyproject.toml": package("chain", "1.0", f"outer @ git+{server.address}/outer")})
    server.commit("outer", {"pyproject.toml": package("outer", "1.0", f"pkg @ git+{server.address}/pkg")})
    assert versions(decided(made.lock("dep", f"git+{server.address}/outer"))) == {
        "outer": "1.0",
        "pkg": "2.0",
        "dep": "1.0",
    }
    with pytest.raises(InputError, match="more than 1 sources require each other so"):
        made.lock("dep", f"git+{server.address}/chain")


@pytest.mark.parametrize("named", [True, False])
def test_what_requires_a_source_that_waits_does_not_ask_an_index_for_it(
    made: Made, server: GitServer, named: bool
) -> None:
    make_wheel(made.world.wheels, "torch", "1.0")
    make_wheel(made.world.wheels, "around", requires=("ops",))
    line = f"ops @ git+{server.address}/ops"
    if not named:
        files = {"pyproject.toml": package("ops", "1.0", "dep<2") + b"[tool.wants]\ntorch = true\n"}
        make_sdist(made.world.project().root / "ops-1.0.tar.gz", files)
        line = "./ops-1.0.tar.gz"
    found = versions(decided(made.lock("torch", line, "around")))
    assert found == {"torch": "1.0", "around": "1.0", "ops": "1.0", "dep": "1.0"}


@pytest.mark.parametrize("own", [False, True], ids=["", "which the project names, too"])
def test_a_source_waits_for_the_torch_that_a_source_is_compiled_against_which_it_requires_by_its_address(
    made: Made, server: GitServer, own: bool
) -> None:
    make_wheel(made.world.wheels, "torch", "1.0")
    ops = f"ops @ git+{server.address}/ops"
    server.commit("around", {"pyproject.toml": package("around", "1.0", ops)})
    lines = [f"git+{server.address}/around", f"git+{server.address}/pkg", *([ops] if own else [])]
    first = made.lock("torch", *lines)
    assert versions(decided(first)) == {"torch": "1.0", "around": "1.0", "ops": "1.0", "pkg": "2.0", "dep": "1.0"}
    assert [one.name for one in decided(first).build_requirements] == ["torch"]
    assert decided(made.lock("torch", *lines, previous=first)) == decided(first)
    assert made.builder
    assert not made.builder.built


def test_no_variable_of_this_machine_is_put_into_an_address_that_a_source_requires(
    made: Made, server: GitServer
) -> None:
    address = f"{server.address}/x-${{PATH}}-x/pkg"
    server.commit("curious", {"pyproject.toml": package("curious", "1.0", f"pkg @ git+{address}")})
    server.requests.clear()
    with pytest.raises(InputError):
        made.lock(f"git+{server.address}/curious")
    assert not any(request.startswith("/x-/") for request in server.requests)


def test_a_pip_line_lays_what_its_source_requires_by_its_address(made: Made, server: GitServer) -> None:
    server.commit("outer", {"pyproject.toml": package("outer", "1.0", f"pkg[more] @ git+{server.address}/pkg@main")})
    found = decided(made.lock(run=(f"pip install --no-index git+{server.address}/outer",)))
    assert not found.sandboxed
    assert versions(found) == {"outer": "1.0", "pkg": "2.0", "dep": "1.0", "beside": "1.0"}
    assert len(found.builds) == 2


def test_another_requirement_moves_no_source(made: Made, server: GitServer) -> None:
    first = made.lock(f"git+{server.address}/pkg")
    server.requests.clear()
    second = made.lock(f"git+{server.address}/pkg", "beside", previous=first)
    assert made.builder
    assert not made.builder.built
    assert not server.requests
    assert decided(second).builds == decided(first).builds
    third = made.lock(f"git+{server.address}/pkg", previous=second, upgrade=Upgrade(all=True))
    assert made.builder.built
    assert decided(third).builds == decided(first).builds


def test_a_source_of_another_platform_is_not_looked_at(made: Made) -> None:
    assert not decided(made.lock("git+http://127.0.0.1:9/never ; sys_platform == 'win32'")).builds


def test_all_that_is_wrong_is_one_error(made: Made, server: GitServer) -> None:
    with pytest.raises(InputError) as caught:
        made.lock(f"git+{server.address}/hard", "unheard-of", f"git+{server.address}/pkg@never")
    told = caught.value.message.splitlines()
    assert told[0] == "3 things must change:"
    assert [line.strip().partition(": ")[0] for line in told[1:] if "requirements.txt" in line] == [
        "requirements.txt:2",
        "requirements.txt:4",
        "requirements.txt:3",
    ]


@pytest.mark.parametrize("line", ["pip install --no-index", "uv pip install --system --no-index"])
def test_a_pip_line_lays_the_wheel_of_a_repository(made: Made, server: GitServer, line: str) -> None:
    make_wheel(made.world.wheels, "uv")
    found = decided(made.lock("dep", "uv", run=(f"{line} 'pkg[more] @ git+{server.address}/pkg'",)))
    assert not found.sandboxed
    assert versions(found) == {"pkg": "2.0", "dep": "1.0", "beside": "1.0", "uv": "1.0"}
    assert [build.wheel for build in found.builds] == ["pkg-2.0-py3-none-any.whl"]
    assert found.pip_lines[0].wheels == (
        "beside-1.0-py3-none-any.whl",
        "dep-1.0-py3-none-any.whl",
        found.builds[0].wheel,
    )


def test_a_pip_line_lays_the_wheel_of_a_source_that_an_index_has(made: Made) -> None:
    make_sdist(made.world.wheels / "old-1.0.tar.gz", {"pyproject.toml": package("old", "1.0", "dep<2"), "old.py": b""})
    first = made.lock(run=("pip install --no-index old",))
    assert not decided(first).sandboxed
    assert versions(decided(first)) == {"old": "1.0", "dep": "1.0"}
    (build,) = decided(first).builds
    assert isinstance(build.source, IndexSource)
    assert build.source.filename == "old-1.0.tar.gz"
    for run in (("pip install --no-index old",), ("pip install --no-index old beside",)):
        again = decided(made.lock(run=run, previous=first))
        assert made.builder
        assert not made.builder.built
        assert again.builds == decided(first).builds
    make_sdist(made.world.wheels / "dep-3.0.tar.gz", {"setup.py": b""})
    broken = decided(made.lock(run=("pip install --no-index -U dep",)))
    assert broken.sandboxed[0].why.startswith("dep 3.0")


def test_a_pip_line_that_is_locked_asks_no_server_and_builds_nothing(made: Made, server: GitServer) -> None:
    run = (f"pip install --no-index git+{server.address}/pkg",)
    first = made.lock(run=run)
    server.requests.clear()
    assert decided(made.lock(run=run, previous=first)) == decided(first)
    assert made.builder
    assert (made.builder.built, server.requests) == ([], [])
    made.lock(run=run, previous=first, upgrade=Upgrade(run=True))
    assert made.builder.built
    assert server.requests


def test_a_locked_pip_line_is_resolved_anew_where_machine_code_in_it_is_of_another_base(
    made: Made, server: GitServer
) -> None:
    run = (f"pip install --no-index git+{server.address}/pkg",)
    text = msgspec.json.encode(made.lock(run=run))
    text = text.replace(b"pkg-2.0-py3-none-any", b"pkg-2.0-cp313-cp313-linux_x86_64")
    for previous, anew in ((text, 0), (text.replace(b"/base/python:v1", b"/base/python:v0"), 1)):
        made.lock(run=run, previous=msgspec.json.decode(previous, type=Lock))
        assert made.builder
        assert len(made.builder.built) == anew


def test_a_wheel_of_a_locked_pip_line_that_nobody_has_is_built_again_where_a_later_line_is_another(
    made: Made, server: GitServer
) -> None:
    run = (f"pip install --no-index git+{server.address}/pkg",)
    first = made.lock(run=run)
    shutil.rmtree(made.world.directory / "cache")
    second = made.lock(run=(*run, "pip install --no-index beside"), previous=first)
    assert decided(second).builds == decided(first).builds
    assert made.builder
    assert len(made.builder.with_these) == 1


def test_a_directory_of_a_clone_is_installed_at_the_commit_that_the_clone_has(made: Made, server: GitServer) -> None:
    run = (f"git clone {server.address}/pkg /opt/pkg && cd /opt/pkg && pip install --no-index -e '.[more]' -r r.txt",)
    found = decided(made.lock(run=run))
    assert not found.sandboxed
    assert versions(found) == {"pkg": "2.0", "dep": "1.0", "beside": "1.0"}
    (source,) = (build.source for build in found.builds)
    assert isinstance(source, GitSource)
    assert (source.clone, source.commit, source.editable) == ("opt/pkg", found.clones[0].commit, True)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("git+SERVER/hard", "nothing says how it is built: ValueError: no file"),
        ("git+SERVER/pkg@never", "it has no commit, tag or branch never"),
        ("SERVER/never.zip", "HTTP 404"),
    ],
)
def test_a_pip_line_whose_source_is_not_built_here_is_run(made: Made, server: GitServer, line: str, why: str) -> None:
    found = decided(made.lock(run=(f"pip install --no-index {line.replace('SERVER', server.address)}",)))
    assert [why in one.why for one in found.sandboxed] == [True], found.sandboxed
    assert not found.builds


def test_without_isolation_a_source_is_built_among_the_wheels_of_the_image(made: Made, server: GitServer) -> None:
    address = f"git+{server.address}/pkg"
    for requirements in (
        (f"{address} --no-build-isolation", "dep"),
        ("--no-build-isolation", address, "dep"),
        ("--no-build-isolation-package pkg", f"pkg @ {address}", "dep"),
    ):
        assert versions(decided(made.lock(*requirements))) == {"pkg": "2.0", "dep": "1.0"}
        assert made.builder
        assert [names >= {"dep", "cog"} for names in made.builder.beside] == [True]
    first = made.lock("--no-build-isolation-package pkg", address, "dep")
    assert made.builder.beside[0] == set(), "its name is known by then"
    assert made.builder.beside[1] >= {"dep", "cog"}
    assert decided(made.lock("--no-build-isolation-package pkg", address, "dep", previous=first)) == decided(first)
    found = decided(made.lock("beside", run=(f"pip install --no-index --no-build-isolation {address}",)))
    assert not found.sandboxed
    assert [names >= {"beside", "pip"} and "dep" not in names for names in made.builder.beside] == [True]


@pytest.mark.parametrize("run", [False, True])
def test_what_is_compiled_against_torch_is_built_again_for_another_torch_and_for_nothing_else(
    made: Made, server: GitServer, run: bool
) -> None:
    def lock(torch: str, *others: str, previous: Lock | None = None) -> Lock:
        address = f"git+{server.address}/ops"
        lines = (f"pip install --no-index {address}",) if run else ()
        return made.lock(f"torch=={torch}", *others, *([] if run else [address]), run=lines, previous=previous)

    for version in ("1.0", "2.0"):
        make_wheel(made.world.wheels, "torch", version)
    first = lock("1.0")
    assert made.builder
    assert [names >= {"torch"} for names in made.builder.beside] == [True]
    assert [one.name for one in decided(first).build_requirements] == ["torch"]
    second = lock("1.0", "beside", previous=first)
    assert not made.builder.built
    assert decided(second).builds == decided(first).builds
    third = lock("2.0", "beside", previous=second)
    assert made.builder.built
    assert [one.version for one in decided(third).build_requirements] == ["2.0"]


def test_what_a_source_requires_may_not_move_the_torch_that_it_is_compiled_against(
    made: Made, server: GitServer
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(made.world.wheels, "torch", version)
    server.commit("older", {"pyproject.toml": package("older", "1.0", "torch<2") + b"[tool.wants]\ntorch = true\n"})
    with pytest.raises(InputError, match=r"is compiled against torch 2\.0, and torch 1\.0 is chosen") as caught:
        made.lock("torch", f"git+{server.address}/older")
    assert caught.value.next_step == "pin torch to the version that it requires"


def test_a_setting_of_the_line_for_its_build_sends_it_to_the_sandbox(made: Made, server: GitServer) -> None:
    found = decided(made.lock(run=(f"WITH_OPS=1 pip install --no-index git+{server.address}/pkg",)))
    assert found.sandboxed[0].why == f"WITH_OPS is handed to the build of git+{server.address}/pkg"


def test_what_a_line_says_of_compilers_is_nothing_to_a_source_that_is_not_compiled(
    made: Made, server: GitServer
) -> None:
    line = f"CUDA_HOME=/usr/local/cuda MAX_JOBS=4 pip install --no-index git+{server.address}/pkg"
    found = decided(made.lock(run=(line,)))
    assert not found.sandboxed
    assert "pkg" in {wheel.name for wheel in found.wheels}
    effect = PipInstall(environment=(("MAX_JOBS", "4"),))
    check_environment(effect, "pkg 1", "pkg-1-py3-none-any.whl")
    with pytest.raises(UnforeseenError, match="MAX_JOBS is handed to the build of pkg 1, which is compiled"):
        check_environment(effect, "pkg 1", "pkg-1-cp313-cp313-linux_x86_64.whl")
