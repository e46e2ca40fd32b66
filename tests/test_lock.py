import hashlib
import json
import os
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from cogpack import __version__, toml
from cogpack.digest import DiffID, Digest
from cogpack.errors import InputError
from cogpack.formats import FORMATS
from cogpack.lockfile import (
    REQUIRES,
    Decisions,
    GitSource,
    IndexSource,
    Lock,
    LockedBreak,
    LockedBuild,
    LockedClash,
    LockedPart,
    LockedPipLine,
    LockedToolkit,
    LockedWeight,
    LockedWheel,
    ProjectSource,
    RemoteWeight,
    Result,
    Results,
    UrlSource,
    encode_lock,
    parse_lock,
    read_lock,
)
from cogpack.lockfile.base_kinds import (
    DebianBase,
    DebianRelease,
    InheritedDirectory,
    LockedDeb,
    RegistryBase,
    RegistryLayer,
    SystemPackages,
)
from cogpack.lockfile.shared import without_shared

HEX = "ab" * 32

WHEEL = LockedWheel(name="x", version="1", filename="x-1-py3-none-any.whl", sha256=HEX, size=7)
DEB = LockedDeb(
    name="d", version="1:2~3", arch="amd64", archive="debian", path="pool/d.deb", size=1, sha256=HEX, essential=True
)
RELEASE = DebianRelease(
    archive="debian", suite="trixie", date="2026-01-01T00:00:00Z", sha256=HEX, signed_by="ab", snapshot="20260101"
)
RESULT = Result(
    name="wheels: x",
    key=f"sha256:{HEX}",
    media_type="application/vnd.oci.image.layer.v1.tar+gzip",
    digest=Digest(f"sha256:{HEX}"),
    size=7,
    diff_id=DiffID(f"sha256:{HEX}"),
)
LOCK = Lock(
    version=2,
    requires="cogpack>=0.2.0",
    format=2,
    inputs={"cog.yaml": "sha256:1", 'odd "name" é\x7f.txt': "sha256:2"},
    platforms={
        "linux/amd64": Decisions(
            base=DebianBase(
                suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(RELEASE,), packages=(DEB,)
            ),
            wheels=(WHEEL,),
            clashes=(),
            created=5,
        )
    },
    results=Results((RESULT,)),
)


def test_a_lock_reads_back_as_it_was_written() -> None:
    data = encode_lock(LOCK)
    assert parse_lock(data) == LOCK
    assert encode_lock(parse_lock(data)) == data


def test_a_package_is_one_line() -> None:
    assert sum("pool/d.deb" in line and "1:2~3" in line for line in encode_lock(LOCK).decode().splitlines()) == 1


def test_what_all_platforms_have_stands_there_once() -> None:
    alone = LOCK.platforms["linux/amd64"]
    own = msgspec.structs.replace(WHEEL, name="own", filename="own-1-py3-none-any.whl")
    platforms = {
        "linux/amd64": alone,
        "linux/arm64": msgspec.structs.replace(alone, wheels=tuple(sorted((WHEEL, own), key=lambda one: one.name))),
    }
    lock = msgspec.structs.replace(LOCK, platforms=platforms)
    data = encode_lock(lock)
    assert parse_lock(data) == lock
    assert (data.count(WHEEL.filename.encode()), data.count(b"own-1-py3-none-any.whl")) == (1, 1)
    assert b"[shared]" in data
    assert b"shared" not in encode_lock(LOCK), "a lock of one platform is the text that it was"


