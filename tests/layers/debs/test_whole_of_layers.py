"""What describes all packages together is right in the highest layer, whatever lies below: asked of the real ldconfig,
dpkg and apt."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from support.debs import deb, deb_file, member, shared_object
from support.ldcache import parse_cache

from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.over.source import OverImageSource
from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, Whiteout
from cogpack.layers.layer import LayerSource
from cogpack.progress import SILENT, Cancellation

TOOLS = "/usr/sbin:/sbin:/usr/bin:/bin"
COMPILER = """#!/bin/sh
update-alternatives --install /usr/bin/cc cc /usr/bin/gcc 20 --slave /usr/bin/c89 c89 /usr/bin/gcc89
"""
AWK = "#!/bin/sh\nupdate-alternatives --install /usr/bin/awk awk /usr/bin/{} {}\n"


def made(name: str, *data: tuple[tarfile.TarInfo, bytes], control: Mapping[str, str] = {}, **more: Any) -> bytes:
    """A package with the sums that dpkg wants of each."""
    sums = "".join(f"{hashlib.md5(body).hexdigest()}  {info.name[2:]}\n" for info, body in data if info.isreg())
    return deb(name, *data, control={"md5sums": sums, **control}, **more)


CONF = "include /etc/ld.so.conf.d/*.conf\n"
BASE = {
    "base-files": made(
        "base-files", member("./tmp/"), member("./etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
    ),
    "mawk": made("mawk", member("./usr/bin/mawk", "#!"), control={"postinst": AWK.format("mawk", 5)}),
    "libc6": made(
        "libc6",
        member("./etc/ld.so.conf.d/arch.conf", "/usr/local/lib/arch\n/usr/lib/arch\n"),
        member("./usr/lib/arch/libc.so.6", shared_object("libc.so.6")),
        member("./usr/lib/arch/libm.so.6", shared_object("libm.so.6")),
        fields={"Multi-Arch": "same"},
    ),
}
PARTS = {
    "packages": {
        "tool": made(
            "tool",
            member("./usr/bin/tool", "#!"),
            member("./usr/lib/arch/libtool.so.2.10", shared_object("libtool.so.2")),
            member("./etc/tool.conf", "x"),
            fields={"Depends": "libc6, awk"},
            control={"conffiles": "/etc/tool.conf\n"},
        ),
        "gawk": made(
            "gawk",
            member("./usr/bin/gawk", "#!"),
            fields={"Provides": "awk"},
            control={"postinst": AWK.format("gawk", 10)},
        ),
    },
    "large": {
        "large": made(
            "large",
            member("./etc/ld.so.conf.d/large.conf", "/opt/large\n"),
            member("./opt/large/liblarge.so.19", shared_object("liblarge.so.19.1")),
            member("./usr/lib/libalso.so.1", shared_object("libalso.so.1")),
            fields={"Depends": "libc6"},
        )
    },
    "compiler": {
        "gcc": made(
            "gcc",
            member("./usr/bin/gcc", "#!"),
            member("./usr/bin/gcc89", "#!"),
            member("./usr/lib/arch/libcc1.so.0", shared_object("libcc1.so.0")),
            member("./usr/lib/arch/libc.so", link="libc.so.6"),
            fields={"Depends": "libc6"},
            control={"postinst": COMPILER},
        )
    },
    "newer": {
        "libc6": made(
            "libc6",
            member("./etc/ld.so.conf.d/arch.conf", "/usr/lib/arch\n"),
            member("./usr/lib/arch/libc.so.6", shared_object("libc.so.6")),
            fields={"Multi-Arch": "same"},
            version="2",
        )
    },
}
SUBSETS = [*chain.from_iterable(combinations(sorted(PARTS), count) for count in range(len(PARTS) + 1))]


def image(directory: Path, parts: Iterable[str], *, others: bool = False) -> Path:
    """Make the files of an image with them: over our own base, or over one as if `others` had made it."""
    directory.mkdir()
    base = DebianSource(
        [deb_file(directory, name, data) for name, data in BASE.items()],
        suite="trixie",
        arch="amd64",
        unpacking=Unpacking(directory / "spool", SILENT, Cancellation()),
    )
    over = [
        deb_file(directory, name, data, version="2" if part == "newer" else "1")
        for part in parts
        for name, data in PARTS[part].items()
    ]
    root = directory / "root"
    for layer in layers_over_image(base, over) if others else layers(base, over):
        lay(root, layer)
    return root


def layers(base: DebianSource, over: Sequence[DebFile]) -> list[Sequence[Entry]]:
    apart = [PackageSource(one, arch="amd64", unpacking=base.unpacking) for one in over if one.name == "large"]
    sources: list[LayerSource] = [base, *apart]
    if over:
        sources.append(PackagesSource(base, over, name="", apart=apart))
    return [list(one.entries()) for one in sources]


@pytest.mark.parametrize("parts", [one for one in SUBSETS if "compiler" in one], ids="+".join)
def test_a_compiler_in_a_layer_of_its_own_makes_the_image_that_it_is_among_the_others(
    tmp_path: Path, parts: Sequence[str]
) -> None:
    base = DebianSource(
        [deb_file(tmp_path, name, data) for name, data in BASE.items()],
        suite="trixie",
        arch="amd64",
        unpacking=Unpacking(tmp_path / "spool", SILENT, Cancellation()),
    )
    over = [
        deb_file(tmp_path, name, data, version="2" if part == "newer" else "1")
        for part in parts
        for name, data in PARTS[part].items()
    ]
    compiler, others = [one for one in over if one.name == "gcc"], [one for one in over if one.name != "gcc"]
    below, above = PackagesSource(base, compiler, name=""), PackagesSource(base, others, name="", below=compiler)
    for root, made in (("one", layers(base, over)), ("two", [base.entries(), below.entries(), above.entries()])):
        for layer in made:
            lay(tmp_path / root, layer)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert above.key() != PackagesSource(base, others, name="").key()
    assert not {entry.path for entry in above.entries() if "gcc" in entry.path} - {"var/lib/dpkg/info"}


def files(root: Path) -> dict[str, str | bytes]:
    """Give what a container would see, by path."""
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def layers_over_image(base: DebianSource, over: Sequence[DebFile]) -> list[Sequence[Entry]]:
    ground: dict[str, Entry] = {entry.path: entry for entry in base.entries()}
    source = OverImageSource(
        [], lambda: ground, over, arch="amd64", name="", where="the image", unpacking=base.unpacking
    )
    return [list(base.entries()), *([list(source.entries())] if over else [])]


def lay(root: Path, layer: Sequence[Entry]) -> None:
    root.mkdir(exist_ok=True)
    for entry in layer:
        path = root / entry.path
        if isinstance(entry, Directory):
            path.mkdir(parents=True, exist_ok=True)
            continue
        if path.is_symlink() or path.is_file():
            path.unlink()
        match entry:
            case File():
                with entry.content.open() as stream:
                    path.write_bytes(stream.read())
                path.chmod(entry.mode)
            case Symlink():
                path.symlink_to(entry.target)
            case HardLink():
                path.hardlink_to(root / entry.target)
            case Whiteout():
                assert not path.exists()


def ask(*command: str | Path) -> str:
    if shutil.which(command[0], path=TOOLS) is None:
        pytest.skip(f"no {command[0]} here, which is the oracle")
    done = subprocess.run(command, env={"PATH": TOOLS}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


both = pytest.mark.parametrize("others", [False, True], ids=["our base", "an image"])


@both
@pytest.mark.parametrize("parts", SUBSETS, ids="+".join)
def test_ldconfig_finds_what_the_cache_has(tmp_path: Path, parts: Sequence[str], others: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("ldconfig -r is root's")
    root = image(tmp_path / "image", parts, others=others)
    cache = root / "etc/ld.so.cache"
    ours = parse_cache(cache.read_bytes())
    ask("ldconfig", "-X", "-r", root)
    assert parse_cache(cache.read_bytes()) == ours
    assert len(ours) == (1 if "newer" in parts else 2) + sum(
        {"packages": 1, "large": 2, "compiler": 2}.get(part, 0) for part in parts
    )


@both
@pytest.mark.parametrize("parts", [one for one in SUBSETS if len(one) in (0, 1, len(PARTS))], ids="+".join)
def test_dpkg_finds_its_database_sound(tmp_path: Path, parts: Sequence[str], others: bool) -> None:
    root = image(tmp_path / "image", parts, others=others)
    database = root / "var/lib/dpkg"
    assert ask("dpkg", f"--admindir={database}", "--audit") == ""
    listed = ask("dpkg-query", f"--admindir={database}", "--show", "--showformat=${Package} ${db:Status-Abbrev}\n")
    names = {*BASE, *chain.from_iterable(PARTS[part] for part in parts)}
    assert listed.split("\n")[:-1] == [f"{name} ii " for name in sorted(names)]
    files = [path for path in ask("dpkg-query", f"--admindir={database}", "-L", *names).splitlines() if path]
    assert [path for path in files if not os.path.lexists(root / path.lstrip("/"))] == []


@both
def test_apt_and_alternatives_find_theirs_sound(tmp_path: Path, others: bool) -> None:
    root = image(tmp_path / "image", PARTS, others=others)
    state = root / "var/lib/dpkg"
    places = {"Dir::State": root / "var/lib/apt", "Dir::State::status": state / "status", "Dir::Cache": root / "cache"}
    (root / "var/lib/apt/lists/partial").mkdir(parents=True, exist_ok=True)
    options = [f"-o{name}={path}" for name, path in places.items()]
    ask("apt-get", *options, "-oDebug::NoLocking=1", "-oDir::Etc::sourcelist=/dev/null", "check")
    for name, best, others in (("awk", "gawk", "mawk"), ("cc", "gcc", "")):
        told = ask("update-alternatives", "--root", root, "--query", name)
        assert f"Alternative: /usr/bin/{best}\n" in told
        assert others in told
        assert (root / "etc/alternatives" / name).readlink() == Path(f"/usr/bin/{best}")
