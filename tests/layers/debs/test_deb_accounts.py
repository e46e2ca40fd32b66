"""Accounts, and what belongs to them, come out as real installations have left them: recorded in a root of Debian's
trixie and one of bookworm, in which apt-get installed the same packages over our base (2026-11-29)."""

from collections.abc import Mapping

import pytest

from cogpack.layers.content import Bytes
from cogpack.layers.debs.effects.effects import EFFECTS
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Directory, File, Symlink

LAUNCHER = "usr/lib/dbus-1.0/dbus-daemon-launch-helper"
MASTERS = {
    "usr/share/base-passwd/passwd.master": "root:*:0:0:root:/root:/bin/bash\n",
    "usr/share/base-passwd/group.master": "root:*:0:\nadm:*:4:\n",
    "usr/share/libc-bin/nsswitch.conf": "# Name service\npasswd:         files\ngroup:          files\n"
    "shadow:         files\ngshadow:        files\n\nhosts:          files dns\n",
}
SYSTEMD = {
    "usr/bin/systemd-sysusers": "",
    "usr/lib/sysusers.d/basic.conf": '# Groups\ng adm - - -\nu root 0 "Super User" /root\n',
    "usr/lib/sysusers.d/systemd-journal.conf": "g systemd-journal   - -\n",
    "usr/lib/sysusers.d/systemd-network.conf": 'u! systemd-network - "systemd Network Management"\n',
    "usr/lib/sysusers.d/systemd-timesync.conf": 'u! systemd-timesync - "systemd Time Synchronization"\n',
    "usr/lib/sysusers.d/dbus.conf": '# message bus\nu messagebus - "System Message Bus" /nonexistent\n',
}
BASE = ("base-passwd", "passwd", "libc-bin")


def configured(files: Mapping[str, str], *packages: str) -> Tree:
    tree = Tree()
    for path, text in (MASTERS | dict(files)).items():
        tree.place(File(path, Bytes(text.encode())), "package")
    for name in EFFECTS:
        if name in (*BASE, *packages):
            EFFECTS[name](tree)
    return tree


def added(tree: Tree, name: str) -> list[str]:
    data = tree.read(f"etc/{name}")
    assert data is not None
    return [line for line in data.decode().splitlines() if not line.startswith(("root:", "adm:"))]


def file(tree: Tree, path: str) -> File:
    found = tree.get(path)
    assert isinstance(found, File)
    return found


def test_with_systemd_accounts_are_those_that_its_files_declare() -> None:
    packages = ("systemd", "systemd-timesyncd", "dbus-system-bus-common", "dbus")
    tree = configured(SYSTEMD | {LAUNCHER: "elf"}, *packages)
    assert added(tree, "passwd") == [
        "systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin",
        "systemd-timesync:x:997:997:systemd Time Synchronization:/:/usr/sbin/nologin",
        "messagebus:x:996:996:System Message Bus:/nonexistent:/usr/sbin/nologin",
    ]
    assert added(tree, "group") == [
        "systemd-journal:x:999:",
        "systemd-network:x:998:",
        "systemd-timesync:x:997:",
        "messagebus:x:996:",
    ]
    assert added(tree, "gshadow")[0] == "systemd-journal:!*::"
    assert added(tree, "shadow") == [
        "systemd-network:!*:3653:::::1:",
        "systemd-timesync:!*:3653:::::1:",
        "messagebus:!*:3653::::::",
    ]
    assert (file(tree, "etc/shadow").mode, file(tree, "etc/shadow").gid) == (0o640, 42)
    assert (file(tree, LAUNCHER).mode, file(tree, LAUNCHER).gid) == (0o4754, 996)
    assert tree.read("var/lib/dpkg/statoverride") == f"root messagebus 4754 /{LAUNCHER}\n".encode()
    assert tree.get("var/log/journal") == Directory("var/log/journal", 0o2755, 0, 999)


def test_without_systemd_accounts_are_those_of_adduser() -> None:
    packages = ("libibverbs1", "dbus-system-bus-common", "dbus-daemon", "openssh-client")
    files = {"usr/bin/ssh-agent": "elf"}
    tree = configured(files, *packages)
    assert added(tree, "passwd") == ["messagebus:x:100:100::/nonexistent:/usr/sbin/nologin"]
    assert added(tree, "group") == ["messagebus:x:100:", "rdma:x:101:", "_ssh:x:102:"]
    assert added(tree, "shadow") == ["messagebus:!:3653::::::"]
    assert (file(tree, "usr/bin/ssh-agent").mode, file(tree, "usr/bin/ssh-agent").gid) == (0o2755, 102)
    assert "var/lib/dbus" in tree
    assert "var/lib/dbus/machine-id" not in tree, "two containers must not share one"


def test_names_are_asked_of_systemd_last_and_once() -> None:
    asked = b"# Name service\npasswd:         files systemd\ngroup:          files systemd\n"
    asked += b"shadow:         files systemd\ngshadow:        files systemd\n\nhosts:          files dns\n"
    tree = configured({}, "libnss-systemd")
    assert tree.read("etc/nsswitch.conf") == asked
    EFFECTS["libnss-systemd"](tree)
    assert tree.read("etc/nsswitch.conf") == asked


@pytest.mark.parametrize(
    ("package", "path", "data"),
    [
        ("ucf", "var/lib/ucf/registry", b""),
        ("unixodbc-common", "etc/odbcinst.ini", b""),
        (
            "xfonts-utils",
            "var/lib/xfonts/excluded-aliases",
            b"!! Excluded alias files to be ignored by update-fonts-alias(8)\n",
        ),
    ],
)
def test_a_file_that_scripts_make_is_made(package: str, path: str, data: bytes) -> None:
    assert configured({}, package).read(path) == data


def test_the_configuration_of_javascript_is_enabled_for_the_servers_that_are_there() -> None:
    lighttpd = "etc/lighttpd/conf-enabled/90-javascript-alias.conf"
    tree = configured({}, "javascript-common")
    assert tree.get(lighttpd) == Symlink(lighttpd, "../conf-available/90-javascript-alias.conf")
    assert not tree.children("etc/apache2")