def test_a_list_whose_order_says_something_stays_with_each_platform() -> None:
    alone = LOCK.platforms["linux/amd64"]
    first = msgspec.structs.replace(WHEEL, name="zz", filename="zz-1-py3-none-any.whl")
    unsorted = msgspec.structs.replace(alone, wheels=(first, WHEEL))
    lock = msgspec.structs.replace(LOCK, platforms={"linux/amd64": unsorted, "linux/arm64": unsorted})
    data = encode_lock(lock)
    assert (parse_lock(data), b"[shared]" in data) == (lock, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shared = 3", "shared is no table"),
        ("[shared]\nwheels = 3", "shared.wheels is no list"),
        ("[shared]\nwheels = [3]", "shared.wheels is no list of tables"),
        ("[shared]\nrockets = []", "the key shared.rockets is unknown to this cogpack"),
        ("[platforms.p1]", "the key platforms.p1 is unknown to this cogpack"),
    ],
)
def test_what_platforms_can_not_share_is_refused(text: str, message: str) -> None:
    before, after = encode_lock(LOCK).split(b"\n[inputs]", 1)
    with pytest.raises(InputError, match=re.escape(message)):
        parse_lock(before + b"\n" + text.encode() + b"\n[inputs]" + after)


def test_stale_names_what_is_new_gone_or_changed() -> None:
    assert LOCK.stale(LOCK.inputs) == []
    assert LOCK.stale({"cog.yaml": "sha256:9", "new.txt": "x"}) == ["cog.yaml", "new.txt", 'odd "name" é\x7f.txt']


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"version = 2\n", b"version = 0\n", "version"),
        (HEX.encode(), b"zz" * 32, "sha256"),
        (b"size = 7", b"size = '7'", r"\$\.platforms"),
        (
            b'{ name = "x", version = "1"',
            b'{ name = "x", version = "x y"',
            "wheel x-1-py3-none-any.whl: 'x y' is no version",
        ),
        (b'archive = "debian"', b'archive = "evil"', r"archive"),
        (b"[inputs]", b"<<<<<<< ours", "cogpack.lock"),
        (b"version = 2", b"\xff", "cogpack.lock"),
    ],
)
def test_a_lock_that_was_edited_wrongly_is_refused_with_its_place(old: bytes, new: bytes, words: str) -> None:
    data = encode_lock(LOCK)
    assert old in data
    with pytest.raises(InputError, match=words):
        parse_lock(data.replace(old, new))


