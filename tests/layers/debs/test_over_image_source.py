"""Packages over an image that others made come out as its own dpkg would leave them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from support.debs import deb, deb_file, member, shared_object
from support.ldcache import parse_cache

from cogpack.digest import DiffID, sha256
from cogpack.errors import InputError
from cogpack.layers.content import Bytes
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.effects.ldcache import SharedObject
from cogpack.layers.debs.over.ground import Unread, is_kept
from cogpack.layers.debs.over.source import OverImageSource
from cogpack.layers.debs.source import PackageSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, Whiteout, parents
from cogpack.progress import SILENT, Cancellation

INFO = "var/lib/dpkg/info"


def stanza(name: str, version: str = "1", *, conffiles: str = "", state: str = "installed", arch: str = "amd64") -> str:
    lines = f"Package: {name}\nStatus: install ok {state}\nArchitecture: {arch}\nVersion: {version}\n"
    return lines + (f"Conffiles:\n{conffiles}" if conffiles else "")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Image:
    """An image, merged in /usr, with dpkg's database of a few packages and their files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.status = [stanza("libc6"), stanza("old", conffiles=f" /etc/old.conf {md5('as packaged')}\n")]
        self.files: dict[str, str | bytes | Entry] = {
            "lib": Symlink("lib", "usr/lib"),
            "opt": Directory("opt", 0o775, 7, 7),
            "etc/ld.so.conf": "/usr/lib/own\n",
            "etc/old.conf": "as packaged",
            "usr/lib/own/libown.so.1": File(
                "usr/lib/own/libown.so.1", Unread("usr/lib/own/libown.so.1", 9, SharedObject(62, "libown.so.1"))
            ),
            "usr/bin/old": File("usr/bin/old", Unread("usr/bin/old", 3)),
            "usr/share/old/data": "data",
            f"{INFO}/libc6.list": "/.\n",
            f"{INFO}/old.list": "/.\n/etc/old.conf\n/usr\n/usr/bin/old\n/usr/share/old\n/usr/share/old/data\n",
            f"{INFO}/old.postrm": "#!/bin/sh\nset -e\n",
        }

    def ground(self) -> Mapping[str, Entry]:
        found: dict[str, Entry] = {}
        files = {**self.files, "var/lib/dpkg/status": "\n".join(self.status)}
        for path, what in files.items():
            for parent in parents(path):
                found.setdefault(parent, Directory(parent))
            if isinstance(what, str | bytes):
                data = what.encode() if isinstance(what, str) else what
                what = File(path, Bytes(data) if is_kept(path, len(data)) else Unread(path, len(data)))
            found[path] = what
        return found

    def deb(self, name: str, data: bytes, version: str = "1") -> DebFile:
        return deb_file(self.directory, name, data, version=version)

    def source(
        self, *debs: DebFile, apart: Sequence[PackageSource] = (), below: OverImageSource | None = None
    ) -> OverImageSource:
        return OverImageSource(
            [DiffID(sha256(b"layer"))],
            self.ground,
            debs,
            arch="amd64",
            name="packages",
            where="base",
            unpacking=Unpacking(self.directory / "spool", SILENT, Cancellation()),
            apart=apart,
            below=below,
        )

    def over(self, *debs: DebFile) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.source(*debs).entries()}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def text(entry: Entry | None) -> str:
    assert isinstance(entry, File)
    return entry.content.open().read().decode()


def test_a_new_package_is_laid_through_the_links_of_the_image_and_stands_in_its_database(image: Image) -> None:
    made = image.over(image.deb("new", deb("new", member("./lib/new/x", "x"), member("./opt/new", "y"))))
    assert text(made["usr/lib/new/x"]) == "x"
    assert "lib" not in made
    assert made["opt"] == Directory("opt", 0o775, 7, 7), "a directory that is written again keeps its owner and mode"
    told = text(made["var/lib/dpkg/status"])
    assert [line for line in told.splitlines() if line.startswith("Package: ")] == [
        *("Package: libc6", "Package: new", "Package: old")
    ]
    assert image.status[1].strip() in told, "what it says of others stays"
    assert text(made[f"{INFO}/new.list"]) == "/.\n/lib/new/x\n/opt/new\n"
    assert "usr/bin/old" not in made


