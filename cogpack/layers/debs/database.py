"""dpkg's database is written: a container's apt and dpkg work on it, and scanners read it (dpkg(1), FILES)."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from cogpack.layers.debs.deb.control import format_control
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.merge import EXCLUDE, INCLUDE
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import File
from cogpack.layers.tar import read

_DATABASE = "var/lib/dpkg"
_SCRIPTS = frozenset({"preinst", "postinst", "prerm", "postrm", "config"})
_SOURCES = """\
Types: deb
URIs: http://ftp.debian.org/debian
Suites: {suite} {suite}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.debian.org/debian-security
Suites: {suite}-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def write_database(tree: Tree, packages: Sequence[UnpackedPackage], arch: str) -> None:
    stanzas: list[str] = []
    available: list[str] = []
    files: list[str] = []
    named: dict[str, list[str]] = {}
    for package in sorted(packages, key=lambda package: package.name):
        settled = (f" /{path} {md5}" for path, md5 in _hashes(tree, package.conffiles()))
        stanzas.append(stanza(package, [*leaving_lines(package), *settled]))
        available.append(_available(package))
        write_info(tree, package)
        interests(package, files, named)
    tree.write(f"{_DATABASE}/status", "\n".join(stanzas) + "\n")
    tree.write(f"{_DATABASE}/available", "\n".join(available) + "\n")
    tree.write(f"{_DATABASE}/info/format", "1\n")
    tree.write(f"{_DATABASE}/arch-native", f"{arch}\n")
    for name in ("diversions", "statoverride", "triggers/Unincorp"):
        tree.write_new(f"{_DATABASE}/{name}", "")
    tree.write(f"{_DATABASE}/triggers/File", "".join(files))
    for name, lines in sorted(named.items()):
        tree.write(f"{_DATABASE}/triggers/{name}", "".join(lines))
    for name in ("parts", "updates"):
        tree.directory(f"{_DATABASE}/{name}")


def write_policy(tree: Tree, suite: str, *, slim: bool) -> None:
    """Write what makes apt and dpkg behave in a container: sources, no documentation, no services started. A `slim` one
    may have neither."""
    # Empty, so that whatever wants one makes its own; two containers must not share it (machine-id(5)).
    tree.write_new("etc/machine-id", "", mode=0o444)
    if slim and "usr/bin/dpkg" not in tree:
        return
    if "usr/bin/apt-get" in tree:
        tree.write("etc/apt/sources.list.d/debian.sources", _SOURCES.format(suite=suite))
    rules = [*(f"path-exclude {pattern}" for pattern in EXCLUDE), *(f"path-include {pattern}" for pattern in INCLUDE)]
    tree.write("etc/dpkg/dpkg.cfg.d/docs", "".join(f"{rule}\n" for rule in rules))
    tree.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
    for section in range(1, 10):
        # update-alternatives, run by a later apt, wants the directories of the pages it links.
        tree.directory(f"usr/share/man/man{section}")


def stanza(package: UnpackedPackage, conffiles: Sequence[str]) -> str:
    """Write what `status` says of a package; `conffiles`: the lines of that field."""
    fields = {"Package": package.name, "Status": "install ok installed"}
    fields |= {key: value for key, value in package.fields.items() if key not in fields}
    if conffiles:
        fields["Conffiles"] = "\n" + "\n".join(conffiles)
    return format_control(fields)


def leaving_lines(package: UnpackedPackage) -> list[str]:
    """Give what the field says of settings that older versions had."""
    return [f" /{path} newconffile remove-on-upgrade" for path in package.leaving_conffiles()]


def _hashes(tree: Tree, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give those of the paths that are files, each with its hash."""
    for path in paths:
        if isinstance(entry := tree.follow(path), File):
            yield path, md5_of(entry)


def md5_of(file: File) -> str:
    """Give the hash by which dpkg knows a file."""
    found = hashlib.md5(usedforsecurity=False)
    for block in read(file.content):
        found.update(block)
    return found.hexdigest()


def _available(package: UnpackedPackage) -> str:
    """Write the stanza of `available`: scanners take a package's digest from its SHA256 field."""
    fields = package.fields
    kept = {"Package": package.name}
    for key in ("Priority", "Section", "Maintainer", "Architecture", "Multi-Arch", "Source", "Version"):
        if key in fields:
            kept[key] = fields[key]
    kept["Size"] = str(package.file.size)
    kept["SHA256"] = package.file.sha256
    kept["Description"] = fields.get("Description", "").partition("\n")[0]
    return format_control(kept)


def write_info(tree: Tree, package: UnpackedPackage) -> None:
    """Write what `info/` has of a package."""
    name = _info_name(package)
    paths = ["/.", *(f"/{member.path}" for member, _ in package.data if member.path)]
    tree.write(f"{_DATABASE}/info/{name}.list", "".join(f"{path}\n" for path in paths))
    for kind, data in sorted(package.control.items()):
        if kind != "control" and "/" not in kind:
            tree.write(f"{_DATABASE}/info/{name}.{kind}", data, mode=0o755 if kind in _SCRIPTS else 0o644)
    if package.file.foreign and "md5sums" not in package.control:  # all of Debian's have it
        tree.write(f"{_DATABASE}/info/{name}.md5sums", _md5sums(tree, package))


def _info_name(package: UnpackedPackage) -> str:
    """Give the name by which dpkg tells a package from the same one of another architecture, where there may be one."""
    same = package.fields.get("Multi-Arch") == "same"
    return f"{package.name}:{package.fields['Architecture']}" if same else package.name


def _md5sums(tree: Tree, package: UnpackedPackage) -> str:
    """Write what dpkg does for a package that brings none, without which it calls it broken (dpkg --audit)."""
    apart = package.conffiles()
    files = [member.path for member, content in package.data if content is not None and member.path not in apart]
    return "".join(f"{md5}  {path}\n" for path, md5 in _hashes(tree, files))


def interests(package: UnpackedPackage, files: list[str], named: dict[str, list[str]]) -> None:
    """Collect what triggers the package waits for (deb-triggers(5)): by path in one file, by name in a file each."""
    for line in package.control.get("triggers", b"").decode("utf-8", "replace").splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2 and words[0].startswith("interest"):
            who = _info_name(package) + ("/noawait" if words[0] == "interest-noawait" else "")
            if words[1].startswith("/"):
                files.append(f"{words[1]} {who}\n")
            elif "/" not in words[1]:
                named.setdefault(words[1], []).append(f"{who}\n")