PART = LockedPart(path="src/a.bin", size=7, blake3=HEX)
REMOTE = RemoteWeight(
    path="src/a.bin", uri="hf://o/n", file="a.bin", revision="1", size=7, sha256=Digest(f"sha256:{HEX}"), rule="opaque",
    layer_size=1, parts=(PART,),
)  # fmt: skip
IMAGE = RegistryBase(
    reference="h.io/a:1", digest=Digest(f"sha256:{HEX}"), python="3.13", glibc="2.41",
    config=json.dumps({"rootfs": {"diff_ids": [f"sha256:{HEX}"]}}), interpreter="/usr/bin/python3.13",
    layers=(RegistryLayer(media_type="m", digest=RESULT.digest, size=7, diff_id=RESULT.diff_id),),
    inherited_directories=(InheritedDirectory("tmp", 0o1777, 0, 0),),
)  # fmt: skip
OTHER = msgspec.structs.replace(WHEEL, name="y", filename="y-1-py3-none-any.whl")
THIRD = msgspec.structs.replace(WHEEL, name="z", filename="z-1-py3-none-any.whl")
WHOLE = msgspec.structs.replace(
    LOCK,
    weights=(REMOTE,),
    platforms=LOCK.platforms
    | {
        "linux/arm64": Decisions(
            base=IMAGE,
            wheels=(WHEEL, OTHER),
            clashes=(LockedClash(wheel=WHEEL.filename, over=(OTHER.filename,), paths=("a/b",)),),
            replaced=(THIRD,),
            pip_lines=(
                LockedPipLine(step=0, key=Digest(f"sha256:{HEX}"), wheels=(OTHER.filename,), again=(OTHER.filename,)),
                LockedPipLine(step=1, key=Digest(f"sha256:{HEX}"), removed=("z",)),
            ),
            breaks=(LockedBreak(step=1, name="x", requires="z"),),
            builds=(
                LockedBuild(
                    wheel=WHEEL.filename,
                    source=IndexSource(filename="x-1.tar.gz", sha256=HEX, size=7),
                    requires=(THIRD.filename,),
                    members="aaaa",
                ),
                LockedBuild(
                    wheel=OTHER.filename, source=UrlSource(url="https://h.io/y.zip", sha256=HEX), compiled=True
                ),
                LockedBuild(wheel=THIRD.filename, source=GitSource(url="https://h.io/z", commit="ab" * 20)),
                LockedBuild(wheel=WHEEL.filename, source=ProjectSource(path=".", digest=Digest(f"sha256:{HEX}"))),
            ),
            build_requirements=(THIRD,),
            build_compiler=SystemPackages(recommends=True),
        )
    },
    results=Results(
        (RESULT,),
        (LockedWeight(path="a.bin", oid=REMOTE.sha256, size=7, rule="none", layer_size=1, parts=(PART,)),),
    ),
)
"""Holds something of each kind."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 16**5000),
        (("format",), 16**5000),
        (("platforms", "linux/amd64", "wheels"), []),
        (("platforms", "linux/amd64", "base", "packages"), []),
        (("platforms", "linux/arm64", "wheels", 1, "filename"), "x-1-py3-none-any.whl"),
        (("platforms", "linux/arm64", "wheels", 1, "name"), "x"),
        (("platforms", "linux/arm64", "wheels", 0, "filename"), "x"),
        (("platforms", "linux/arm64", "wheels", 0, "filename"), "../x-1-py3-none-any.whl"),
        (("platforms", "linux/arm64", "wheels", 0, "url"), "http://["),
        (("platforms", "linux/arm64", "wheels", 0, "url"), "file:///a\0b"),
        (("platforms", "linux/arm64", "wheels", 0, "path"), "a\0b"),
        (("platforms", "linux/arm64", "wheels", 0, "path"), "../../b"),
        (("platforms", "linux/arm64", "clashes", 0, "paths"), []),
        (("platforms", "linux/arm64", "clashes", 0, "paths", 0), "/a"),
        (("platforms", "linux/arm64", "pip_lines", 0, "wheels", 0), "w-1-py3-none-any.whl"),
        (("platforms", "linux/arm64", "pip_lines", 0, "key"), "x"),
        (("platforms", "linux/arm64", "pip_lines", 1, "step"), -1),
        (("platforms", "linux/arm64", "breaks", 0, "step"), 2**64),
        (("platforms", "linux/arm64", "builds", 0, "wheel"), "w-1-py3-none-any.whl"),
        (("platforms", "linux/arm64", "builds", 0, "requires", 0), "w-1-py3-none-any.whl"),
        (("platforms", "linux/arm64", "builds", 0, "members"), "aaa"),
        (("platforms", "linux/arm64", "builds", 0, "compiled"), 1),
        (("platforms", "linux/arm64", "builds", 0, "source", "filename"), "../x-1.tar.gz"),
        (("platforms", "linux/arm64", "builds", 0, "source", "sha256"), "x"),
        (("platforms", "linux/arm64", "builds", 0, "source", "kind"), "x"),
        (("platforms", "linux/arm64", "builds", 2, "source", "commit"), "x"),
        (("platforms", "linux/arm64", "builds", 3, "source", "path"), "../x"),
        (("platforms", "linux/arm64", "base", "python"), "x"),
        (("platforms", "linux/arm64", "base", "python"), "3." + "9" * 5000),
        (("platforms", "linux/arm64", "base", "glibc"), "2.99999999"),
        (("platforms", "linux/arm64", "base", "interpreter"), "python"),
        (("platforms", "linux/arm64", "base", "interpreter"), "/x\nhome = /evil"),
        (("platforms", "linux/arm64", "base", "reference"), "http://["),
        (("platforms", "linux/arm64", "base", "digest"), "x"),
        (("platforms", "linux/arm64", "base", "layers"), []),
        (("platforms", "linux/arm64", "base", "layers", 0, "diff_id"), f"sha256:{'cd' * 32}"),
        (("platforms", "linux/arm64", "base", "inherited_directories", 0, "mode"), 2**64),
        (("platforms", "linux/arm64", "base", "inherited_directories", 0, "uid"), -1),
        (("platforms", "linux/arm64", "base", "inherited_directories", 0, "path"), ".."),
        (("weights", 0, "path"), "src/../../etc/passwd"),
        (("weights", 0, "uri"), "file:///etc/passwd"),
        (("weights", 0, "rule"), "none"),
        (("weights", 0, "parts"), []),
        (("weights", 0, "parts", 0, "path"), "a//b"),
        (("results", "weights", 0, "parts"), []),
        (("results", "weights", 0, "path"), ""),
    ],
    ids=range(46),
)
def test_what_we_could_not_have_written_is_refused_and_the_lock_is_named(place: tuple[Any, ...], value: object) -> None:
    document = without_shared(tomllib.loads(encode_lock(WHOLE).decode()))
    assert parse_lock(toml.encode(document)) == WHOLE
    *above, last = place
    at = document
    for key in above:
        at = at[key]
    at[last] = "THE VALUE"
    written = hex(value) if isinstance(value, int) and value > 0 else json.dumps(value)  # json can't, of all digits
    with pytest.raises(InputError, match=r"\Acogpack\.lock: "):
        parse_lock(toml.encode(document).replace(b'"THE VALUE"', written.encode()))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_lock(data)


VALUES = st.recursive(
    st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_toml_reads_back_as_it_was_written(document: dict[str, object]) -> None:
    def without_empty_lists(value: object) -> object:
        if isinstance(value, dict):
            return {key: without_empty_lists(item) for key, item in value.items() if item != []}
        return value

    found = tomllib.loads(toml.encode(document).decode())
    assert without_empty_lists(found) == without_empty_lists(document)


@pytest.mark.parametrize("marker", [b"<<<<<<< HEAD\n", b">>>>>>> theirs\n"])
def test_what_a_merge_left_is_told_as_that(marker: bytes) -> None:
    before, after = encode_lock(LOCK).split(b"[platforms", 1)
    with pytest.raises(InputError) as caught:
        parse_lock(before + marker + b"[platforms" + after)
    line = before.count(b"\n") + 1
    assert caught.value.message == f"cogpack.lock:{line}: a merge has left its conflict markers"
    assert "take either side" in caught.value.next_step
    assert "run cogpack lock" in caught.value.next_step


def deep(parts: int, key: str = "a") -> bytes:
    return ".".join([key] * parts).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        deep(20_000) + b" = 1",
        deep(20_000, '"a"') + b" = 1",
        deep(20_000, "'a'") + b" = 1",
        b"[" + deep(20_000) + b"]",
        b"x = {" + deep(20_000) + b" = 1}",
        b'x = {k = """ " """, ' + deep(20_000) + b' = 1, z = "x"}',
        b"x = {k = ''' ' ''', " + deep(20_000) + b" = 1, z = 'x'}",
        b'x = {k = """a"""", ' + deep(20_000) + b' = 1, z = "x"}',
        b"x = {k = '''a''''', " + deep(20_000) + b" = 1, z = 'x'}",
        b'x = """\n' + deep(20_000) + b' = 1"""',
        b"# it's\n" + b" \t. ".join([b"a"] * 20_000) + b" = 1",
        b"\n".join(deep(500, f"k{n}") + b" = 1" for n in range(2_000)),
        b"a = 1\n" * 2_000_000,
        b'x = "' + b'\\"' * 2_000_000,
        b'x = """\n' + b'\\"""\n' * 500_000,
        b'version = 2\nresults = { weights = [ { rule = "' + b"Invalid value '" * 200_000 + b'" } ] }',
        b"x = " + b"[" * 100_000,
    ],
    ids=range(17),
)
def test_a_lock_that_would_be_read_for_minutes_is_refused_at_once(data: bytes) -> None:
    """M9: 40 kB of one dotted key took ten seconds, and 2 MB of them half a minute."""
    with pytest.raises(InputError):
        parse_lock(data)


