"""Bytecode of sources: the same bytes from each run, kept for the next, and never used for another source."""

import importlib.util
import marshal
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import cast

import pytest

from cogpack.errors import InputError
from cogpack.layers.bytecode import BytecodePart, BytecodeSource, Compiler, Packs, SourceFile, Unit, program
from cogpack.layers.content import Bytes
from cogpack.layers.entry import File
from cogpack.seal import THIS_RUN, Seal

RELEASE = f"cpython-{'.'.join(map(str, sys.version_info[:3]))}"
TAG = sys.implementation.cache_tag
MODULE = b"NAME = 'a name that is interned'\n\ndef f(x):\n    return x in {'one', 'two', 'three'}\n"


def in_process(place: Path, parts: int) -> None:
    for part in range(parts):
        program.compile_part(str(place), part)


class Counted:
    """Compiles, and counts how often, and what."""

    def __init__(self, compile_: Callable[[Path, int], None] = in_process) -> None:
        self.paths: list[str] = []
        self._compile = compile_

    def __call__(self, place: Path, parts: int) -> None:
        for part in range(parts):
            with (place / f"{part}.in").open("rb") as stream:
                self.paths += [path for path, _ in program.sources(stream)]
        self._compile(place, parts)


def packs(
    cache: Path, compile_: Callable[[Path, int], None], *, seal: Seal = THIS_RUN, jobs: int = 1, trusting: bool = True
) -> Packs:
    (cache / "trees").mkdir(parents=True, exist_ok=True)
    compiler = cast("Compiler", SimpleNamespace(compile=compile_))
    return Packs(cache, compiler, seal=seal, used=lambda _: None, wanted=lambda: None, jobs=jobs, trusting=trusting)


def unit(key: str, files: dict[str, bytes]) -> Unit:
    def read() -> Iterable[SourceFile]:
        return [SourceFile(f"site/{path}", f"/link/{path}", Bytes(data)) for path, data in files.items()]

    return Unit(key, read)


def made(source: BytecodeSource) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in source.entries():
        assert isinstance(entry, File)
        with entry.content.open() as stream:
            found[entry.path] = stream.read()
            assert len(found[entry.path]) == entry.content.size
    return found


def source_of(
    cache: Path, *units: Unit, compile_: Callable[[Path, int], None] = in_process, jobs: int = 1
) -> BytecodeSource:
    return BytecodeSource("all", RELEASE, [BytecodePart(one) for one in units], packs(cache, compile_, jobs=jobs))


def test_a_file_is_compiled_as_its_import_would_with_the_hash_of_its_source(tmp_path: Path) -> None:
    found = made(source_of(tmp_path, unit("a" * 64, {"pkg/m.py": MODULE})))
    (data,) = found.values()
    assert list(found) == [f"site/pkg/__pycache__/m.{TAG}.pyc"]
    assert data[:16] == importlib.util.MAGIC_NUMBER + b"\3\0\0\0" + importlib.util.source_hash(MODULE)
    code = marshal.loads(data[16:])
    assert isinstance(code, CodeType)
    assert code.co_filename == "/link/pkg/m.py"


def test_the_bytes_are_the_same_from_any_run_and_any_number_of_processes(tmp_path: Path) -> None:
    files = {f"m{number}.py": MODULE + f"X = {number}\n".encode() for number in range(20)}
    one = made(source_of(tmp_path / "one", unit("a" * 64, files)))

    def run(place: Path, parts: int) -> None:
        assert parts == 3
        words = [sys.executable, "-I", "-S", str(Path(program.__file__)), str(place), str(parts), RELEASE]
        subprocess.run(words, check=True, env={"PYTHONHASHSEED": "7"})

    assert made(source_of(tmp_path / "three", unit("a" * 64, files), compile_=run, jobs=3)) == one
    assert len(one) == 20


def test_a_python_of_another_release_compiles_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(str(tmp_path), 1, "cpython-3.9.1") == 2
    assert RELEASE in capsys.readouterr().err


