"""Functions stand in for maintainer scripts: one for each package of the table, or the reason why none is needed.

A package that is not in the table must have scripts that `scripts.read_script` understands.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from cogpack.layers.debs.effects.accounts import add_declared, add_group, add_user, create_accounts, shadow_accounts
from cogpack.layers.debs.effects.capabilities import clock_helper
from cogpack.layers.debs.effects.certificates import install_certificates
from cogpack.layers.debs.effects.fonts import font_aliases, font_rendering, ghostscript_fonts, x_fonts
from cogpack.layers.debs.effects.pam import configure_pam
from cogpack.layers.debs.effects.ucf import gconf_path, make_registry, paper_size
from cogpack.layers.debs.tree import Tree

_MAIL, _UTMP = 8, 43  # groups' fixed numbers (base-passwd)


def _base_files(tree: Tree) -> None:
    for source, path in (
        ("dot.profile", "root/.profile"),
        ("dot.bashrc", "root/.bashrc"),
        ("profile", "etc/profile"),
        ("motd", "etc/motd"),
    ):
        tree.copy_new(f"usr/share/base-files/{source}", path)
    for path in ("mnt", "srv", "opt", "etc/opt", "var/opt", "media"):
        tree.directory(path)
    tree.directory("var/mail", 0o2775, 0, _MAIL)
    tree.link("var/spool/mail", "../mail")
    tree.directory("run/lock", 0o1777)
    tree.link("var/run", "/run")
    tree.link("var/lock", "/run/lock")
    for name in ("bin", "etc", "games", "include", "lib", "libexec", "sbin", "share", "share/man", "src"):
        tree.directory(f"usr/local/{name}")
    tree.link("usr/local/man", "share/man")
    for name, mode in (("wtmp", 0o664), ("btmp", 0o660), ("lastlog", 0o664)):
        tree.write_new(f"var/log/{name}", "", mode=mode, gid=_UTMP)
    tree.link("etc/dpkg/origins/default", "debian")


def _shells(tree: Tree) -> None:
    """Write /etc/shells: the template, and what packages register, each under its given and its real name."""
    shells: dict[str, None] = {}
    registered = "usr/share/debianutils/shells.d"
    template = "usr/share/debianutils/shells"
    for file in (template, *(f"{registered}/{name}" for name in tree.children(registered))):
        for line in tree.text(file).splitlines():
            shell = line.partition("#")[0]
            if shell:
                shells[shell] = shells["/" + tree.real(shell.strip("/"))] = None
    lines = tree.text(template).splitlines()
    added = [shell for shell in shells if shell not in lines]
    tree.write("etc/shells", "".join(f"{line}\n" for line in [*lines, *added]))
    tree.write("var/lib/shells.state", "".join(f"{shell}\n" for shell in shells))


def _time_zone(tree: Tree) -> None:
    if "etc/localtime" in tree:
        return
    tree.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    tree.write("etc/timezone", "Etc/UTC\n")


def _networks(tree: Tree) -> None:
    tree.write_new(
        "etc/hosts",
        "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n"
        "ff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n\n",
    )
    tree.write_new("etc/networks", "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n")


def _python_config(tree: Tree) -> None:
    tree.write_new(
        "etc/python3/debian_config",
        "[DEFAULT]\n# how to byte-compile (comma separated: standard, optimize)\nbyte-compile = standard\n",
    )


def _local_packages(tree: Tree) -> None:
    for name in tree.children("usr/lib"):
        if re.fullmatch(r"python3\.\d+", name):
            tree.directory(f"usr/local/lib/{name}/dist-packages")


def _pam_files(tree: Tree) -> None:
    tree.write_new("etc/security/opasswd", "", mode=0o600)
    tree.write_new("etc/environment", "")


def _login(tree: Tree) -> None:
    tree.write_new("var/log/faillog", "")


def _nothing(tree: Tree) -> None:
    """Do nothing: the scripts act on upgrades, on a running system, or register alternatives (read from them)."""


def _name_service(tree: Tree) -> None:
    tree.copy_new("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf")


def _git_filter(tree: Tree) -> None:
    tree.write_new(
        "etc/gitconfig",
        '[filter "lfs"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n'
        "\tprocess = git-lfs filter-process\n\trequired = true\n",
    )


def _bus_account(tree: Tree) -> None:
    """Add the system bus's user, by systemd-sysusers where that is there."""
    if "usr/bin/systemd-sysusers" in tree:
        add_declared(tree, ["dbus.conf"])
    add_user(tree, "messagebus")


def _bus(tree: Tree) -> None:
    launcher = "usr/lib/dbus-1.0/dbus-daemon-launch-helper"
    tree.own(launcher, mode=0o4754, gid=add_group(tree, "messagebus"))
    before = tree.text("var/lib/dpkg/statoverride")
    tree.write("var/lib/dpkg/statoverride", f"{before}root messagebus 4754 /{launcher}\n")