def test_what_a_lock_of_ours_quotes_is_no_key() -> None:
    """Configs of bases, names of files: whatever they hold."""
    config = json.dumps({"rootfs": {"diff_ids": []}, "x": deep(50).decode() + "'''#\"\"\"" + deep(50).decode() + "\\"})
    base = RegistryBase(
        reference=f"h.io/a:{deep(20).decode()}", digest=Digest(f"sha256:{HEX}"), python="3.12", glibc="2.41",
        interpreter="/usr/bin/python3.12", config=config, layers=(),
    )  # fmt: skip
    decisions = Decisions(base=base, wheels=(WHEEL,), clashes=())
    lock = msgspec.structs.replace(LOCK, inputs={deep(30).decode(): "'''"}, platforms={"linux/amd64": decisions})
    assert parse_lock(encode_lock(lock)) == lock


def test_a_lock_that_nobody_would_read_is_not_written() -> None:
    long = json.dumps({"rootfs": {"diff_ids": [f"sha256:{HEX}"]}, "history": [{"comment": "é" * 2 * 1024 * 1024}]})
    base = msgspec.structs.replace(IMAGE, config=long)
    decisions = msgspec.structs.replace(LOCK.platforms["linux/amd64"], base=base)
    with pytest.raises(InputError, match=r"cogpack\.lock would have \d+ bytes; 4194304 are read at most"):
        encode_lock(msgspec.structs.replace(LOCK, platforms={"linux/amd64": decisions}))
    with pytest.raises(InputError, match=r"cogpack\.blur\.lock would have"):
        encode_lock(msgspec.structs.replace(LOCK, platforms={"linux/amd64": decisions}), config="blur.yaml")


