"""Commands in a guest, the same in every rung: what they see, what comes of them, and what stays."""

import os
import sys
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, NAMESPACES, ONE_USER, PATH, as_layer, guest, perl, run, run_once, shell

from cogpack.errors import InputError
from cogpack.progress import Cancellation
from cogpack.sandbox import kernel
from cogpack.sandbox.guest import Bind, Command, Guest
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.rungs.proot import Proot, through_loader, without_colon
from cogpack.sandbox.standins import Copy, debian
from cogpack.sandbox.trees.owners import Owners
from cogpack.sandbox.users import find_user

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="root alone has other users")


@EVERY_RUNG
def test_output_is_handed_on_while_the_command_runs_and_whole(tree: Path, rung: Rung) -> None:
    def answer(told: bytes) -> None:
        if told == b"first\n":
            (tree / "answered").touch()

    script = "echo first; while [ ! -e /answered ]; do sleep 0.01; done"
    script += "; head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2"
    with guest(tree, rung) as started:
        ran = run(started, script, seen=answer)
    assert ran.status == 0
    assert ran.output == "first\n" + "x" * 3_000_000 + "end\n"


@pytest.mark.slow
@EVERY_RUNG
def test_the_status_is_what_a_shell_would_tell(tree: Path, rung: Rung) -> None:
    with guest(tree, rung) as started:
        assert run(started, "exit 7").status == 7
        if rung is not Rung.PROOT:  # which has statuses of its own for these
            assert run(started, "kill -TERM $$").status == 128 + 15
            assert run(started, Command(("nosuch", "program"), PATH)).status == 127
            assert run(started, Command(("/etc/passwd",), PATH)).status == 126


@pytest.mark.slow
@EVERY_RUNG
def test_the_environment_is_what_the_command_says(tree: Path, rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_MACHINE", "1")
    ran = run_once(tree, rung, Command(("/bin/env",), {"A": "b c", "ODD": "\udcff=\n"}))
    told = set(ran.output.splitlines())
    assert {"A=b c", "ODD=\ufffd="} <= told
    ours = {"PROOT_NO_SECCOMP", "PROOT_TMP_DIR", "PWD"} if rung is Rung.PROOT else set()
    assert {line.partition("=")[0] for line in told} == {"A", "ODD", ""} | ours


@EVERY_RUNG
def test_a_command_has_a_directory_no_stdin_and_the_usual_umask(tree: Path, rung: Rung) -> None:
    command = Command(("/bin/sh", "-c", "pwd; cat; umask; ls"), PATH, directory="/etc")
    assert run_once(tree, rung, command).output.split() == ["/etc", "0022", "group", "hosts", "passwd", "resolv.conf"]


@pytest.mark.slow
@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.USERNS, Rung.CHROOT])
def test_a_directory_that_is_not_there_is_told(tree: Path, rung: Rung) -> None:
    with pytest.raises(InputError, match=f"isolation {rung}: /nowhere: No such file"):
        run_once(tree, rung, Command(("/bin/true",), PATH, directory="/nowhere"))


def kept(tree: Path) -> dict[str, tuple[int, int, int]]:
    """What a comparison by inode, mode and time of change finds; times of directories aside."""
    found = {str(path.relative_to(tree)): path.lstat() for path in tree.rglob("*")}
    return {
        name: (status.st_ino, status.st_mode, 0 if (tree / name).is_dir() else status.st_mtime_ns)
        for name, status in found.items()
    }


@EVERY_RUNG
def test_a_run_leaves_the_tree_as_it_was(tree: Path, rung: Rung) -> None:
    before = kept(tree)
    ran = run_once(tree, rung, "cat /etc/hosts /usr/sbin/policy-rc.d; ls /run/cogpack", standins=debian(None))
    assert "the image's own" not in ran.output
    assert "exit 101" in ran.output
    assert "apt.conf" in ran.output
    assert kept(tree) == before
    assert [path.name for path in tree.parent.iterdir()] == ["tree"]


@pytest.mark.slow
@EVERY_RUNG
def test_what_a_command_writes_stays(tree: Path, rung: Rung) -> None:
    before = kept(tree)
    run_once(tree, rung, "echo 1 > /var/lib/new; rm /etc/group; echo x > /dev/null; echo x > /dev/shm/gone")
    assert kept(tree).keys() ^ before.keys() == {"var/lib/new", "etc/group"}


