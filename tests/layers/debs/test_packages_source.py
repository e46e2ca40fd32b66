"""Packages over a base are a layer of their own: with it, the image has what all packages together would make."""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support.debs import deb, deb_file, member, shared_object
from support.ldcache import parse_cache
from support.verbs import Verbs

from cogpack.layers.content import LocalFile
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, Whiteout, parents
from cogpack.progress import SILENT, Cancellation, Progress


class Made:
    """A base of a few packages, and others over it."""

    def __init__(self, directory: Path, progress: Progress = SILENT) -> None:
        self._directory = directory
        self._unpacking = Unpacking(directory / "spool", progress, Cancellation())
        directory.mkdir(exist_ok=True)

    def deb(self, name: str, data: bytes, version: str = "1") -> DebFile:
        return deb_file(self._directory, name, data, version=version)

    def base(self, *debs: DebFile) -> DebianSource:
        own = [
            self.deb("base-files", deb("base-files", member("./root/", mode=0o600), member("./tmp/", mode=0o1777))),
            self.deb("base-passwd", deb("base-passwd", member("./usr/share/base-passwd/passwd.master", "root:*:0:\n"))),
            self.deb("libc-bin", deb("libc-bin", member("./etc/ld.so.conf", "/usr/lib/more\n"))),
            self.deb("liba", deb("liba", member("./usr/lib/liba.so.1", shared_object("liba.so.1")))),
        ]
        taken = {one.name for one in debs}
        debs = (*(one for one in own if one.name not in taken), *debs)
        return DebianSource(debs, suite="trixie", arch="amd64", unpacking=self._unpacking)

    def over(self, base: DebianSource, *debs: DebFile) -> dict[str, Entry]:
        return {entry.path: entry for entry in PackagesSource(base, debs, name="packages").entries()}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "made")


