import hashlib
import tarfile
import threading
from pathlib import Path

import msgspec
import pytest
from support.debs import deb, deb_file, member, narrow_object, shared_object
from support.verbs import Verbs

from cogpack.errors import InputError, MismatchError, UnavailableError
from cogpack.layers.content import LocalFile
from cogpack.layers.debs.deb import unpacking
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.source import DebianSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink
from cogpack.progress import SILENT, Cancellation, Cancelled, Progress


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    directory = tmp_path / "debs"
    directory.mkdir()
    return directory


def source(
    tmp_path: Path,
    *debs: DebFile,
    suite: str = "trixie",
    slim: bool = False,
    progress: Progress = SILENT,
    cancellation: Cancellation | None = None,
) -> DebianSource:
    stop = cancellation or Cancellation()
    unpacking = Unpacking(tmp_path / "spool", progress, stop)
    return DebianSource(debs, suite=suite, slim=slim, arch="amd64", unpacking=unpacking)


def tree(tmp_path: Path, *debs: DebFile) -> dict[str, Entry]:
    return {entry.path: entry for entry in source(tmp_path, *debs).entries()}


def text(entry: Entry) -> str:
    assert isinstance(entry, File)
    with entry.content.open() as stream:
        return stream.read().decode()


def test_a_slim_base_says_what_is_in_it_and_is_told_nothing_of_a_dpkg_that_it_has_not(
    tmp_path: Path, packages: Path
) -> None:
    one = deb_file(packages, "one", deb("one", member("./usr/lib/b", b"b")))
    found = {entry.path: entry for entry in source(tmp_path, one, slim=True).entries()}
    assert "Package: one\nStatus: install ok installed\n" in text(found["var/lib/dpkg/status"])
    assert "etc/machine-id" in found
    assert not found.keys() & {"usr/sbin/policy-rc.d", "etc/dpkg/dpkg.cfg.d/docs", "usr/share/man/man1"}
    assert source(tmp_path, one, slim=True).key() != source(tmp_path, one).key()
    dpkg = deb_file(packages, "dpkg", deb("dpkg", member("./usr/bin/dpkg", "x")))
    assert "usr/sbin/policy-rc.d" in {entry.path for entry in source(tmp_path, one, dpkg, slim=True).entries()}


def test_packages_become_one_merged_tree(tmp_path: Path, packages: Path) -> None:
    one = deb_file(
        packages,
        "one",
        deb(
            "one",
            member("./lib/"),
            member("./lib/liba.so.1", shared_object("liba.so.1")),
            member("./bin/a", b"#!", mode=0o4755),
        ),
    )
    two = deb_file(
        packages, "two", deb("two", member("./usr/"), member("./usr/lib/"), member("./usr/lib/b", b"b", uid=3, gid=4))
    )
    found = tree(tmp_path, one, two)
    assert found["lib"] == Symlink("lib", "usr/lib")
    assert isinstance(found["usr/lib/liba.so.1"], File)
    assert (found["usr/bin/a"].mode, found["usr/lib/b"].uid, found["usr/lib/b"].gid) == (0o4755, 3, 4)  # type: ignore[union-attr]
    assert "liba.so.1" in text_of_cache(found)


def test_packages_of_32_bits_lie_in_the_merged_directory_whose_link_their_preinst_makes(
    tmp_path: Path, packages: Path
) -> None:
    old = deb("libc6-i386", member("./lib32/"), member("./lib32/ld-linux.so.2", narrow_object("ld-linux.so.2")))
    new = deb("libc6-i386", member("./usr/lib32/"), member("./usr/lib32/ld-linux.so.2", narrow_object("ld-linux.so.2")))
    for data in (old, new):
        found = tree(tmp_path, deb_file(packages, "libc6-i386", data))
        assert found["lib32"] == Symlink("lib32", "usr/lib32")
        assert isinstance(found["usr/lib32/ld-linux.so.2"], File)
        assert found["usr/lib/ld-linux.so.2"] == Symlink("usr/lib/ld-linux.so.2", "../lib32/ld-linux.so.2")


def text_of_cache(found: dict[str, Entry]) -> str:
    cache = found["etc/ld.so.cache"]
    assert isinstance(cache, File)
    with cache.content.open() as stream:
        return stream.read().decode("latin-1")