@EVERY_RUNG
def test_a_name_that_a_step_replaced_leads_no_write_of_ours_to_the_machine(tree: Path, rung: Rung) -> None:
    victim = tree.parent / "victim"
    victim.write_text("the machine's")
    with guest(tree, rung) as started:
        run(started, f"rm /etc/hosts; ln -s {victim} /etc/hosts; rm -rf /usr/sbin; ln -s {victim.parent} /usr/sbin")
        assert (tree / "etc/hosts").read_text() == "the image's own\n"
        (tree / "etc/hosts").unlink()
        (tree / "etc/hosts").symlink_to(victim)
        assert "cogpack" in run(started, "cat /etc/hosts").output
    assert victim.read_text() == "the machine's"


OWNERS = r"""
cd /; touch a b c d; mkdir e e/g; ln -s a link; cd e; touch f g/h
chown 33:4 /a; chown 33 /b; chown 5:6 /b; chown :7 /b; cd ..; chown 8:9 e/f; chown 10:11 e
chown -h 12:13 link; chown 14 link
chmod 6755 c; chown 15 c; chown 0 d; chmod 4750 d
perl -e 'open F, "<c"; chown 16, 17, *F; mkdir "/g"; chroot "/e" and chown 1, 2, "/f"' || true
perl -e 'chroot "/e" and chdir "/g" and chown 3, 4, "h"' || true
"""


@EVERY_RUNG
def test_modes_and_owners_are_the_same_in_every_rung(tree: Path, rung: Rung) -> None:
    owners = Owners()
    ran = run_once(tree, rung, "set -e" + OWNERS, owners=owners)
    assert (ran.status, ran.output) == (0, "")
    assert {name: as_layer(tree, name, owners) for name in ("a", "b", "c", "d", "e", "e/f", "e/g/h", "link")} == {
        "a": ("-rw-r--r--", 14, 4),
        "b": ("-rw-r--r--", 5, 7),
        "c": ("-rwxr-xr-x", 16, 17),
        "d": ("-rwsr-x---", 0, 0),
        "e": ("drwxr-xr-x", 10, 11),
        "e/f": ("-rw-r--r--", 8, 9) if rung is not Rung.ROOT and rung is not Rung.USERNS else ("-rw-r--r--", 1, 2),
        "e/g/h": ("-rw-r--r--", 0, 0) if rung is not Rung.ROOT and rung is not Rung.USERNS else ("-rw-r--r--", 3, 4),
        "link": ("lrwxrwxrwx", 12, 13),
    }


@pytest.mark.slow
@EVERY_RUNG
def test_a_file_that_is_not_there_has_no_owner(tree: Path, rung: Rung) -> None:
    script = "chown 1 /nowhere; chown 1 /etc/passwd/x; perl -e 'chown(1, 1, \"\") or print $!+0'"
    assert run_once(tree, rung, script, owners=Owners()).output.splitlines() == [
        "chown: cannot access '/nowhere': No such file or directory",
        "chown: cannot access '/etc/passwd/x': Not a directory",
        "2",
    ]


@ONE_USER
def test_a_file_that_is_written_anew_keeps_the_owner_that_its_writer_could_not_see(tree: Path, rung: Rung) -> None:
    """So do useradd, sed -i and whoever replaces a file: the owner is copied, the name taken."""
    owners = Owners()
    ran = run_once(
        tree,
        rung,
        "set -e; touch /a /b /c; chown 0:42 /a; chown 33:33 /b; chown 7 /c; cd /tmp\n"
        "echo new > a; chown $(stat -c %u:%g /a) a; mv a /a\n"
        "echo new > b; mv b ../b; echo new > c; chown 8:9 c; mv c /c; mv /a /d",
        owners=owners,
    )
    assert (ran.status, ran.output) == (0, "")
    found = {name: as_layer(tree, name, owners)[1:] for name in ("b", "c", "d")}
    assert found == {"b": (0, 0), "c": (8, 9), "d": (0, 42)}


@pytest.mark.slow
@ONE_USER
def test_where_nobody_asks_for_owners_chown_is_done_by_saying_so(tree: Path, rung: Rung) -> None:
    ran = run_once(tree, rung, "chown 33 /etc/passwd && echo done")
    assert ran.output == "done\n"
    assert (tree / "etc/passwd").stat().st_uid == os.geteuid()