def test_the_library_cache_has_those_of_the_image_though_nobody_reads_them_again(image: Image) -> None:
    made = image.over(image.deb("libnew", deb("libnew", member("./usr/lib/libnew.so.2", shared_object("libnew.so.2")))))
    cache = made["etc/ld.so.cache"]
    assert isinstance(cache, File)
    assert {one.soname for one in parse_cache(cache.content.open().read())} == {"libown.so.1", "libnew.so.2"}


def test_a_newer_version_takes_away_what_the_old_one_alone_had(image: Image) -> None:
    image.status.append(stanza("beside"))
    image.files[f"{INFO}/beside.list"] = "/.\n/usr/share/old\n"
    made = image.over(image.deb("old", deb("old", member("./usr/bin/old", "new"), version="2"), "2"))
    assert text(made["usr/bin/old"]) == "new"
    assert isinstance(made["usr/share/old/data"], Whiteout)
    assert "usr/share/old" in made, "another package has it, too"
    assert not isinstance(made["usr/share/old"], Whiteout)
    assert isinstance(made[f"{INFO}/old.postrm"], Whiteout)
    assert f"Conffiles:\n /etc/old.conf {md5('as packaged')} obsolete\n" in text(made["var/lib/dpkg/status"])
    assert "etc/old.conf" not in made, "settings stay until the package is purged"


def test_a_newer_version_diverts_nothing_twice(image: Image) -> None:
    path = "/lib/x86_64-linux-gnu/libtirpc.so.3"
    image.status.append(stanza("libtirpc3t64"))
    image.files[f"{INFO}/libtirpc3t64.list"] = f"/.\n/usr{path}\n"
    image.files[f"usr{path}"] = "old"
    image.files["var/lib/dpkg/diversions"] = f"{path}\n{path}.usr-is-merged\nlibtirpc3t64\n"
    made = image.over(image.deb("libtirpc3t64", deb("libtirpc3t64", member(f"./usr{path}", "new"), version="2"), "2"))
    assert text(made[f"usr{path}"]) == "new"
    assert "var/lib/dpkg/diversions" not in made


@pytest.mark.parametrize(
    ("there", "packaged", "result"),
    [
        ("as packaged", "newer", "newer"),
        ("changed", "newer", None),
        (None, "newer", None),
        ("changed", "as packaged", None),
    ],
    ids=["untouched", "changed", "deleted", "changed here alone"],
)
def test_settings_that_somebody_changed_stay_as_they_are(
    image: Image, there: str | None, packaged: str, result: str | None
) -> None:
    del image.files["etc/old.conf"]
    if there is not None:
        image.files["etc/old.conf"] = there
    data = deb("old", member("./etc/old.conf", packaged), version="2", control={"conffiles": "/etc/old.conf\n"})
    made = image.over(image.deb("old", data, "2"))
    assert (text(made["etc/old.conf"]) if "etc/old.conf" in made else None) == result
    assert f" /etc/old.conf {md5(packaged)}\n" in text(made["var/lib/dpkg/status"])


def test_what_the_images_dpkg_leaves_out_diverts_and_owns_otherwise_holds_here(image: Image) -> None:
    image.files |= {
        "etc/dpkg/dpkg.cfg.d/docker": "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n",
        "var/lib/dpkg/diversions": "/usr/bin/man\n/usr/bin/man.REAL\n:\n",
        "var/lib/dpkg/statoverride": "root crontab 2755 /usr/bin/tool\n",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "etc/group": "root:x:0:\ncrontab:x:99:\n",
    }
    files = [member("./usr/share/doc/new/changelog", ""), member("./usr/share/doc/new/copyright", "mine")]
    made = image.over(
        image.deb("new", deb("new", *files, member("./usr/bin/man", "man"), member("./usr/bin/tool", "tool")))
    )
    assert "usr/share/doc/new/changelog" not in made
    assert text(made["usr/share/doc/new/copyright"]) == "mine"
    assert text(made["usr/bin/man.REAL"]) == "man"
    assert "usr/bin/man" not in made
    tool = made["usr/bin/tool"]
    assert isinstance(tool, File)
    assert (tool.mode, tool.uid, tool.gid) == (0o2755, 0, 99)


