"""Alternatives are installed as update-alternatives(1) does: links, and the database the real tool works on later."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import File

_DIRECTORY = "etc/alternatives"
_DATABASE = "var/lib/dpkg/alternatives"
_LOOP = re.compile(r"^[ \t]*for (\w+) in ([\w.+ -]++);?\s*do\n", re.MULTILINE)
_DONE = re.compile(r"^[ \t]*done$", re.MULTILINE)
_UNROLLED = 256 * 1024
"""Letters that a loop may come out as: a script of 100 kB could make gigabytes."""
_PRIORITY = re.compile(r"-?[0-9]{1,9}")
_HDF5 = re.compile(r"(/.*)/hdf5-(openmpi|mpich)\.pc")
_SPECIAL = re.compile(r"[12]?>|[$`;&|<]")
_TAIL = re.compile(r"(?:\s|[12]?>\s*/dev/null|2>&1|\|\|\s*(?:true|:)|;)*")


class Slave(msgspec.Struct, frozen=True):
    """Stands for one `--slave LINK NAME PATH` of a choice."""

    link: str
    name: str
    path: str


class Alternative(msgspec.Struct, frozen=True):
    """Stands for one `--install LINK NAME PATH PRIORITY`; paths are absolute."""

    link: str
    name: str
    path: str
    priority: int
    slaves: tuple[Slave, ...] = ()


def join_lines(script: str) -> Iterator[str]:
    """Give the script's logical lines, stripped, comments and empty ones left out, loops over plain words unrolled."""
    for line in "".join(_unrolled(script.replace("\\\n", " "))).splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield stripped


def _unrolled(script: str) -> Iterator[str]:
    at = 0
    while (loop := _LOOP.search(script, at)) is not None and (done := _DONE.search(script, loop.end())) is not None:
        yield script[at : loop.start()]
        words, body = loop[2].split(), script[loop.end() : done.start()]
        if len(words) * len(body) > _UNROLLED:
            yield script[loop.start() : done.end()]
        else:
            name = re.compile(rf"\$(?:{loop[1]}\b|\{{{loop[1]}\}})")
            yield from (name.sub(word, body) for word in words)
        at = done.end()
    yield script[at:]


def parse_install(line: str) -> Alternative | None:
    """Read the choice that a literal `update-alternatives --install` line makes; None of any other line."""
    special = _SPECIAL.search(line)
    if special is not None and not _TAIL.fullmatch(line, special.start()):
        return None
    try:
        words = shlex.split(line[: special.start()] if special else line, comments=True)
    except ValueError:
        return None
    words = [word for word in words if word not in ("--quiet", "--force")]
    if words[:2] != ["update-alternatives", "--install"] or len(words) < 6 or not _PRIORITY.fullmatch(words[5]):
        return None
    rest = words[6:]
    if len(rest) % 4 or any(flag != "--slave" for flag in rest[::4]):
        return None
    if any(not word.startswith("/") for word in (words[2], words[4], *rest[1::4], *rest[3::4])):
        return None
    slaves = tuple(Slave(*rest[at + 1 : at + 4]) for at in range(0, len(rest), 4))
    return Alternative(words[2], words[3], words[4], int(words[5]), slaves)


def _with_hdf5_of_mpi(tree: Tree, choices: Sequence[Alternative]) -> list[Alternative]:
    """Have the HDF5 of an implementation of MPI go with that: libhdf5-openmpi-dev asks what is registered of it, and
    registers that anew with one slave more, which is itself a choice of `hdf5.pc`."""
    known = (*_registered(tree, "mpi").values(), *choices)
    implementations = {choice.path: choice for choice in known if choice.name == "mpi"}
    again: list[Alternative] = []
    for choice in choices:
        found = _HDF5.fullmatch(choice.path) if choice.name == "hdf5.pc" else None
        if found is not None and (of := implementations.get(f"/usr/bin/mpicc.{found[2]}")) is not None:
            slave = Slave(f"{found[1]}/hdf5-mpi.pc", "hdf5-mpi.pc", choice.path)
            kept = (one for one in of.slaves if one.name != slave.name)
            again.append(msgspec.structs.replace(of, slaves=(*kept, slave)))
    return [*choices, *again]