def test_a_lock_that_we_would_refuse_is_not_written() -> None:
    toolkit = LockedToolkit(cuda="12.4", architectures="8.0,9.0", compiler="g++-13")
    decisions = msgspec.structs.replace(LOCK.platforms["linux/amd64"], toolkit=toolkit)
    with pytest.raises(InputError, match=r"cogpack\.lock is not written, .*toolkit\.architectures"):
        encode_lock(msgspec.structs.replace(LOCK, platforms={"linux/amd64": decisions}))
    with pytest.raises(InputError, match=r"cogpack\.blur\.lock is not written") as caught:
        encode_lock(msgspec.structs.replace(LOCK, platforms={"linux/amd64": decisions}), config="blur.yaml")
    assert caught.value.next_step == "write what that comes from in blur.yaml another way"


def test_a_lock_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cogpack.lock")
    with pytest.raises(InputError, match="not a regular file"):
        read_lock(tmp_path / "cogpack.lock")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"format = 2\n", b'format = 2\nsigned = "x"\n', "the key signed is unknown"),
        (b"\n[inputs]\n", b"\n[later]\nkey = 1\n\n[inputs]\n", "the key later is unknown"),
        (
            b", size = 7 },\n]\nclashes",
            b', size = 7, cut = "x" },\n]\nclashes',
            "the key platforms[...].wheels[0].cut is",
        ),
        (b", essential = true", b', essential = true, "a.b" = 1', "base.packages[0].a.b is"),
        (b"version = 2\n", b"version = 3\n", "lock version 3 is unknown"),
        (b'kind = "debian"\n', b'kind = "a later one"\n', "a base of the kind a later one is unknown"),
    ],
)
def test_what_a_newer_cogpack_wrote_is_refused_and_the_cogpack_named_that_knows_it(
    old: bytes, new: bytes, words: str
) -> None:
    data = encode_lock(LOCK).replace(b"cogpack>=0.2.0", b"cogpack>=7.3.1")
    assert data.count(old) == 1, data.decode()
    with pytest.raises(InputError) as caught:
        parse_lock(data.replace(old, new))
    assert words in caught.value.message
    assert f"unknown to this cogpack, {__version__}" in caught.value.message
    assert caught.value.next_step.startswith("install cogpack>=7.3.1")
    with pytest.raises(InputError) as caught:
        parse_lock(data.replace(old, new).replace(b"cogpack>=7.3.1", b"curl evil"))
    assert "evil" not in caught.value.next_step


