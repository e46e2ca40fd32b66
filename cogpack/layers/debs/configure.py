"""What stands in for the maintainer scripts: one function or a reason for each package that has any.

A package that is not in the table must have scripts that `scripts.read_script` understands.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from cogpack.errors import InputError
from cogpack.layers.debs.accounts import create_accounts, shadow_accounts
from cogpack.layers.debs.alternatives import Choice, install_alternatives
from cogpack.layers.debs.certificates import install_certificates
from cogpack.layers.debs.ldcache import write_cache
from cogpack.layers.debs.package import Package
from cogpack.layers.debs.pam import configure_pam
from cogpack.layers.debs.scripts import NotUnderstood, literal_choices, read_script
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
    """/etc/shells: the template, and what packages register, each under its given and its real name."""
    shells: dict[str, None] = {}
    registered = "usr/share/debianutils/shells.d"
    template = "usr/share/debianutils/shells"
    for file in (template, *(f"{registered}/{name}" for name in tree.children(registered))):
        for line in (tree.read(file) or b"").decode().splitlines():
            shell = line.partition("#")[0]
            if shell:
                shells[shell] = shells["/" + tree.real(shell.strip("/"))] = None
    lines = (tree.read(template) or b"").decode().splitlines()
    added = [shell for shell in shells if shell not in lines]
    tree.write("etc/shells", "".join(f"{line}\n" for line in [*lines, *added]))
    tree.write("var/lib/shells.state", "".join(f"{shell}\n" for shell in shells))


def _time_zone(tree: Tree) -> None:
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
    """Its scripts act on upgrades, on a running system, or register alternatives (which are read from them)."""


def _name_service(tree: Tree) -> None:
    tree.copy_new("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf")


def _readline(tree: Tree) -> None:
    tree.copy_new("usr/share/readline/inputrc", "etc/inputrc")


Effect: TypeAlias = Callable[[Tree], None]

EFFECTS: Mapping[str, Effect] = {
    # In this order: accounts before what belongs to them.
    "base-passwd": create_accounts,
    "passwd": shadow_accounts,
    "base-files": _base_files,
    "libc-bin": _name_service,  # and the library cache, last of all
    "debianutils": _shells,
    "libpam-modules": _pam_files,
    "libpam-runtime": configure_pam,
    "login": _login,
    "netbase": _networks,
    "readline-common": _readline,
    "tzdata": _time_zone,
    "ca-certificates": install_certificates,
    "python3": _python_config,
    "adduser": _nothing,  # renames an old configuration
    "apt": _nothing,  # timers; its user _apt is among base-passwd's
    "bash": _nothing,  # an alternative
    "coreutils": _nothing,  # /usr/bin/touch of an unmerged /usr
    "dash": _nothing,  # /bin/sh is in the package
    "debconf": _nothing,
    "debian-archive-keyring": _nothing,  # removes old keys
    "dpkg": _nothing,  # see database.py
    "gzip": _nothing,  # a diversion of zutils
    "init-system-helpers": _nothing,
    "libc6": _nothing,  # restarts services
    "libgcrypt20": _nothing,  # removes old libraries
    "libgssapi-krb5-2": _nothing,  # moves an old configuration
    "libpam-modules-bin": _nothing,  # a service
    "libpam0g": _nothing,  # restarts services
    "libreadline8t64": _nothing,  # guards an upgrade from unmerged paths
    "libselinux1": _nothing,  # removes old files
    "login.defs": _nothing,  # adopts an old configuration
    "mawk": _nothing,  # an alternative
    "openssl": _nothing,  # /usr/lib/ssl is in the package
    "perl-base": _nothing,
    "python3-minimal": _nothing,  # byte code
    "tar": _nothing,  # an alternative
    "usr-is-merged": _nothing,  # refuses an unmerged /usr
    "util-linux": _nothing,  # an alternative, timers
    "util-linux-extra": _nothing,  # a clock's init script
}
# Packages whose names carry a version; the rest as above.
_PATTERNS: Sequence[tuple[re.Pattern[str], Effect]] = (
    (re.compile(r"python3\.\d+-minimal"), _local_packages),  # and byte code
    (re.compile(r"(?:lib)?python3\.\d+(?:-minimal|-stdlib)?"), _nothing),  # byte code
)


def configure(tree: Tree, packages: Sequence[Package], arch: str) -> None:
    """Bring the tree to the state in which dpkg would leave it with every package configured."""
    ordered = sorted(packages, key=lambda package: package.name)
    effects: dict[str, Effect] = {}
    choices: list[Choice] = []
    for package in ordered:
        effect = _effect(package.name)
        if effect is not None:
            effects[package.name] = effect
            choices += literal_choices(package.script("postinst"))
        else:
            choices += _understood(package)
    for name in EFFECTS:
        if name in effects:
            effects[name](tree)
    for name, effect in effects.items():
        if name not in EFFECTS:
            effect(tree)
    install_alternatives(tree, choices)
    write_cache(tree, arch)


def _effect(name: str) -> Effect | None:
    if name in EFFECTS:
        return EFFECTS[name]
    return next((effect for pattern, effect in _PATTERNS if pattern.fullmatch(name)), None)


def _understood(package: Package) -> list[Choice]:
    choices: list[Choice] = []
    for kind, argument in (("preinst", "install"), ("postinst", "configure")):
        result = read_script(package.script(kind), fresh=argument)
        if isinstance(result, NotUnderstood):
            raise InputError(
                f"build.system_packages: {package.name} {package.file.version} has a {kind} script "
                f"that cogpack can't stand in for (at {result.line!r:.100})",
                next_step="choose a base image that has the package, `cogpack: {base: registry/name:tag}`, "
                "or another package",
            )
        choices += result.choices
    return choices