def test_entries_are_the_same_on_every_call_and_in_every_order(tmp_path: Path, packages: Path) -> None:
    debs = [deb_file(packages, name, deb(name, member(f"./usr/{name}", name * 9))) for name in ("a", "b", "c")]
    digests = []
    for order in (debs, debs[::-1]):
        made = source(tmp_path, *order)
        for _ in range(2):
            content = [
                (entry.path, entry.mode, hashlib.sha256(entry.content.open().read()).hexdigest())
                for entry in made.entries()
                if isinstance(entry, File)
            ]
            digests.append(content)
    assert all(one == digests[0] for one in digests)


def test_the_key_is_known_without_reading_and_names_the_packages(tmp_path: Path, packages: Path) -> None:
    def unread() -> Path:
        raise AssertionError("a key must not need the files")

    debs = [
        DebFile(name=name, version="1", arch="amd64", size=1, sha256=digest * 64, locate=unread)
        for name, digest in (("a", "0"), ("b", "1"))
    ]
    key = source(tmp_path, *debs).key()
    assert key == source(tmp_path, *debs[::-1]).key()
    assert key != source(tmp_path, debs[0]).key()
    assert key != source(tmp_path, debs[0], msgspec.structs.replace(debs[1], sha256="2" * 64)).key()
    assert key != source(tmp_path, *debs, suite="bookworm").key()


def test_documentation_stays_out_and_licences_in(tmp_path: Path, packages: Path) -> None:
    data = deb(
        "x",
        member("./usr/share/doc/x/"),
        member("./usr/share/doc/x/README", b"long"),
        member("./usr/share/doc/x/copyright", b"free"),
        member("./usr/share/doc/y", link="x"),
        member("./usr/share/man/man1/x.1.gz", b"page"),
        member("./usr/share/locale/de/LC_MESSAGES/x.mo", b"text"),
    )
    found = tree(tmp_path, deb_file(packages, "x", data))
    share = [path for path in found if path.startswith("usr/share/")]
    assert [path for path in share if not isinstance(found[path], Directory)] == [
        "usr/share/doc/x/copyright",
        "usr/share/doc/y",
    ]
    assert "usr/share/man/man1" in share
    assert "/usr/share/doc/x/README\n" in text(found["var/lib/dpkg/info/x.list"])
    assert "path-exclude /usr/share/doc/*\n" in text(found["etc/dpkg/dpkg.cfg.d/docs"])


def test_hard_links_share_their_first_file(tmp_path: Path, packages: Path) -> None:
    data = deb(
        "x",
        member("./usr/lib/z.so", b"driver"),
        member("./usr/lib/a.so", kind=tarfile.LNKTYPE, link="./usr/lib/z.so"),
        member("./usr/bin/p", b"program", mode=0o755),
        member("./usr/bin/q", kind=tarfile.LNKTYPE, link="usr/bin/p"),
    )
    found = tree(tmp_path, deb_file(packages, "x", data))
    assert text(found["usr/lib/a.so"]) == "driver"
    assert found["usr/lib/z.so"] == HardLink("usr/lib/z.so", "usr/lib/a.so")
    assert found["usr/bin/q"] == HardLink("usr/bin/q", "usr/bin/p", 0o755)
    assert found["usr/bin/q"].mode == 0o755  # type: ignore[union-attr]


def test_a_hard_link_to_a_dropped_page_is_a_file(tmp_path: Path, packages: Path) -> None:
    data = deb(
        "x", member("./usr/share/man/x", b"page"), member("./usr/lib/x", kind=tarfile.LNKTYPE, link="usr/share/man/x")
    )
    assert text(tree(tmp_path, deb_file(packages, "x", data))["usr/lib/x"]) == "page"


def test_a_hard_link_to_nothing_is_refused(tmp_path: Path, packages: Path) -> None:
    data = deb("x", member("./usr/lib/x", kind=tarfile.LNKTYPE, link="../../etc/shadow"))
    with pytest.raises(InputError, match="no file before it"):
        tree(tmp_path, deb_file(packages, "x", data))