@pytest.mark.slow
@AS_ROOT
@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.CHROOT])
def test_a_command_runs_as_the_user_it_names(tree: Path, rung: Rung) -> None:
    ran = run_once(
        tree, rung, shell("id; touch /tmp/his; touch /etc/not", user=find_user(tree, "bob")), owners=Owners()
    )
    assert ran.output.splitlines()[0].startswith("uid=1001(bob) gid=1002(bob) groups=1002(bob),29(audio),44(video)")
    assert (tree / "tmp/his").stat().st_uid == 1001
    assert not (tree / "etc/not").exists()


@pytest.mark.slow
@ONE_USER
def test_one_user_is_any_user_where_nobody_asks_whose_files_become(tree: Path, rung: Rung) -> None:
    command = shell("id -u", user=find_user(tree, "bob"))
    assert run_once(tree, rung, command).output == "1001\n"
    with pytest.raises(InputError, match="1001:1002 makes can't be told from what is root's"):
        run_once(tree, rung, command, owners=Owners())


@pytest.mark.slow
@EVERY_RUNG
def test_a_file_of_the_machine_is_shown_where_it_is_asked_for(tree: Path, rung: Rung) -> None:
    secret = tree.parent / "secret"
    secret.write_text("hidden")
    (tree / "run/secrets").mkdir(parents=True)
    (tree / "run/secrets/token").symlink_to("/etc/passwd")
    ran = run_once(tree, rung, "cat /run/secrets/token", binds=[Bind(secret, "/run/secrets/token")])
    assert ran.output == "hidden"
    assert (tree / "run/secrets/token").readlink() == Path("/etc/passwd")
    assert "hidden" not in "".join(path.read_text(errors="replace") for path in tree.rglob("etc/*"))


@pytest.mark.slow
@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.USERNS, Rung.PROOT])
def test_a_directory_of_the_machine_can_be_written_to(tree: Path, rung: Rung) -> None:
    source = tree.parent / "project"
    source.mkdir()
    run_once(tree, rung, "echo 1 > /src/made", binds=[Bind(source, "/src", writable=True)])
    assert (source / "made").read_text() == "1\n"
    assert not (tree / "src").exists()


@pytest.mark.slow
@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.USERNS, Rung.PROOT])
def test_a_directory_with_a_colon_in_its_name_is_shown_as_any_other(tree: Path, rung: Rung) -> None:
    source = tree.parent / "a:b" / "project:rw"
    source.mkdir(parents=True)
    (source / "there").write_text("read\n")
    binds = [Bind(source, "/src", writable=True), Bind(source / "there", "/one:file")]
    ran = run_once(tree, rung, "cat /src/there /one:file; echo 1 > /src/made", binds=binds)
    assert ran.output == "read\nread\n"
    assert (source / "made").read_text() == "1\n"


def test_proot_is_told_of_no_cache_with_a_colon_where_it_would_be_cut(tmp_path: Path) -> None:
    aside = tmp_path / "c:d"
    aside.mkdir()
    assert without_colon(tmp_path, aside) == str(tmp_path)
    for what in (lambda: without_colon(aside / "e", aside), lambda: through_loader(tmp_path, loaded(aside), ())):
        with pytest.raises(
            InputError, match=r"isolation proot: .*cut at a colon there, and the cache's, .*c:d.*, has one"
        ) as caught:
            what()
        assert "COGPACK_CACHE_DIR" in caught.value.next_step


def loaded(root: Path) -> Path:
    (root / "lib64").mkdir()
    (root / "lib64/ld-linux-x86-64.so.2").write_bytes(b"")
    return root


@NAMESPACES
def test_a_directory_that_is_only_shown_is_not_written_to(tree: Path, rung: Rung) -> None:
    source = tree.parent / "project"
    source.mkdir()
    ran = run_once(tree, rung, "echo 1 > /src/made", binds=[Bind(source, "/src")])
    assert "Read-only file system" in ran.output
    assert list(source.iterdir()) == []


