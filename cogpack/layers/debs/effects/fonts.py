"""What the scripts of packages leave by which programs find fonts: caches are filled by who looks first."""

from cogpack.layers.debs.tree import Tree


def font_rendering(tree: Tree) -> None:
    """Answer fontconfig's questions as it does itself: slight hinting, no bitmap fonts."""
    available = "usr/share/fontconfig/conf.avail"
    for names in (("10-hinting-slight",), ("70-no-bitmaps-except-emoji", "70-no-bitmaps")):
        name = next((name for name in names if f"{available}/{name}.conf" in tree), None)
        if name is not None:
            tree.link(f"etc/fonts/conf.d/{name}.conf", f"/{available}/{name}.conf")
    tree.directory("usr/local/share/fonts")


def font_cache(tree: Tree) -> None:
    tree.directory("var/cache/fontconfig")  # filled by the first program that can write there


def font_aliases(tree: Tree) -> None:
    tree.write_new(
        "var/lib/xfonts/excluded-aliases", "!! Excluded alias files to be ignored by update-fonts-alias(8)\n"
    )


def ghostscript_fonts(tree: Tree) -> None:
    """Put its font maps together (update-gsfontmap)."""
    for name in ("cidfmap", "Fontmap"):
        directory = f"etc/ghostscript/{name.lower()}.d"
        parts = [file for file in tree.children(directory) if file.endswith(".conf")]
        whole = b"".join(tree.read(f"{directory}/{file}") or b"" for file in parts)
        tree.write(f"var/lib/ghostscript/fonts/{name}", whole)