def _systemd(tree: Tree) -> None:
    """Add its accounts. Nothing is enabled where nothing is started; its catalog of messages is a cache."""
    add_declared(tree, ["basic.conf", "systemd-journal.conf", "systemd-network.conf"])
    tree.directory("var/log/journal", 0o2755, 0, add_group(tree, "systemd-journal"))


def _systemd_names(tree: Tree) -> None:
    """Ask systemd for accounts last (dh_installnss)."""
    path = "etc/nsswitch.conf"
    lines = tree.text(path).splitlines()
    asked = ("passwd:", "group:", "shadow:", "gshadow:")
    done = any(line.startswith(asked) and "systemd" in line.split() for line in lines)
    if lines and not done:
        tree.write(path, "".join(f"{line} systemd\n" if line.startswith(asked) else f"{line}\n" for line in lines))


def _ssh_agent(tree: Tree) -> None:
    """Hide the agent's memory from the user's other processes."""
    tree.own("usr/bin/ssh-agent", mode=0o2755, gid=add_group(tree, "_ssh"))


def _remote_calls(tree: Tree) -> None:
    """Divert what a package that still lies in /lib would have of these, which the /usr of today has (until forky)."""
    before = tree.text("var/lib/dpkg/diversions")
    for directory in tree.children("usr/lib"):
        for name in ("libtirpc.so.3", "libtirpc.so.3.0.0"):
            if f"usr/lib/{directory}/{name}" in tree:
                path = f"/lib/{directory}/{name}"
                before += f"{path}\n{path}.usr-is-merged\nlibtirpc3t64\n"
    tree.write("var/lib/dpkg/diversions", before)


def _javascript(tree: Tree) -> None:
    name = "javascript-alias.conf"
    tree.link(f"etc/lighttpd/conf-enabled/90-{name}", f"../conf-available/90-{name}")
    if "usr/share/apache2/apache2-maintscript-helper" in tree:
        tree.link("etc/apache2/conf-enabled/javascript-common.conf", "../conf-available/javascript-common.conf")


_BINFMT = ("mask", "interpreter", "detector", "credentials", "preserve", "fix_binary")


def _narrow_libraries(tree: Tree) -> None:
    """Have /lib32 lead where the packages of 32 bits lie, and the path of their linker, which programs name."""
    tree.directory("usr/lib32")
    for path, target in (("lib32", "usr/lib32"), ("usr/lib/ld-linux.so.2", "../lib32/ld-linux.so.2")):
        if path not in tree:
            tree.link(path, target)


def _binary_formats(tree: Tree) -> None:
    """Note which programs run what other files, as `update-binfmts --import` does: it is told the kernel elsewhere."""
    directory = "usr/share/binfmts"
    for name in tree.children(directory):
        text = (tree.read(f"{directory}/{name}") or b"").decode("utf-8", "replace")
        pairs = [line.split(None, 1) for line in text.splitlines()]
        found = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
        kind = "magic" if "magic" in found else "extension"
        noted = [found.get("package", ""), kind, found.get("offset", "0"), found.get(kind, "")]
        lines = [*noted, *(found.get(key, "") for key in _BINFMT)]
        tree.write(f"var/lib/binfmts/{name}", "".join(f"{line}\n" for line in lines))


Effect: TypeAlias = Callable[[Tree], object]