def test_only_what_nobody_kept_is_compiled(tmp_path: Path) -> None:
    first, second = unit("a" * 64, {"a.py": MODULE}), unit("b" * 64, {"b.py": MODULE})
    counted = Counted()
    before = made(source_of(tmp_path, first, compile_=counted))
    assert counted.paths == ["/link/a.py"]
    after = made(source_of(tmp_path, first, second, compile_=counted))
    assert counted.paths == ["/link/a.py", "/link/b.py"]
    assert before.items() < after.items()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")], "nothing half done stays"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:-1] + b"?", lambda _: b"", lambda data: b"\xff" + data]
)
def test_what_somebody_else_wrote_or_half_of_it_does_not_count(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    one = unit("a" * 64, {"a.py": MODULE})
    expected = made(source_of(tmp_path, one))
    kept = tmp_path / "bytecode" / "aa" / ("a" * 64)
    kept.write_bytes(damage(kept.read_bytes()))
    counted = Counted()
    assert made(source_of(tmp_path, one, compile_=counted)) == expected
    assert len(counted.paths) == 1
    packs(tmp_path, counted, seal=Seal(b"k" * 32)).of([one])
    assert len(counted.paths) == 2
    packs(tmp_path, counted, trusting=False).of([one])
    assert len(counted.paths) == 3


def test_what_cannot_be_compiled_or_is_too_large_has_no_bytecode_and_is_not_tried_again(tmp_path: Path) -> None:
    files = {"bad.py": b"print 'two'\n", "nul.py": b"\0", "good.py": MODULE, f"{'x' * 250}.py": MODULE}
    counted = Counted()
    for _ in range(2):
        found = made(source_of(tmp_path, unit("a" * 64, files), compile_=counted))
        assert list(found) == [f"site/__pycache__/good.{TAG}.pyc"]
    assert len(counted.paths) == 4


def test_a_path_of_several_wheels_has_the_first_ones_and_a_hidden_one_the_others(tmp_path: Path) -> None:
    first, second = unit("a" * 64, {"m.py": MODULE}), unit("b" * 64, {"m.py": b"OTHER = 1\n"})
    both = made(source_of(tmp_path, first, second))
    assert both == made(source_of(tmp_path, first))
    hidden = BytecodeSource(
        "all",
        RELEASE,
        [BytecodePart(first, frozenset({"site/m.py"})), BytecodePart(second)],
        packs(tmp_path, in_process),
    )
    assert made(hidden) == made(source_of(tmp_path, second)) != both
    assert hidden.key() != source_of(tmp_path, first, second).key()


def test_the_key_names_the_python_and_the_sources(tmp_path: Path) -> None:
    one = [BytecodePart(unit("a" * 64, {}))]
    some = packs(tmp_path, in_process)
    keys = {
        BytecodeSource("x", release, parts, some).key()
        for release in ("cpython-3.13.5", "cpython-3.13.6")
        for parts in (one, [BytecodePart(unit("b" * 64, {}))], [*one, *one])
    }
    assert len(keys) == 6


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\x20" + bytes(32), b"\xff\xff\xff\xff", b"\0\0\0\x09" + bytes(9)])
def test_an_answer_that_is_no_bytecode_is_refused(tmp_path: Path, answer: bytes) -> None:
    def lie(place: Path, parts: int) -> None:
        assert parts == 1
        (place / "0.out").write_bytes(answer)

    with pytest.raises(InputError, match="gave no bytecode"):
        packs(tmp_path, lie).of([unit("a" * 64, {"a.py": MODULE})])
    assert not list((tmp_path / "trees").iterdir())


def test_what_compiles_to_far_more_than_it_is_has_none_anywhere(tmp_path: Path) -> None:
    bomb = "def f():\n"
    for depth in range(1, 13):
        bomb += f"{' ' * depth}try: pass\n{' ' * depth}finally:\n"
    bomb += f"{' ' * 13}a.b()\n" * 8
    files = {"bomb.py": bomb.encode(), "large.py": b"#" * (program.LARGEST + 1), "good.py": MODULE}
    found = made(source_of(tmp_path, unit("a" * 64, files)))
    assert list(found) == [f"site/__pycache__/good.{TAG}.pyc"]


def test_too_deep_for_the_parser_is_no_bytecode_and_out_of_memory_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert program.bytecode("deep.py", b"not " * 7000 + b"1") == b""

    def full(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(marshal, "dumps", full)
    with pytest.raises(MemoryError):
        program.bytecode("m.py", MODULE)


def test_where_there_is_less_memory_than_the_bound_nothing_is_compiled(tmp_path: Path) -> None:
    """So that a file has no bytecode for a reason of its own alone."""
    (tmp_path / "0.in").write_bytes(b"\0\0\0\5" + len(MODULE).to_bytes(4, "big") + b"/m.py" + MODULE)
    words = [sys.executable, "-I", "-S", "-B", program.__file__, str(tmp_path), "1", RELEASE]
    limited = ["/bin/sh", "-c", 'ulimit -v 2000000; exec "$@"', "sh", *words]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError" in done.stderr


@pytest.mark.parametrize(
    ("bomb", "said"), [("bytearray(5 << 30)", "/m.py: MemoryError"), ("[0 for _ in iter(int, 1)]", "by signal 27")]
)
def test_what_takes_more_memory_or_time_than_any_module_does_ends_all(tmp_path: Path, bomb: str, said: str) -> None:
    (tmp_path / "0.in").write_bytes(b"\0\0\0\5" + len(MODULE).to_bytes(4, "big") + b"/m.py" + MODULE)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import program; program._SECONDS = 0.01; "
        f"program.bytecode = lambda *_: {bomb}; sys.exit(program.main(sys.argv[2], 1, sys.argv[3]))"
    )
    words = ["-I", "-S", "-B", "-c", script, str(Path(program.__file__).parent), str(tmp_path), RELEASE]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_kept_head_that_says_it_is_huge_is_not_read(tmp_path: Path) -> None:
    one = unit("a" * 64, {"a.py": MODULE})
    kept = tmp_path / "bytecode" / "aa" / ("a" * 64)
    kept.parent.mkdir(parents=True)
    with kept.open("wb") as stream:
        stream.write((3_000_000_000).to_bytes(4, "big"))
        stream.truncate(3_000_000_004)
    counted = Counted()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packs(tmp_path, counted).of([one])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
    assert counted.paths == ["/link/a.py"]


def test_a_directory_that_a_compiler_left_is_removed(tmp_path: Path) -> None:
    def leave(place: Path, parts: int) -> None:
        in_process(place, parts)
        (place / "left" / "more").mkdir(parents=True)

    packs(tmp_path, leave).of([unit("a" * 64, {"a.py": MODULE})])
    assert not list((tmp_path / "trees").iterdir())


def imported(root: Path, *options: str) -> Sequence[str]:
    words = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        "-v",
        *options,
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); import m; print(m.NAME)",
        str(root),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [
        done.stdout.strip(),
        *("bytecode" for line in done.stderr.splitlines() if "code object from" in line and "/m." in line),
    ]


def test_an_edited_file_counts_at_once_though_its_size_and_time_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_bytes(MODULE)
    os.utime(file, (315619200, 315619200))
    (tmp_path / "__pycache__").mkdir()
    (data,) = made(source_of(tmp_path / "cache", unit("a" * 64, {"m.py": MODULE}))).values()
    (tmp_path / "__pycache__" / f"m.{TAG}.pyc").write_bytes(data)
    assert imported(tmp_path) == ["a name that is interned", "bytecode"]
    file.write_bytes(MODULE.replace(b"a name", b"A name"))
    os.utime(file, (315619200, 315619200))
    assert imported(tmp_path)[0] == "A name that is interned"