def tables(kind: Any, path: str = "", above: tuple[Any, ...] = ()) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """All that a lock is made of, each behind its key; of what holds its like, the outermost."""
    for part in typing.get_args(kind):
        yield from tables(part, path, above)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in above:
        yield path, kind
        for field in msgspec.structs.fields(kind):
            yield from tables(field.type, f"{path}.{field.encode_name}", (*above, kind))


def test_no_part_of_a_lock_takes_keys_that_it_does_not_know() -> None:
    assert ".platforms.wheels" in dict(tables(Lock))
    assert [path for path, kind in tables(Lock) if not kind.__struct_config__.forbid_unknown_fields] == []


def test_a_new_key_raises_the_cogpack_that_a_lock_requires() -> None:
    """When this fails: raise `REQUIRES` to the coming version, if it isn't that already, and write the new hash."""
    keys = {f"{path}.{field.encode_name}" for path, kind in tables(Lock) for field in msgspec.structs.fields(kind)}
    assert (REQUIRES, hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:8]) == ("0.2.0", "fc87e399")


def test_a_lock_that_this_cogpack_writes_asks_for_no_newer_one() -> None:
    """When this fails: `__version__` is the coming version from the first change on that a lock asks for."""
    assert Version(__version__) >= max(Version(REQUIRES), *(Version(rules.since) for rules in FORMATS.values()))


VERSION_1 = f"""\
version = 1

[inputs]
"cog.yaml" = "sha256:1"
"odd \\"name\\" é\\u007f.txt" = "sha256:2"

[platforms."linux/amd64"]
created = 5
wheels = [
    {{ name = "x", version = "1", filename = "x-1-py3-none-any.whl", sha256 = "{HEX}", size = 7 }},
]

[platforms."linux/amd64".debian]
suite = "trixie"
arch = "amd64"
python = "3.13"
glibc = "2.41"
releases = [
    {{ archive = "debian", suite = "trixie", date = "2026-01-01T00:00:00Z", sha256 = "{HEX}", signed_by = "ab", \
snapshot = "20260101" }},
]
packages = [
    {{ name = "d", version = "1:2~3", arch = "amd64", archive = "debian", path = "pool/d.deb", size = 1, \
sha256 = "{HEX}", essential = true, requested = false }},
]
"""
"""As cogpack 0.1 wrote it."""


def test_a_lock_of_version_1_is_read_for_its_pins() -> None:
    found = parse_lock(VERSION_1.encode())
    assert found.format == 1
    assert (found.inputs, found.platforms) == (LOCK.inputs, LOCK.platforms)


def test_a_base_of_a_lock_of_version_1_is_kept_with_its_directories() -> None:
    config = json.dumps({"rootfs": {"diff_ids": []}})
    image = RegistryBase(
        reference="h.io/a:1", digest=Digest(f"sha256:{HEX}"), python="3.13", glibc="2.41", config=config, layers=(),
        interpreter="/usr/bin/python3.13", inherited_directories=(InheritedDirectory("tmp", 0o1777, 0, 0),),
    )  # fmt: skip
    decisions = msgspec.structs.replace(LOCK.platforms["linux/amd64"], base=image)
    new = msgspec.structs.replace(LOCK, platforms={"linux/amd64": decisions})
    old = encode_lock(new).decode()
    for after, before in (
        ('version = 2\nrequires = "cogpack>=0.2.0"\nformat = 2\n', "version = 1\n"),
        ('kind = "registry"\n', ""),
        ("inherited_directories", "ground"),
    ):
        assert after in old
        old = old.replace(after, before)
    assert parse_lock(old.encode()).platforms == new.platforms


@pytest.mark.parametrize("text", ["version = 1", "version = 1\nplatforms = 3", "version = 1\n[platforms]\na = 1"])
def test_a_lock_of_version_1_that_is_none_is_refused_as_any_other(text: str) -> None:
    with pytest.raises(InputError):
        parse_lock(text.encode())