def test_two_packages_with_one_file_need_a_replaces(tmp_path: Path, packages: Path) -> None:
    old = deb_file(packages, "old", deb("old", member("./usr/x", b"old")))
    new = deb_file(packages, "new", deb("new", member("./usr/x", b"new")))
    with pytest.raises(InputError, match="/usr/x: is in the packages new and old"):
        tree(tmp_path, old, new)
    new = deb_file(packages, "new", deb("new", member("./usr/x", b"new"), fields={"Replaces": "other, old (<< 2)"}))
    assert text(tree(tmp_path, old, new)["usr/x"]) == "new"


def test_a_script_that_is_not_understood_names_package_and_line(tmp_path: Path, packages: Path) -> None:
    data = deb("daemon", control={"postinst": "#!/bin/sh\nset -e\nadduser --system daemon\n"})
    with pytest.raises(InputError, match=r"daemon 1 has a postinst script .*adduser --system daemon") as caught:
        tree(tmp_path, deb_file(packages, "daemon", data))
    assert "dpkg installs it" in caught.value.next_step


def test_alternatives_of_a_postinst_are_linked(tmp_path: Path, packages: Path) -> None:
    script = (
        "#!/bin/sh\nupdate-alternatives --install /usr/lib/libblas.so.3 libblas.so.3 /usr/lib/blas/libblas.so.3 10\n"
    )
    data = deb("libblas3", member("./usr/lib/blas/libblas.so.3", b"x"), control={"postinst": script})
    found = tree(tmp_path, deb_file(packages, "libblas3", data))
    assert found["usr/lib/libblas.so.3"] == Symlink("usr/lib/libblas.so.3", "/etc/alternatives/libblas.so.3")


def test_the_settings_of_mariadb_go_before_those_without_a_server(tmp_path: Path, packages: Path) -> None:
    install = "update-alternatives --install /etc/mysql/my.cnf my.cnf"
    common = f"if [ -f /etc/mysql/my.cnf.fallback ]; then\n{install} /etc/mysql/my.cnf.fallback 100\nfi\n"
    own = f'if [ -f /symlinks ]\nthen\n/symlinks\nfi\n{install} "/etc/mysql/mariadb.cnf" 500 || true\n'
    debs = [
        deb_file(packages, name, deb(name, member(f"./etc/mysql/{file}"), control={"postinst": f"#!/bin/sh\n{script}"}))
        for name, file, script in (
            ("mysql-common", "my.cnf.fallback", common),
            ("mariadb-common", "mariadb.cnf", own),
        )
    ]
    found = tree(tmp_path, *debs)
    assert found["etc/alternatives/my.cnf"] == Symlink("etc/alternatives/my.cnf", "/etc/mysql/mariadb.cnf")
    assert text(found["var/lib/dpkg/alternatives/my.cnf"]) == (
        "auto\n/etc/mysql/my.cnf\n\n/etc/mysql/mariadb.cnf\n200\n/etc/mysql/my.cnf.fallback\n100\n\n"
    )


def test_a_file_that_is_another_package_is_refused(tmp_path: Path, packages: Path) -> None:
    wrong = msgspec.structs.replace(deb_file(packages, "x", deb("x")), name="y")
    with pytest.raises(MismatchError, match="expected y 1 amd64, found x 1 amd64"):
        tree(tmp_path, wrong)


def test_the_database_is_what_dpkg_and_scanners_read(tmp_path: Path, packages: Path) -> None:
    data = deb(
        "libx",
        member("./etc/x.conf", b"setting\n"),
        fields={"Multi-Arch": "same", "Depends": "libc6"},
        control={
            "conffiles": "remove-on-upgrade /etc/old.conf\n/etc/x.conf\n",
            "md5sums": "x\n",
            "triggers": "# c\ninterest-noawait /usr/lib/x\ninterest xname\nactivate-noawait ldconfig\n",
            "postrm": "#!/bin/sh\n",
        },
    )
    package = deb_file(packages, "libx", data)
    found = tree(tmp_path, package)
    status = text(found["var/lib/dpkg/status"])
    assert "Package: libx\nStatus: install ok installed\n" in status
    left = " /etc/old.conf newconffile remove-on-upgrade\n"
    assert f"Conffiles:\n{left} /etc/x.conf {hashlib.md5(b'setting' + bytes([10])).hexdigest()}\n" in status
    assert "Description: test\n a longer text\n" in status
    assert f"SHA256: {package.sha256}\n" in text(found["var/lib/dpkg/available"])
    assert text(found["var/lib/dpkg/info/libx:amd64.list"]) == "/.\n/etc/x.conf\n"
    assert found["var/lib/dpkg/info/libx:amd64.postrm"].mode == 0o755  # type: ignore[union-attr]
    assert found["var/lib/dpkg/info/libx:amd64.md5sums"].mode == 0o644  # type: ignore[union-attr]
    assert text(found["var/lib/dpkg/triggers/File"]) == "/usr/lib/x libx:amd64/noawait\n"
    assert text(found["var/lib/dpkg/triggers/xname"]) == "libx:amd64\n"