def test_a_file_of_another_package_is_taken_by_who_replaces_it_and_else_nobody(image: Image) -> None:
    taken = image.deb("new", deb("new", member("./usr/bin/old", "mine"), fields={"Replaces": "old"}))
    made = image.over(taken)
    assert text(made["usr/bin/old"]) == "mine"
    assert "/usr/bin/old\n" not in text(made[f"{INFO}/old.list"])
    with pytest.raises(InputError, match="/usr/bin/old: is in the packages old and new, and neither replaces"):
        image.over(image.deb("new", deb("new", member("./usr/bin/old", "theirs"))))


def test_what_is_written_for_a_package_can_be_told_by_what_is_kept_of_the_image(image: Image) -> None:
    """Settings of fonts, and interpreters, of which the image has some."""
    image.files |= {
        "usr/lib/os-release": "VERSION_CODENAME=bookworm\n",
        "usr/share/binfmts/python3.11": "package python3.11\ninterpreter /usr/bin/python3.11\nmagic x\n",
        "usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstcoreelements.so": "",
    }
    names = ("fontconfig-config", "libgstreamer1.0-0", "binfmt-support", "systemd", "ghostscript", "mysql-common")
    made = image.over(*(image.deb(name, deb(name)) for name in names))
    assert made["usr/local/share/fonts"] == Directory("usr/local/share/fonts", 0o2775, 0, 50)
    assert "/usr/bin/python3.11\n" in text(made["var/lib/binfmts/python3.11"])


def test_a_choice_joins_those_that_the_image_has_and_a_users_own_stays(image: Image) -> None:
    group = "{mode}\n/usr/bin/editor\n\n/usr/bin/old\n40\n\n"
    script = "#!/bin/sh\nupdate-alternatives --install /usr/bin/editor editor /usr/bin/new 50\n"
    new = deb("new", member("./usr/bin/new", "n"), control={"postinst": script})
    image.files |= {
        "var/lib/dpkg/alternatives/editor": group.format(mode="auto"),
        "etc/alternatives/editor": Symlink("etc/alternatives/editor", "/usr/bin/old"),
        "usr/bin/editor": Symlink("usr/bin/editor", "/etc/alternatives/editor"),
    }
    made = image.over(image.deb("new", new))
    assert made["etc/alternatives/editor"] == Symlink("etc/alternatives/editor", "/usr/bin/new")
    both = "auto\n/usr/bin/editor\n\n/usr/bin/new\n50\n/usr/bin/old\n40\n\n"
    assert text(made["var/lib/dpkg/alternatives/editor"]) == both
    image.files["var/lib/dpkg/alternatives/editor"] = group.format(mode="manual")
    made = image.over(image.deb("new", new))
    assert "etc/alternatives/editor" not in made
    assert text(made["var/lib/dpkg/alternatives/editor"]) == both.replace("auto", "manual")


def test_triggers_of_the_image_stay_beside_those_of_packages_of_several_architectures(image: Image) -> None:
    image.files |= {"var/lib/dpkg/triggers/File": "/usr/share/x old\n", "var/lib/dpkg/triggers/ldconfig": "libc6\n"}
    data = deb("new", fields={"Multi-Arch": "same"}, control={"triggers": "interest-noawait /usr/lib/x\n"})
    made = image.over(image.deb("new", data))
    assert text(made["var/lib/dpkg/triggers/File"]) == "/usr/share/x old\n/usr/lib/x new:amd64/noawait\n"
    assert "var/lib/dpkg/triggers/ldconfig" not in made


def test_a_package_of_which_settings_alone_were_left_and_others_of_another_architecture_stay_told(
    image: Image,
) -> None:
    image.status += [stanza("new", "0", state="config-files"), stanza("libc6", arch="i386")]
    made = image.over(image.deb("new", deb("new")))
    told = text(made["var/lib/dpkg/status"])
    assert told.count("Package: new\n") == 1
    assert "config-files" not in told
    assert told.count("Package: libc6\n") == 2