def install_alternatives(tree: Tree, choices: Sequence[Alternative]) -> None:
    """Add them to what is registered, make each group's links to its best choice (automatic mode), and write the
    database. What is chosen may be the link of another group."""
    groups: dict[str, dict[str, Alternative]] = {}
    choices = _with_hdf5_of_mpi(tree, choices)
    links: set[str] = set()
    for choice in choices:
        if choice.path[1:] in tree:
            links |= {choice.link, *(slave.link for slave in choice.slaves if slave.path[1:] in tree)}
    for choice in choices:
        if choice.path[1:] in tree or choice.path in links:
            if choice.name not in groups:
                groups[choice.name] = _registered(tree, choice.name)
            groups[choice.name][choice.path] = choice
    tree.directory(_DIRECTORY)
    tree.directory(_DATABASE)
    for name in sorted(groups):
        _install(tree, name, groups[name], links)


def _lines(tree: Tree, name: str) -> list[str]:
    return (tree.read(f"{_DATABASE}/{name}") or b"").decode("utf-8", "replace").splitlines()


def _registered(tree: Tree, name: str) -> dict[str, Alternative]:
    """Read the choices that the database has, by path: mode, link, names and links of slaves up to an empty line; then
    of each choice its path, priority, and paths of slaves."""
    lines = _lines(tree, name)
    if len(lines) < 3 or "" not in lines:
        return {}
    end = lines.index("")
    link, slaves = lines[1], [*zip(lines[2:end:2], lines[3:end:2], strict=False)]
    step = 2 + len(slaves)
    found: dict[str, Alternative] = {}
    for at in range(end + 1, len(lines) - step + 1, step):
        path, priority, *paths = lines[at : at + step]
        if path.startswith("/") and _PRIORITY.fullmatch(priority) and path[1:] in tree:
            own = tuple(Slave(link, name, to) for (name, link), to in zip(slaves, paths, strict=True) if to)
            found[path] = Alternative(link, name, path, int(priority), own)
    return found


def _install(tree: Tree, name: str, choices: dict[str, Alternative], links: Collection[str]) -> None:
    # The first of equal priority stays; paths are sorted, so that no order of packages matters.
    best = max((choices[path] for path in sorted(choices)), key=lambda choice: choice.priority)
    mode = _lines(tree, name)[:1] or ["auto"]
    if mode == ["auto"]:
        _link(tree, best.link, name, best.path)
        for slave in best.slaves:
            if slave.path[1:] in tree or slave.path in links:
                _link(tree, slave.link, slave.name, slave.path)
    slaves = {slave.name: slave.link for path in sorted(choices) for slave in choices[path].slaves}
    lines = [*mode, best.link]
    for slave_name in sorted(slaves):
        lines += [slave_name, slaves[slave_name]]
    lines.append("")
    for path in sorted(choices):
        paths = {slave.name: slave.path for slave in choices[path].slaves}
        lines += [path, str(choices[path].priority), *(paths.get(slave_name, "") for slave_name in sorted(slaves))]
    tree.write(f"{_DATABASE}/{name}", "\n".join([*lines, "", ""]))


def _link(tree: Tree, link: str, name: str, path: str) -> None:
    if not isinstance(tree.get(link[1:]), File):  # which update-alternatives leaves where it is
        tree.link(link[1:], f"/{_DIRECTORY}/{name}")
    tree.link(f"{_DIRECTORY}/{name}", path)


_OF_LZMA = {"lzma": "xz", "unlzma": "unxz"} | {
    f"lz{tool}": f"xz{tool}" for tool in ("cat", "more", "less", "diff", "cmp", "grep", "egrep", "fgrep")
}

CHOICES: Mapping[str, Sequence[Alternative]] = {
    "xz-utils": (
        Alternative(
            "/usr/bin/lzma",
            "lzma",
            "/usr/bin/xz",
            20,
            (
                *(Slave(f"/usr/bin/{one}", one, f"/usr/bin/{xz}") for one, xz in _OF_LZMA.items() if one != "lzma"),
                *(
                    Slave(f"/usr/share/man/man1/{one}.1.gz", f"{one}.1.gz", f"/usr/share/man/man1/{xz}.1.gz")
                    for one, xz in _OF_LZMA.items()
                ),
            ),
        ),
    ),
    # By configure-symlinks of mysql-common; a line of its own asks first whether that has done so.
    "mariadb-common": (Alternative("/etc/mysql/my.cnf", "my.cnf", "/etc/mysql/mariadb.cnf", 200),),
}
"""By package. What is told here goes before what a literal line would register."""