def test_accounts_have_shadows_that_only_root_and_shadow_read(tmp_path: Path, packages: Path) -> None:
    master = {"passwd": "root:*:0:0:root:/root:/bin/bash\n", "group": "root:*:0:\n"}
    base = deb(
        "base-passwd", *(member(f"./usr/share/base-passwd/{name}.master", body) for name, body in master.items())
    )
    found = tree(tmp_path, deb_file(packages, "base-passwd", base), deb_file(packages, "passwd", deb("passwd")))
    assert text(found["etc/passwd"]) == "root:x:0:0:root:/root:/bin/bash\n"
    assert text(found["etc/shadow"]) == "root:*:3653:0:99999:7:::\n"
    shadow = found["etc/shadow"]
    assert isinstance(shadow, File)
    assert (shadow.mode, shadow.uid, shadow.gid) == (0o640, 0, 42)


def test_the_recipe_is_the_one_its_number_names(tmp_path: Path, packages: Path) -> None:
    """If this digest changes, the same packages give other bytes: raise `_RECIPE` in cogpack/layers/debs/source.py."""
    made = {
        "base-files": [member(f"./usr/share/base-files/{name}", name) for name in ("profile", "dot.bashrc", "motd")],
        "base-passwd": [
            member("./usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\nbin:*:2:2:bin:/bin:/x\n"),
            member("./usr/share/base-passwd/group.master", "root:*:0:\nshadow:*:42:\n"),
        ],
        "debianutils": [
            member("./usr/share/debianutils/shells", "# shells\n/bin/sh\n"),
            member("./usr/share/debianutils/shells.d/bash", "/bin/bash\n"),
        ],
        "apt": [member("./usr/bin/apt-get", "#!", mode=0o755)],
        "fontconfig-config": [member("./usr/share/fontconfig/conf.avail/10-hinting-slight.conf", "x")],
        "libc-bin": [
            member("./etc/ld.so.conf", "/usr/lib\n"),
            member("./usr/share/libc-bin/nsswitch.conf", "passwd: files\n"),
        ],
        "libz": [member("./lib/libz.so.1.2", shared_object("libz.so.1"))],
        "readline-common": [member("./usr/share/readline/inputrc", "set x\n")],
        "python3.13-minimal": [member("./usr/lib/python3.13/os.py", "x")],
        "xz-utils": [member(f"./usr/bin/{name}", name, mode=0o755) for name in ("xz", "unxz", "xzcat")],
    }
    plain = (
        "ca-certificates",
        "git-lfs",
        "libpam-modules",
        "login",
        "netbase",
        "passwd",
        "pkgconf-bin",
        "python3",
        "tzdata",
    )
    debs = [
        deb_file(packages, name, deb(name, *members, packer=""))
        for name, members in [*made.items(), *((name, []) for name in plain)]
    ]
    digest = hashlib.sha256()
    for path, entry in tree(tmp_path, *debs).items():
        if path == "var/lib/dpkg/available":
            continue  # holds the digests of the packages made here
        content = entry.content.open().read() if isinstance(entry, File) else b""
        facts = [getattr(entry, name, "") for name in ("mode", "uid", "gid", "target")]
        digest.update(f"{type(entry).__name__} {path} {facts} {len(content)}\n".encode() + content)
    assert digest.hexdigest() == "38ced045b4ecea4e03dd4d73c48e77426aef1f86ee6dcb4f5e8e7666adc6dc97"