EFFECTS: Mapping[str, Effect] = {
    # In this order: accounts before what belongs to them.
    "base-passwd": create_accounts,
    "passwd": shadow_accounts,
    "base-files": _base_files,
    "binfmt-support": _binary_formats,
    "ca-certificates": install_certificates,
    "debianutils": _shells,
    "fontconfig": partial(Tree.directory, path="var/cache/fontconfig"),  # filled by the first who can write there
    "fontconfig-config": font_rendering,
    "ghostscript": ghostscript_fonts,
    "git-lfs": _git_filter,
    "libc-bin": _name_service,  # and the library cache, last of all
    "libpam-modules": _pam_files,
    "libpam-runtime": configure_pam,
    "login": _login,
    "netbase": _networks,
    "pkgconf-bin": partial(Tree.directory, path="usr/lib/pkgconfig"),
    "python3": _python_config,
    "systemd": _systemd,
    "systemd-timesyncd": partial(add_declared, names=["systemd-timesync.conf"]),
    "libnss-systemd": _systemd_names,
    "dbus-system-bus-common": _bus_account,
    "dbus-daemon": partial(Tree.directory, path="var/lib/dbus"),  # no machine-id, which two containers must not share
    "dbus": _bus,
    "libc6-i386": _narrow_libraries,
    "libgstreamer1.0-0": clock_helper,
    "libibverbs1": partial(add_group, name="rdma"),
    "libtirpc3t64": _remote_calls,
    "openssh-client": _ssh_agent,
    "javascript-common": _javascript,
    "ucf": make_registry,
    "gconf2-common": gconf_path,
    "libpaper1": paper_size,
    "unixodbc-common": partial(Tree.write_new, path="etc/odbcinst.ini", data=""),
    "xfonts-utils": font_aliases,
    "xfonts-base": partial(x_fonts, name="misc"),
    "xfonts-75dpi": partial(x_fonts, name="75dpi"),
    "xfonts-100dpi": partial(x_fonts, name="100dpi"),
    "readline-common": partial(Tree.copy_new, source="usr/share/readline/inputrc", path="etc/inputrc"),
    "tzdata": _time_zone,
    "adduser": _nothing,  # renames an old configuration
    "apt": _nothing,  # timers; its user _apt is among base-passwd's
    "bash": _nothing,  # an alternative
    "comerr-dev": _nothing,  # mends an old link
    "coreutils": _nothing,  # /usr/bin/touch of an unmerged /usr
    "dash": _nothing,  # /bin/sh is in the package
    "debconf": _nothing,
    "dmsetup": _nothing,  # the initial RAM disk of a machine
    "debian-archive-keyring": _nothing,  # removes old keys
    "dpkg": _nothing,  # see database.py
    "fonts-urw-base35": _nothing,  # tells ghostscript, which asks for itself
    "gcc": _nothing,  # alternatives
    "gtk-update-icon-cache": _nothing,  # removes old diversions
    "gzip": _nothing,  # a diversion of zutils
    "hicolor-icon-theme": _nothing,  # a cache
    "init-system-helpers": _nothing,
    "lib32stdc++6": _nothing,  # a link that is in the package
    "libasound2-dev": _nothing,  # removes an old link
    "libc6": _nothing,  # restarts services
    "libgcrypt20": _nothing,  # removes old libraries
    "libgdk-pixbuf-2.0-0": _nothing,  # a cache of loaders: only the built-in ones are found
    "libglib2.0-0": _nothing,  # caches: no GSettings until glib-compile-schemas is run
    "libglib2.0-0t64": _nothing,  # the same
    "libgssapi-krb5-2": _nothing,  # moves an old configuration
    "libgtk-3-0": _nothing,  # a cache of input methods: only the built-in ones are found
    "libgtk-3-0t64": _nothing,  # the same
    "libpam-cap": _nothing,  # libpam-runtime's
    "libpam-modules-bin": _nothing,  # a service
    "libpam-systemd": _nothing,  # libpam-runtime's
    "libpam0g": _nothing,  # restarts services
    "libreadline8t64": _nothing,  # guards an upgrade from unmerged paths
    "librsvg2-common": _nothing,  # the cache of loaders of libgdk-pixbuf-2.0-0
    "libselinux1": _nothing,  # removes old files
    "libsensors5": _nothing,  # removes an old configuration
    "libqt5core5a": _nothing,  # removes a directory that old versions left
    "libqt5core5t64": _nothing,  # the same
    "llvm": _nothing,  # removes an old link
    "login.defs": _nothing,  # adopts an old configuration
    "mariadb-common": _nothing,  # an alternative (`choices`)
    "mawk": _nothing,  # an alternative
    "mysql-common": _nothing,  # an alternative
    "openssl": _nothing,  # /usr/lib/ssl is in the package
    "perl": _nothing,
    "perl-base": _nothing,
    "poppler-data": _nothing,  # tells ghostscript
    "samba-libs": _nothing,  # moves old databases
    "procps": _nothing,  # applies kernel settings
    "python3-distutils": _nothing,  # byte code
    "python3-lib2to3": _nothing,  # byte code
    "python3-minimal": _nothing,  # byte code
    "shared-mime-info": _nothing,  # a cache: no MIME types until update-mime-database is run
    "systemd-sysv": _nothing,  # restores links that an upgrade to merged paths lost
    "tar": _nothing,  # an alternative
    "unzip": _nothing,  # a cache
    "usr-is-merged": _nothing,  # refuses an unmerged /usr
    "util-linux": _nothing,  # an alternative, timers
    "util-linux-extra": _nothing,  # a clock's init script
    "vim-runtime": _nothing,  # an index of help pages
    "x11-common": _nothing,  # a service
    "xz-utils": _nothing,  # alternatives (`choices`)
}
# Packages whose names carry a version.
_PATTERNS: Sequence[tuple[re.Pattern[str], Effect]] = (
    (re.compile(r"python3\.\d+-minimal"), _local_packages),  # and byte code
    (re.compile(r"libhdf5-(?:openmpi-|mpich-)?dev"), _nothing),  # alternatives, of which one lies with those of MPI
    (re.compile(r"llvm-\d+-runtime"), _nothing),  # tells binfmt-support, which asks for itself
    (re.compile(r"(?:lib)?python3\.\d+(?:-minimal|-stdlib)?"), _nothing),  # byte code
)

SAME_AGAIN: Collection[Effect] = frozenset(
    {_nothing, _name_service, _base_files, _pam_files, _login, _time_zone, _remote_calls}
)
"""What those leave is there where a version of the same package was configured before."""


def find_effect(name: str) -> Effect | None:
    if name in EFFECTS:
        return EFFECTS[name]
    return next((effect for pattern, effect in _PATTERNS if pattern.fullmatch(name)), None)