def test_an_image_whose_dpkg_stopped_half_way_is_refused(image: Image) -> None:
    image.status.append(stanza("half", state="half-configured"))
    with pytest.raises(InputError, match="base: half is 'install ok half-configured' in its package database"):
        image.over(image.deb("new", deb("new")))


def test_what_has_to_be_compared_and_was_not_kept_is_an_error_and_no_guess(image: Image) -> None:
    image.files["etc/big"] = File("etc/big", Unread("etc/big", 3))
    with pytest.raises(InputError, match="/etc/big: a package that is laid over the base wants what this file has"):
        image.over(image.deb("new", deb("new", member("./etc/big", "big"), control={"conffiles": "/etc/big\n"})))


def test_the_key_follows_from_the_layers_below_and_the_packages(image: Image) -> None:
    new = image.deb("new", deb("new"))
    key = image.source(new).key()
    assert key == image.source(new).key()
    others = [image.source(image.deb("other", deb("other"))), image.source()]
    others.append(image.source(new))
    others[-1]._layers = [DiffID(sha256(b"another"))]
    assert key not in {one.key() for one in others}


def test_a_package_of_another_architecture_stays_when_its_native_twin_comes(image: Image) -> None:
    image.status.append(stanza("new", "0", arch="i386"))
    told = text(image.over(image.deb("new", deb("new")))["var/lib/dpkg/status"])
    assert told.count("Package: new\n") == 2


def test_a_file_of_the_image_in_the_place_of_a_choices_link_stays(image: Image) -> None:
    image.files["usr/bin/editor"] = "my own"
    script = "#!/bin/sh\nupdate-alternatives --install /usr/bin/editor editor /usr/bin/new 50\n"
    made = image.over(image.deb("new", deb("new", member("./usr/bin/new", "n"), control={"postinst": script})))
    assert "usr/bin/editor" not in made
    assert made["etc/alternatives/editor"] == Symlink("etc/alternatives/editor", "/usr/bin/new")


def test_the_time_zone_and_the_accounts_of_the_image_stay(image: Image) -> None:
    image.files |= {
        "etc/localtime": Symlink("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"),
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n+::::::\nmine:x:100:100::/:/bin/sh\n",
        "etc/group": "root:x:0:\nmine:x:100:\n",
        "etc/shadow": "root:!:1::::::\n",
    }
    debs = [image.deb(name, deb(name)) for name in ("tzdata", "passwd", "dbus-system-bus-common")]
    made = image.over(*debs)
    assert "etc/localtime" not in made
    assert text(made["etc/passwd"]).endswith(
        "mine:x:100:100::/:/bin/sh\nmessagebus:x:101:101::/nonexistent:/usr/sbin/nologin\n"
    )
    assert text(made["etc/shadow"]).startswith("root:!:1::::::\nmessagebus:!:")


@pytest.mark.parametrize("taker", ["aa-taker", "zz-taker"])
def test_a_file_that_moves_to_another_new_package_stays_whichever_comes_first(image: Image, taker: str) -> None:
    takes = deb(taker, member("./usr/bin/old", "moved"), fields={"Replaces": "old (<< 2)", "Breaks": "old (<< 2)"})
    made = image.over(image.deb("old", deb("old", version="2"), "2"), image.deb(taker, takes))
    assert text(made["usr/bin/old"]) == "moved"
    assert isinstance(made["usr/share/old"], Whiteout), "what nobody has any more goes"


def test_what_two_newer_packages_had_together_and_have_no_more_goes(image: Image) -> None:
    image.status.append(stanza("beside"))
    image.files[f"{INFO}/beside.list"] = "/.\n/usr/share/old\n/usr/share/old/data\n"
    made = image.over(*(image.deb(name, deb(name, version="2"), "2") for name in ("beside", "old")))
    assert isinstance(made["usr/share/old"], Whiteout)