def flat(layers: Sequence[Mapping[str, Entry]]) -> dict[str, Entry]:
    """What an engine makes of layers (image-spec layer.md, "Applying Changesets"); hard links as files."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for path, entry in layer.items():
            there = found.get(path)
            if there is not None and not (isinstance(there, Directory) and isinstance(entry, Directory)):
                for gone in [one for one in found if one == path or one.startswith(f"{path}/")]:
                    del found[gone]
            if isinstance(entry, HardLink):
                entry = layer[entry.target]
            if not isinstance(entry, Whiteout):
                found[path] = entry
    return found


def seen(entries: Mapping[str, Entry]) -> dict[str, tuple[object, ...]]:
    return {
        path: (
            type(entry),
            *(getattr(entry, name, None) for name in ("mode", "uid", "gid", "target")),
            text(entry) if isinstance(entry, File) else "",
        )
        for path, entry in entries.items()
    }


def text(entry: Entry) -> bytes:
    assert isinstance(entry, File)
    with entry.content.open() as stream:
        return stream.read()


def listed(source: DebianSource) -> dict[str, Entry]:
    return {entry.path: entry for entry in source.entries()}


def files(entries: Mapping[str, Entry]) -> set[str]:
    return {path for path, entry in entries.items() if not isinstance(entry, Directory)}


BLAS = "#!/bin/sh\nupdate-alternatives --install /usr/lib/libblas.so.3 libblas.so.3 /usr/lib/blas/libblas.so.3 10\n"


def test_the_layers_together_are_what_all_packages_make_at_once(made: Made) -> None:
    packages = [
        made.deb(
            "tool",
            deb(
                "tool",
                member("./bin/tool", "#!", mode=0o4755),
                member("./root/.toolrc", "x"),
                member("./usr/lib/more/libt.so.2", shared_object("libt.so.2")),
                member("./etc/tool.conf", "a"),
                control={"conffiles": "/etc/tool.conf\n", "triggers": "interest-noawait /usr/lib/tool\n"},
            ),
        ),
        made.deb("libblas3", deb("libblas3", member("./usr/lib/blas/libblas.so.3", "b"), control={"postinst": BLAS})),
        made.deb("passwd", deb("passwd", member("./usr/share/x", "x"))),
    ]
    base = made.base()
    layers = [listed(base), made.over(base, *packages)]
    assert seen(flat(layers)) == seen(flat([listed(made.base(*packages))]))
    assert not [entry for entry in layers[1].values() if isinstance(entry, Whiteout)]


def test_the_base_is_the_same_whatever_lies_over_it(made: Made) -> None:
    base = made.base()
    key, before = base.key(), seen(listed(base))
    made.over(base, made.deb("tool", deb("tool", member("./usr/bin/tool", "#!"))))
    assert (base.key(), seen(listed(base))) == (key, before)
    assert seen(listed(made.base())) == before


def test_the_layer_has_what_packages_bring_and_the_files_that_describe_the_whole(made: Made) -> None:
    base = made.base()
    tool = made.deb("tool", deb("tool", member("./usr/lib/libt.so.2", shared_object("libt.so.2"))))
    found = made.over(base, tool)
    database = {f"var/lib/dpkg/{name}" for name in ("status", "available", "info/tool.list")}
    assert files(found) == {"usr/lib/libt.so.2", "etc/ld.so.cache", *database}
    assert [entry.soname for entry in parse_cache(text(found["etc/ld.so.cache"]))] == ["libt.so.2", "liba.so.1"]
    assert text(found["var/lib/dpkg/status"]).count(b"Package: ") == 5


def test_packages_without_libraries_leave_the_library_cache_to_the_base(made: Made) -> None:
    assert "etc/ld.so.cache" not in made.over(made.base(), made.deb("tool", deb("tool", member("./usr/bin/t", "#!"))))


def test_directories_above_what_is_new_keep_their_owners_and_modes(made: Made) -> None:
    found = made.over(made.base(), made.deb("tool", deb("tool", member("./root/.toolrc", "x"))))
    assert found["root"] == Directory("root", 0o711)
    assert "tmp" not in found
    assert all(isinstance(found[above], Directory) for path in found for above in parents(path))


def test_another_version_takes_the_place_of_the_bases_with_whiteouts_for_what_it_has_no_more(made: Made) -> None:
    old = deb(
        "x",
        member("./usr/lib/x/gone/deep", "1"),
        member("./usr/lib/x/kept", "1"),
        member("./usr/lib/x/moved", "1"),
        member("./usr/lib/x/turned/file", "1"),
        member("./usr/lib/libx.so.1.1", shared_object("libx.so.1")),
        member("./usr/share/x", link="lib"),
    )
    new = deb(
        "x",
        member("./usr/lib/x/kept", "1"),
        member("./usr/lib/x/moved", "2"),
        member("./usr/lib/x/turned", "now a file"),
        member("./usr/lib/libx.so.1.2", shared_object("libx.so.1")),
        member("./usr/share/x/file", "2"),
        version="2",
    )
    base = made.base(made.deb("x", old))
    found = made.over(base, made.deb("x", new, "2"))
    whiteouts = {path for path, entry in found.items() if isinstance(entry, Whiteout)}
    assert whiteouts == {"usr/lib/x/gone", "usr/lib/libx.so.1.1"}
    assert "usr/lib/x/kept" not in found
    assert found["usr/lib/libx.so.1"] == Symlink("usr/lib/libx.so.1", "libx.so.1.2")
    assert seen(flat([listed(base), found])) == seen(flat([listed(made.base(made.deb("x", new, "2")))]))


def test_a_file_that_a_package_replaces_is_that_packages(made: Made) -> None:
    base = made.base(made.deb("x", deb("x", member("./usr/bin/x", "old"))))
    new = deb("y", member("./usr/bin/x", "new"), fields={"Replaces": "x"})
    assert text(made.over(base, made.deb("y", new))["usr/bin/x"]) == b"new"


def test_an_alternative_over_one_of_the_base_moves_its_links(made: Made) -> None:
    def editor(name: str, priority: int) -> DebFile:
        line = f"update-alternatives --install /usr/bin/editor editor /usr/bin/{name} {priority}"
        return made.deb(
            name, deb(name, member(f"./usr/bin/{name}", "#!"), control={"postinst": f"#!/bin/sh\n{line}\n"})
        )

    base = made.base(editor("nano", 40))
    found = made.over(base, editor("vim", 50))
    assert found["etc/alternatives/editor"] == Symlink("etc/alternatives/editor", "/usr/bin/vim")
    assert "usr/bin/editor" not in found, "it leads to the link"
    choices = text(found["var/lib/dpkg/alternatives/editor"])
    assert (b"/usr/bin/nano\n40\n" in choices, b"/usr/bin/vim\n50\n" in choices) == (True, True)
    lesser = made.over(base, editor("ed", -100))
    assert "etc/alternatives/editor" not in lesser


def test_packages_are_unpacked_once_for_both_layers(tmp_path: Path) -> None:
    progress = Verbs()
    made = Made(tmp_path / "made", progress)
    base = made.base()
    packages = PackagesSource(base, [made.deb("tool", deb("tool"))], name="packages")
    packages.entries()
    base.entries()
    assert [task.name for task in progress.tasks] == ["5 Debian packages"]


def test_the_key_names_base_and_packages_and_is_known_without_reading(made: Made) -> None:
    def unread() -> LocalFile:
        raise AssertionError("a key must not need the files")

    def deb_of(name: str, digit: str) -> DebFile:
        return DebFile(name=name, version="1", arch="amd64", size=1, sha256=digit * 64, locate=unread)

    def source(*names: str) -> DebianSource:
        debs = [deb_of(name, "0") for name in names]
        return DebianSource(debs, suite="trixie", arch="amd64", unpacking=Unpacking(Path("x"), SILENT, Cancellation()))

    def key(base: DebianSource, *debs: DebFile) -> str:
        return PackagesSource(base, debs, name="").key()

    one, two = deb_of("one", "1"), deb_of("two", "2")
    base = source("a")
    assert key(base, one, two) == key(base, two, one)
    assert len({base.key(), key(base), key(base, one), key(base, deb_of("one", "3")), key(source("b"), one)}) == 5


class Apart:
    """A package of whom others replace a file, that is linked to by one, and that lies across links of the base."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.large = made.deb(
            "large",
            deb(
                "large",
                member("./lib/libl.so.1.2", shared_object("libl.so.1")),
                member("./usr/bin/l", "#!"),
                member("./usr/bin/k", kind=tarfile.LNKTYPE, link="usr/bin/l"),
                member("./usr/bin/taken", "of large"),
                member("./var/run/large/x", "x"),
                member("./root/", mode=0o644),
                control={"triggers": "interest-noawait /usr/lib/large\n"},
            ),
        )
        other = deb("other", member("./usr/bin/taken", "of other"), fields={"Replaces": "large"})
        self.all = [self.large, made.deb("other", other)]

    def base(self, **links: str) -> DebianSource:
        files = [member(path, link=target) for path, target in {"./var/run": "/run", **links}.items()]
        return self.made.base(self.made.deb("links", deb("links", *files, member("./run/"))))

    def layers(self, base: DebianSource) -> list[dict[str, Entry]]:
        alone = PackageSource(self.large, arch="amd64", unpacking=base.unpacking)
        over = PackagesSource(base, self.all, name="packages", apart=[alone])
        return [{entry.path: entry for entry in layer.entries()} for layer in (base, alone, over)]


