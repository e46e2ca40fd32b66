"""What the scripts of packages leave by which programs find fonts: caches are filled by who looks first."""

import re
import struct

from cogpack.inflate import GZIP, InflateError, inflater
from cogpack.layers.debs.tree import Tree
from cogpack.sizes import MiB

_STAFF = 50  # the group's fixed number (base-passwd)
_X_FONTS = "usr/share/fonts/X11"
_PCF = ".pcf.gz"
_PCF_MAGIC, _PROPERTIES, _BIG_ENDIAN = b"\x01fcp", 1, 4
_PCF_LIMIT = 16 * MiB
"""Bytes of a font; the largest of Debian's have three."""


def font_rendering(tree: Tree) -> None:
    """Answer fontconfig's questions as it does itself: slight hinting, no bitmap fonts."""
    available = "usr/share/fontconfig/conf.avail"
    for names in (("10-hinting-slight",), ("70-no-bitmaps-except-emoji", "70-no-bitmaps")):
        name = next((name for name in names if f"{available}/{name}.conf" in tree), None)
        if name is not None:
            tree.link(f"etc/fonts/conf.d/{name}.conf", f"/{available}/{name}.conf")
    of_staff = "VERSION_CODENAME=bookworm" in tree.text("usr/lib/os-release")  # fontconfig of trixie leaves it to root
    tree.directory("usr/local/share/fonts", 0o2775 if of_staff else 0o755, 0, _STAFF if of_staff else 0)


def font_aliases(tree: Tree) -> None:
    tree.write_new(
        "var/lib/xfonts/excluded-aliases", "!! Excluded alias files to be ignored by update-fonts-alias(8)\n"
    )


def x_fonts(tree: Tree, name: str) -> None:
    """List the bitmap fonts of the directory `name` for X servers, and what they are called for short
    (update-fonts-dir(8), update-fonts-alias(8))."""
    if "usr/sbin/update-fonts-dir" not in tree:
        return
    directory, encodings = f"{_X_FONTS}/{name}", f"{_X_FONTS}/encodings"
    files = [file for file in tree.children(directory) if file.endswith(_PCF)]
    fonts = [f"{file} {font}\n" for file in files if (font := _font_name(tree.read(f"{directory}/{file}") or b""))]
    tree.write(f"{directory}/fonts.dir", "".join([f"{len(fonts)}\n", *fonts]))
    if f"{encodings}/large" in tree:
        lines = tree.text(f"{encodings}/encodings.dir").splitlines()
        placed = re.compile(r"(\S+) (?:\./)?(.*)")
        tree.write(
            f"{directory}/encodings.dir", "".join(placed.sub(rf"\1 /{encodings}/\2", one) + "\n" for one in lines)
        )
    above = (f"etc/X11/fonts/{name}", f"etc/X11/fonts/X11R7/{name}")
    parts = [f"{one}/{file}" for one in above for file in tree.children(one)]
    if parts := [part for part in parts if part.endswith(".alias")]:
        head = (
            "!! fonts.alias -- automatically generated file.  DO NOT EDIT.\n!! To modify, see update-fonts-alias(8).\n"
        )
        whole = [head, *(f"!! /{part}\n{tree.text(part)}" for part in parts)]
        tree.write(f"{directory}/fonts.alias", "".join(whole))


def _font_name(packed: bytes) -> str:
    """Read the property FONT of a font (PCF, the portable compiled format of X), as mkfontscale(1) writes it down; ""
    of what has none."""
    try:
        data = inflater(GZIP).decompress(packed, _PCF_LIMIT)
        (count,) = struct.unpack_from("<I", data, 4)
        tables = [struct.unpack_from("<IIII", data, 8 + 16 * number) for number in range(min(count, 16))]
        at = next((offset for kind, _, _, offset in tables if kind == _PROPERTIES), None)
        if data[:4] != _PCF_MAGIC or at is None:
            return ""
        order = ">" if struct.unpack_from("<I", data, at)[0] & _BIG_ENDIAN else "<"
        (count,) = struct.unpack_from(f"{order}I", data, at + 4)
        entry = struct.Struct(f"{order}IBI")
        places = at + 8
        texts = places + entry.size * count + -count % 4 + 4  # behind their size
        for number in range(min(count, 256)):
            name, _, value = entry.unpack_from(data, places + entry.size * number)
            if data.startswith(b"FONT\0", texts + name):
                return data[texts + value : data.index(b"\0", texts + value)].decode("latin-1").lower()
    except (InflateError, struct.error, ValueError):
        pass
    return ""


def ghostscript_fonts(tree: Tree) -> None:
    """Put its font maps together (update-gsfontmap)."""
    for name in ("cidfmap", "Fontmap"):
        directory = f"etc/ghostscript/{name.lower()}.d"
        parts = [file for file in tree.children(directory) if file.endswith(".conf")]
        whole = b"".join(tree.read(f"{directory}/{file}") or b"" for file in parts)
        tree.write(f"var/lib/ghostscript/fonts/{name}", whole)