def test_accounts_whose_last_line_has_no_end_and_names_in_latin_1_are_added_to(image: Image) -> None:
    passwd = "root:x:0:0::/root:/bin/sh\nzoe:x:100:100:Zo\xeb:/:/bin/sh".encode("latin-1")
    image.files |= {"etc/passwd": passwd, "etc/group": "root:x:0:", "etc/shadow": "root:!:1::::::", "etc/gshadow": ""}
    made = image.over(image.deb("dbus-system-bus-common", deb("dbus-system-bus-common")))
    found = made["etc/passwd"]
    assert isinstance(found, File)
    assert found.content.open().read() == passwd + b"\nmessagebus:x:101:100::/nonexistent:/usr/sbin/nologin\n"
    assert text(made["etc/group"]) == "root:x:0:\nmessagebus:x:100:\n"
    assert text(made["etc/shadow"]).splitlines()[0] == "root:!:1::::::"
    assert text(made["etc/gshadow"]) == "messagebus:!::\n"


def test_numbers_that_no_system_has_are_not_taken_as_such(image: Image) -> None:
    image.files |= {
        "etc/passwd": f"root:x:0:0::/:\na:x:\u00b2:0::/:\nb:x:{'9' * 5000}:0::/:\nc:x:4294967296:0::/:\n",
        "etc/group": "root:x:0:\n",
        "var/lib/dpkg/statoverride": "".join(
            f"{user} root {mode} /usr/bin/{name}\n"
            for user, mode, name in (
                *(("a", "600", "a"), ("b", "600", "b"), ("c", "600", "c"), (f"#{'9' * 30}", "600", "d")),
                *(("root", "7" * 5000, "e"), ("root", "7777777", "f")),
            )
        ),
    }
    made = image.over(image.deb("new", deb("new", *(member(f"./usr/bin/{name}", name) for name in "abcdef"))))
    modes = {name: entry.mode for name in "abcdef" if isinstance(entry := made[f"usr/bin/{name}"], File)}
    assert modes == dict.fromkeys("abcde", 0o644) | {"f": 0o7777}


def test_a_package_that_a_damaged_database_tells_twice_is_told_once_when_it_is_newer(image: Image) -> None:
    image.status.append(image.status[1])
    made = image.over(image.deb("old", deb("old", version="2"), "2"))
    assert text(made["var/lib/dpkg/status"]).count("Package: old\n") == 1