@pytest.mark.slow
def test_ctrl_c_ends_the_unpacking_and_not_after_the_last_package(
    tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_THREADS", 2)
    cancellation, located = Cancellation(), list[str]()

    def stopped(name: str, file: DebFile) -> DebFile:
        def locate() -> LocalFile:
            located.append(name)
            if len(located) == 4:
                cancellation.cancel()
            return file.locate()

        return msgspec.structs.replace(file, locate=locate)

    names = [f"p{number:02}" for number in range(40)]
    debs = [stopped(name, deb_file(packages, name, deb(name, member(f"./usr/{name}", name * 9)))) for name in names]
    with pytest.raises(Cancelled):
        source(tmp_path, *debs, cancellation=cancellation).entries()
    assert len(located) <= 6


@pytest.mark.slow
def test_ctrl_c_ends_the_unpacking_of_one_large_package_at_its_next_block(tmp_path: Path, packages: Path) -> None:
    class Third(Cancellation):
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 3:
                raise Cancelled

    cancellation = Third()
    large = deb_file(packages, "large", deb("large", member("./usr/large", bytes(8 << 20))))
    with pytest.raises(Cancelled):
        source(tmp_path, large, cancellation=cancellation).entries()
    assert cancellation.checks == 3


def test_unpacking_is_shown_and_every_package_counts(tmp_path: Path, packages: Path) -> None:
    progress = Verbs()
    debs = [deb_file(packages, name, deb(name, member(f"./usr/{name}", name * 9))) for name in ("a", "b", "c")]
    source(tmp_path, *debs, progress=progress).entries()
    (task,) = progress.tasks
    assert (task.name, task.verbs, task.outcome) == ("3 Debian packages", ["unpack"], "")
    assert task.moved == task.size == sum(one.size for one in debs)


def test_a_name_that_is_no_utf_8_is_told_with_its_package_and_does_not_matter_where_it_is_left_out(
    tmp_path: Path, packages: Path
) -> None:
    name = b"\xe9".decode(errors="surrogateescape")
    fine = deb("fine", member(f"./usr/share/doc/fine/{name}", "x"))
    entry = tree(tmp_path, deb_file(packages, "fine", fine))["var/lib/dpkg/info/fine.list"]
    assert isinstance(entry, File)
    with entry.content.open() as stream:
        assert stream.read() == b"/.\n/usr/share/doc/fine/\xe9\n", "as dpkg has it"
    with pytest.raises(InputError, match=r"^package bad: 'etc/.*udce9' has a name that is not UTF-8"):
        tree(tmp_path, deb_file(packages, "bad", deb("bad", member(f"./etc/{name}", "x"))))


def test_packages_are_unpacked_while_others_still_come(tmp_path: Path, packages: Path) -> None:
    """A base comes for seconds, and xz takes seconds of it."""
    began = threading.Event()
    one, two = (deb_file(packages, name, deb(name, member(f"./{name}", b"x"))) for name in ("one", "two"))

    def locate() -> LocalFile:
        began.set()
        return one.locate()

    first, begun = msgspec.structs.replace(one, locate=locate), Unpacking(tmp_path / "spool", SILENT, Cancellation())

    def come(package: DebFile) -> None:
        assert package.name == "one" or began.wait(30)

    begun.begin([first, two], come)
    assert [package.name for package in begun.read([first, two])] == ["one", "two"]


def test_what_never_came_is_told_to_who_reads_it(tmp_path: Path, packages: Path) -> None:
    def come(_: DebFile) -> None:
        raise UnavailableError("nobody has it", next_step="none")

    one, begun = deb_file(packages, "one", deb("one")), Unpacking(tmp_path / "spool", SILENT, Cancellation())
    begun.begin([one], come)
    with pytest.raises(UnavailableError, match="nobody has it"):
        begun.read([one])


def test_where_no_thread_can_be_had_nobody_waits_for_it(
    tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    one, begun = deb_file(packages, "one", deb("one")), Unpacking(tmp_path / "spool", SILENT, Cancellation())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="new thread"):
            begun.begin([one], lambda _: None)
    found: list[BaseException] = []

    def read() -> None:
        try:
            begun.read([one])
        except RuntimeError as error:
            found.append(error)

    other = threading.Thread(target=read, daemon=True)
    other.start()
    other.join(10)
    assert [str(error) for error in found] == ["can't start new thread"]
