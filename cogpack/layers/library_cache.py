"""CUDA's libraries that lie in wheels are found as a system's own: their directories are in ld.so.conf.d, and what is
there in the library cache. So ctypes.util.find_library, and whatever is linked with them, has them in any process.

They come last of all directories: what a base has under the same name is what its user chose.
"""

import posixpath
from collections.abc import Callable, Iterable, Sequence

from packaging.utils import canonicalize_name

from cogpack.digest import DiffID, Digest, sha256
from cogpack.layers.content import Bytes
from cogpack.layers.entry import Entry, File, Symlink
from cogpack.layers.wheels.libraries import WheelLibrary
from cogpack.layers.wheels.source import WheelFile
from cogpack.oci import encode
from cogpack.patterns import pattern

WHEELS_CONF = "etc/ld.so.conf.d/zz-cogpack.conf"
"""Its name is behind all others, and so are the directories in it."""

_RECIPE = "library cache/2"
"""Part of the key: another one whenever the same wheels over the same layers would give other entries."""

_OF_NVIDIA = pattern(r"(?:nvidia|cuda|tensorrt)-.*")
_DIRECTORY = pattern(r"(?:.*/)?(?:lib|lib64|tensorrt_libs)")


def has_system_libraries(filename: str) -> bool:
    """Tell whether the wheel is one of NVIDIA's, with libraries as CUDA's own packages have them for a system."""
    name = canonicalize_name(filename.partition("-")[0])
    return bool(_OF_NVIDIA.fullmatch(name)) and not filename.endswith("-any.whl")


class LibraryCacheSource:
    """Makes the library cache of an image with NVIDIA's `wheels`, and the settings that it follows from.

    `libraries`: what a wheel has; `ground`: the layers that are there; `below`: reads a file of them.
    """

    name = "library cache"

    def __init__(
        self,
        wheels: Sequence[WheelFile],
        libraries: Callable[[Sequence[WheelFile]], Iterable[WheelLibrary]],
        *,
        ground: Sequence[Digest | DiffID],
        below: Callable[[str], bytes | None],
        arch: str,
    ) -> None:
        self.wheels = sorted(wheels, key=lambda wheel: wheel.filename)
        self._libraries = libraries
        self._ground = ground
        self._below = below
        self._arch = arch

    def key(self) -> str:
        return sha256(encode([_RECIPE, self._arch, list(self._ground), sorted(one.sha256 for one in self.wheels)]))

    def entries(self) -> Iterable[Entry]:
        from cogpack.layers.debs.effects.ldcache import CACHE, CONF, find_libraries, includes, join_caches
        from cogpack.layers.debs.effects.ldcache_file import format_cache, parse_cache
        from cogpack.layers.debs.tree import Tree

        found = {one.path: one for one in self._libraries(self.wheels) if _DIRECTORY.fullmatch(one.directory)}
        directories = sorted({one.directory for one in found.values()})
        tree = Tree({path: _file(one) for path, one in found.items()})
        conf = "".join(f"/{directory}\n" for directory in directories).encode()
        tree.write(CONF, conf)
        libraries = find_libraries(tree, self._arch)
        yield from (entry for entry in tree if isinstance(entry, Symlink))
        yield File(WHEELS_CONF, Bytes(conf))
        tree.write(CONF, self._below(CONF) or b"")
        tree.write(WHEELS_CONF, conf)
        if not includes(tree, WHEELS_CONF):
            line = f"include /{posixpath.dirname(WHEELS_CONF)}/*.conf\n"
            yield File(CONF, Bytes(b"\n".join([*(self._below(CONF) or b"").splitlines(), line.encode()])))
        yield File(CACHE, Bytes(format_cache(join_caches(parse_cache(self._below(CACHE) or b""), libraries))))


def _file(one: WheelLibrary) -> File:
    from cogpack.layers.debs.effects.ldcache import SharedObject
    from cogpack.layers.debs.over.ground import Unread

    known = SharedObject(one.elf.machine, one.elf.soname or "") if one.elf.shared else None
    return File(one.path, Unread(one.path, one.size, known))