def there(*layers: Iterable[Entry]) -> dict[str, tuple[object, ...]]:
    """What a container sees of layers: what each path is, links of files followed."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for entry in sorted(layer, key=lambda one: one.path):
            gone = isinstance(entry, Whiteout) or not isinstance(entry, Directory)
            if gone and isinstance(found.get(entry.path), Directory):
                found = {path: one for path, one in found.items() if not path.startswith(f"{entry.path}/")}
            if isinstance(entry, Whiteout):
                found.pop(entry.path, None)
            else:
                found[entry.path] = found[entry.target] if isinstance(entry, HardLink) else entry
    return {path: seen(entry) for path, entry in found.items()}


def seen(entry: Entry) -> tuple[object, ...]:
    match entry:
        case File():
            content = entry.content
            data: object = content if isinstance(content, Unread) else content.open().read()
            return "file", data, entry.mode, entry.uid, entry.gid
        case Directory():
            return "directory", entry.mode, entry.uid, entry.gid
        case Symlink():
            return "symlink", entry.target
    raise AssertionError(entry)


def test_a_large_package_is_a_layer_that_is_the_same_over_any_image_and_each_image_comes_out_as_without(
    image: Image,
) -> None:
    image.files |= {
        "bin": Symlink("bin", "usr/bin"),
        "usr/lib": Directory("usr/lib", 0o775, 0, 7),
        "usr/lib/moved": Symlink("usr/lib/moved", "/opt/moved"),
        "opt/moved/there": "there",
        "etc/dpkg/dpkg.cfg.d/docker": "path-exclude=/usr/share/data/*\n",
        "var/lib/dpkg/diversions": "/usr/bin/man\n/usr/bin/man.REAL\n:\n",
        "var/lib/dpkg/statoverride": "root root 4755 /usr/bin/tool\n",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        "etc/old.conf": "changed",
    }
    names = {
        *(
            "bin/there",
            "usr/bin/tool",
            "usr/bin/man",
            "usr/share/data/x",
            "usr/share/doc/old/changelog",
            "usr/share/doc/old/copyright",
        ),
        *("usr/lib/moved/new", "opt/new", "etc/old.conf", "usr/bin/old", "lib/liblarge.so"),
    }
    data = deb(
        "old",
        *(member(f"./{name}", name) for name in sorted(names)),
        version="2",
        control={"conffiles": "/etc/old.conf\n"},
    )
    old, small = image.deb("old", data, "2"), image.deb("small", deb("small", member("./usr/bin/small", "small")))
    unpacking = Unpacking(image.directory / "spool", SILENT, Cancellation())
    alone = PackageSource(old, arch="amd64", unpacking=unpacking)
    ground = [*image.ground().values()]
    whole, above = image.source(old, small), image.source(old, small, apart=[alone])
    assert there(ground, alone.entries(), above.entries()) == there(ground, whole.entries())
    again = {entry.path for entry in above.entries()}
    assert not again & {"usr/bin/old", "usr/lib/liblarge.so", "opt/new"}, "what is there need not come twice"
    assert {"usr/bin/small", "usr/bin/tool", "usr/share/doc/old/changelog"} <= again
    assert above.key() != whole.key()


def test_packages_in_two_layers_come_out_as_in_one_and_the_lower_is_the_same_whatever_lies_on_it(image: Image) -> None:
    library = deb(
        "libone",
        member("./usr/lib/libone.so.1", shared_object("libone.so.1")),
        control={"triggers": "activate-noawait ldconfig\n"},
    )
    old = deb("old", member("./usr/bin/old", "new"), member("./opt/one", "x"), version="2")
    other = deb("libtwo", member("./usr/lib/libtwo.so.2", shared_object("libtwo.so.2")), member("./opt/two", "y"))
    first = image.deb("libone", library), image.deb("old", old, "2")
    second = image.deb("libtwo", other)
    whole, lower = image.source(*first, second), image.source(*first)
    upper = image.source(second, below=lower)
    ground = [*image.ground().values()]
    assert there(ground, lower.entries(), upper.entries()) == there(ground, whole.entries())
    assert {entry.path for entry in upper.entries()} & {"usr/lib/libone.so.1", "usr/bin/old", "opt/one"} == set()
    assert upper.key() not in {image.source(second).key(), image.source(second, below=image.source(first[0])).key()}


@pytest.mark.parametrize(
    "pattern", ["path-exclude=/x\n" * 1001, f"path-exclude=/{'*a' * 3000}\n"], ids=["many", "long"]
)
def test_patterns_that_would_take_hours_are_refused(image: Image, pattern: str) -> None:
    image.files["etc/dpkg/dpkg.cfg.d/x"] = pattern
    with pytest.raises(InputError, match="more than 1000 patterns of what dpkg leaves out, or one of more than 4095"):
        image.over(image.deb("new", deb("new")))


@pytest.mark.parametrize(
    "text", ["/a\n" * 1001, f"{'/a:' * 1001}\n", "include /etc/*/*\n" * 1001, f"include /etc/{'*a' * 3000}\n"]
)
def test_directories_of_libraries_that_nobody_could_look_through_are_refused(image: Image, text: str) -> None:
    image.files["etc/ld.so.conf"] = text
    with pytest.raises(InputError, match=r"/etc/ld\.so\.conf: with what it includes it has more than 1000 words"):
        image.over(image.deb("new", deb("new")))


def test_what_no_path_can_be_is_passed_over_in_a_list_of_files(image: Image) -> None:
    image.files[f"{INFO}/old.list"] = f"/.\n/usr/bin/old\n{'/a' * 1_000_000}\n/../../etc/passwd\n"
    made = image.over(image.deb("old", deb("old", member("./usr/bin/new", "x"), version="2"), "2"))
    assert isinstance(made["usr/bin/old"], Whiteout)
    assert not [path for path in made if path.startswith(("a", "..")) or "etc/passwd" in path]
