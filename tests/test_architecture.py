"""The shape of the code, held by reading its imports: what may know of what."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cogpack"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SUPPORT = Path(__file__).parent / "support"

RANKS = {
    "patterns": -1,
    "errors": 0,
    "file_stat": 0,
    "toml": 0,
    "notes": 0,
    "digest": 0,
    "documents": 0,
    "reference": 0,
    "sizes": 0,
    "text": 0,
    "redaction": 0,
    "encodings": 0,
    "home": 0,
    "model_files": 0,
    "inflate": 0,
    "zstd": 0,
    "symlinks": 0,
    "debian_version": 1,
    "formats": 1,
    "trace": 1,
    "disk": 1,
    "elf": 1,
    "oci": 1,
    "config": 1,
    "progress": 1,
    "policy": 1,
    "http": 1,
    "decompress": 1,
    "untar": 1,
    "requirements": 1,
    "seal": 1,
    "temporary": 1,
    "layout": 2,
    "result_files": 2,
    "cache": 2,
    "git": 2,
    "lockfile": 2,
    "run_lines": 2,
    "runtime": 2,
    "threads": 2,
    "depot": 3,
    "remote": 2,
    "project": 2,
    "pages": 3,
    "sbom": 3,
    "layers": 3,
    "registry": 3,
    "artifacts": 4,
    "bench": 4,
    "images": 4,
    "sandbox": 4,
    "resolve": 5,
    "sinks": 5,
    "machine": 5,
    "comparing": 5,
    "settings": 6,
    "session": 6,
    "opening": 7,
    "locking": 8,
    "planning": 9,
    "running": 10,
    "commands": 11,
    "cli": 12,
    "console": 12,
    "__main__": 12,
    "oras": 12,
}

SIDEWAYS = {
    ("errors", "redaction"),
    ("notes", "redaction"),
    ("text", "redaction"),
    ("digest", "errors"),
    ("home", "errors"),
    ("reference", "errors"),
    ("reference", "digest"),
    ("seal", "disk"),
    ("temporary", "disk"),
    ("http", "progress"),
    ("http", "trace"),
    ("policy", "progress"),
    ("config", "policy"),
    ("project", "cache"),
    ("session", "settings"),
    ("cli", "console"),
    ("__main__", "cli"),
}
"""The imports within one rank."""

PRINTERS = {
    "cli/__init__.py",
    "cli/helping.py",
    "cli/program.py",
    "cli/registries.py",
    "cli/standard_streams.py",
    "cli/streams.py",
    "cli/running.py",
    "console/__init__.py",
    "layers/bytecode/program.py",
    "planning/building/front_end.py",
    "runtime/inside/join.py",
    "runtime/inside/probe.py",
    "sandbox/rungs/enter.py",
    "sandbox/rungs/questions.py",
}
"""The command line, and what runs as a program of its own."""


def module_of(path: Path) -> str:
    """`layers` for cogpack/layers/tar.py, `oci` for cogpack/oci.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(path)))


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Full names of all that a file imports, wherever in it the import stands."""
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            found += (f"{node.module}.{name.name}" for name in node.names)
    return tuple(found)


def edges(path: Path) -> Iterator[str]:
    """The modules of cogpack, by the names of `RANKS`, that a file imports."""
    for name in imported(path):
        package, _, rest = name.partition(".")
        if package == "cogpack" and (module := rest.partition(".")[0]) != "__version__":
            yield module


def test_every_module_has_a_rank() -> None:
    assert {module_of(path) for path in SOURCES} - {"__init__"} == set(RANKS)


def test_a_module_imports_lower_ranks_and_its_own_package_only() -> None:
    for path in SOURCES:
        own = module_of(path)
        if own == "__init__":  # imports for type checkers only (test_exported_names)
            continue
        for other in edges(path):
            if other != own:
                assert RANKS[other] < RANKS[own] or (own, other) in SIDEWAYS, f"{path}: {own} imports {other}"


def test_no_two_modules_know_each_other_even_by_a_chain() -> None:
    """But for `cogpack` itself, which has the version, and the acts for type checkers only."""
    names = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in SOURCES
    }
    left = {
        name: {full if full in names else full.rpartition(".")[0] for full in imported(path)} & names.keys()
        for name, path in names.items()
        if name != "cogpack"
    }
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert not left


@pytest.mark.slow
def test_the_sideways_imports_are_all_needed() -> None:
    found = {(module_of(path), other) for path in SOURCES for other in edges(path)}
    assert found >= SIDEWAYS
    assert not SIDEWAYS & {(other, own) for own, other in SIDEWAYS}


@pytest.mark.parametrize(
    ("package", "strangers"),
    [("layers", {"registry", "resolve"}), ("registry", {"layers", "resolve"}), ("resolve", {"layers"})],
)
def test_the_arms_of_the_house_know_nothing_of_each_other(package: str, strangers: set[str]) -> None:
    files = sorted((PACKAGE / package).rglob("*.py"))
    assert files
    for path in files:
        assert not strangers & set(edges(path)), path


def test_no_layer_source_knows_another_or_the_config() -> None:
    sources = {"debs", "wheels", "files"}
    for source in sources:
        found = [path for path in SOURCES if path.relative_to(PACKAGE).with_suffix("").parts[:2] == ("layers", source)]
        assert found
        for path in found:
            assert "config" not in set(edges(path)), path
            strangers = tuple(f"cogpack.layers.{other}." for other in sources - {source})
            assert not [name for name in imported(path) if f"{name}.".startswith(strangers)], path


def test_what_a_run_line_does_is_told_without_disk_network_or_processes() -> None:
    files = sorted((PACKAGE / "run_lines").rglob("*.py"))
    assert files
    used = {name.partition(".")[0] for path in files for name in imported(path)} - {"cogpack", "msgspec", "packaging"}
    assert used == {"ast", "collections", "posixpath", "re", "typing", "urllib", "warnings"}
    assert {other for path in files for other in edges(path)} == {
        "config",
        "patterns",
        "redaction",
        "requirements",
        "run_lines",
    }


@pytest.mark.slow
def test_http_libraries_have_one_door() -> None:
    def doors(*libraries: str) -> set[str]:
        return {module_of(path) for path in SOURCES if any(name.split(".")[0] in libraries for name in imported(path))}

    assert doors("h11", "httpcore", "httpx", "ssl", "urllib3") == {"http"}
    assert doors("requests") == {"oras"}, "the types that oras-py's callers know; the bytes go through http"


def test_the_clouds_own_libraries_have_one_door_for_weights_and_are_not_loaded_before_they_are_wanted() -> None:
    clouds = {"botocore", "google"}
    for path in SOURCES:
        if path.relative_to(PACKAGE).parts[0] == "registry":
            continue
        found = {name.partition(".")[0] for name in imported(path)} & clouds
        assert found == (clouds if path.name == "clouds.py" else set()), path
    tree = parsed(PACKAGE / "resolve" / "clouds.py")
    top = {name.name.partition(".")[0] for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert not top & clouds


@pytest.mark.slow
def test_oras_py_is_known_to_its_adapter_alone_and_the_adapter_to_its_users() -> None:
    for path in SOURCES:
        found = {name.partition(".")[0] for name in imported(path)} & {"oras", "requests"}
        assert not found or module_of(path) == "oras", path
        assert "oras" not in set(edges(path)) or module_of(path) == "oras", path
    assert "oras.provider" in set(imported(PACKAGE / "oras" / "registry.py"))


def test_only_the_command_line_prints_and_exits() -> None:
    for path in SOURCES:
        if path.relative_to(PACKAGE).as_posix() in PRINTERS:
            continue
        called = {
            node.func.id for node in nodes(path) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"print", "exit", "quit", "input", "breakpoint"}, path
        attributes = {
            f"{node.value.id}.{node.attr}"
            for node in nodes(path)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        assert not attributes & {"sys.stdout", "sys.stderr", "sys.exit", "os._exit"}, path


def test_what_a_command_answers_joins_rows_by_lines() -> None:
    """A name with a line break would begin a line of its own: to a runner of CI, maybe a command."""
    calls = [
        node
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Answer"
    ]
    assert calls
    joined = [ast.unparse(call) for call in calls if "'\\n'.join" in ast.unparse(call)]
    assert not joined


def test_modules_stay_small() -> None:
    assert not [path for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > 350]


@pytest.mark.parametrize("path", sorted(SUPPORT.rglob("*.py")), ids=lambda path: path.name)
def test_what_supports_the_tests_stays_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