def test_chroot_lays_a_file_of_any_size_without_having_it_in_memory(tree: Path) -> None:
    weights = tree.parent / "weights"
    with weights.open("wb") as stream:
        stream.truncate(1 << 40)
    weights.chmod(0o640)
    started = Guest(tree, Rung.CHROOT, owners=None)
    laid = started._mount_point(Bind(weights, "/weights"))
    assert isinstance(laid, Copy)
    assert laid.mode == 0o440
    with laid.read() as content:
        assert content.read(2) == b"\0\0"


def test_chroot_shows_no_directories(tree: Path) -> None:
    with pytest.raises(InputError, match=r"can't be shown at /src.*nothing can be mounted"):
        run_once(tree, Rung.CHROOT, "true", binds=[Bind(tree, "/src")])


@pytest.mark.slow
@EVERY_RUNG
def test_nothing_of_the_image_is_imported_by_us(tree: Path, rung: Rung) -> None:
    """After chroot, a module that is loaded late would be one that the image brought, run as root."""
    for place in {Path(os.__file__).parent, Path(sys.base_prefix) / "lib/python3.11"}:
        library = tree / str(place).lstrip("/")
        library.mkdir(parents=True, exist_ok=True)
        for module in sys.stdlib_module_names:
            (library / f"{module}.py").write_text(f"open('/loaded', 'a').write('{module} ')\n")
    with guest(tree, rung) as started:
        run(started, "exit 1")
        run(started, Command(("nosuch",), PATH))
        run(started, Command(("/etc/passwd",), {}))
    assert not (tree / "loaded").exists()


def test_a_proot_that_does_not_translate_is_refused_before_anything_runs(tree: Path, tmp_path: Path) -> None:
    program = tmp_path / "not-proot"
    program.write_text('#!/bin/sh\nwhile [ "$1" != -w ]; do shift; done; shift 2; exec "$@"\n')
    program.chmod(0o755)
    with Guest(tree, Rung.PROOT, owners=None, proot=Proot((str(program),))) as started:
        with pytest.raises(InputError, match="shows a guest this machine's files"):
            run(started, f"touch {tmp_path}/loose")
    assert not (tmp_path / "loose").exists()


@pytest.mark.slow
@EVERY_RUNG
def test_a_new_guest_has_no_listener_left_of_the_last_one(tree: Path, rung: Rung) -> None:
    with guest(tree, rung, owners=Owners()) as started:
        run(started, "chown 1 /etc")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            run(started, perl("chown 1, 1, '/etc'"), cancellation=Cancellation())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@EVERY_RUNG
def test_a_device_that_is_asked_for_by_name_is_there(tree: Path, rung: Rung) -> None:
    binds = [Bind(Path("/dev/zero"), "/dev/some/gpu0", writable=True)]
    with guest(tree, rung, binds=binds) as started:
        assert run(started, "head -c 3 /dev/some/gpu0 | wc -c").output.strip() == "3"


@NAMESPACES
def test_shared_memory_has_the_size_that_is_asked_for(tree: Path, rung: Rung) -> None:
    with guest(tree, rung, shm_size=64 * 1024) as started:
        ran = run(started, "head -c 99999 /dev/zero > /dev/shm/x 2> /dev/null; wc -c < /dev/shm/x")
    assert ran.output.strip() == str(64 * 1024)


@NAMESPACES
def test_processes_are_counted_on_from_the_number_that_is_named(tree: Path, rung: Rung) -> None:
    """Two servers of coglet on one network are told apart by theirs alone."""
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK) or os.statvfs("/proc/sys").f_flag & os.ST_RDONLY:
        pytest.skip("/proc/sys is read-only here")
    with guest(tree, rung, last_process=4000) as started:
        assert run(started, "echo $$").output.strip() == "4001"
    with guest(tree, rung) as started:
        assert run(started, "echo $$").output.strip() == "2"


@pytest.mark.parametrize(
    ("network", "metadata", "filtered"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_in_a_container_chroot_has_a_filter_where_something_is_refused_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bool, metadata: bool, filtered: bool
) -> None:
    """It costs new privileges there (sudo), which steps do without."""
    monkeypatch.setattr(kernel, "capabilities", lambda: 0xA80425FB)  # those of `docker run`
    rules = Guest(tmp_path, Rung.CHROOT, owners=None, network=network, metadata=metadata)._rules()
    assert bool(rules) is filtered
    assert ({"connect"} <= {call for rule in rules for call in rule.calls}) is not metadata