def test_with_a_package_in_a_layer_of_its_own_the_layers_together_are_the_same(made: Made) -> None:
    apart = Apart(made)
    base = apart.base()
    layers = apart.layers(base)
    assert seen(flat(layers)) == seen(flat([listed(base), made.over(base, *apart.all)]))
    _, alone, over = layers
    assert files(alone) == {"usr/bin/k", "usr/bin/l", "usr/bin/taken", "usr/lib/libl.so.1.2", "var/run/large/x"}
    assert {"usr/bin/taken", "usr/lib/libl.so.1", "etc/ld.so.cache", "var/run", "run/large/x"} <= files(over)
    assert not {"usr/bin/k", "usr/bin/l", "usr/lib/libl.so.1.2"} & files(over)
    assert over["root"] == Directory("root", 0o711), "as the base has it, whatever the package says"


def test_the_layer_of_one_package_is_the_same_over_every_base_and_beside_every_other(made: Made) -> None:
    apart = Apart(made)
    one, other = (
        PackageSource(apart.large, arch="amd64", unpacking=base.unpacking)
        for base in (apart.base(), apart.base(more="run"))
    )
    assert one.key() == other.key()
    assert [seen({entry.path: entry}) for entry in one.entries()] == [
        seen({entry.path: entry}) for entry in other.entries()
    ]


def test_a_package_of_the_base_in_another_version_may_have_a_layer_of_its_own(made: Made) -> None:
    old = made.deb("large", deb("large", member("./usr/lib/gone", "1"), member("./usr/lib/kept", "1")))
    new = made.deb("large", deb("large", member("./usr/lib/kept", "2"), version="2"), "2")
    base = made.base(old)
    alone = PackageSource(new, arch="amd64", unpacking=base.unpacking)
    over = {entry.path: entry for entry in PackagesSource(base, [new], name="", apart=[alone]).entries()}
    assert over["usr/lib/gone"] == Whiteout("usr/lib/gone")
    assert "usr/lib/kept" not in over
    own = {entry.path: entry for entry in alone.entries()}
    assert seen(flat([listed(base), own, over])) == seen(flat([listed(made.base(new))]))
