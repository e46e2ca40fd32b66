"""What programs that maintainer scripts start leave is written as recordings of trixie and bookworm have it."""

import gzip
import hashlib
import struct

from cogpack.layers.debs.configure import check_upgrade
from cogpack.layers.debs.effects.effects import EFFECTS, SAME_AGAIN
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Directory, File


def test_interpreters_of_files_are_noted_as_update_binfmts_notes_them() -> None:
    tree = Tree()
    tree.write(
        "usr/share/binfmts/llvm-19-runtime.binfmt", "package llvm-19-runtime\ninterpreter /usr/bin/lli-19\nmagic BC\n"
    )
    tree.write(
        "usr/share/binfmts/python3.13",
        "package python3.13\ninterpreter /usr/bin/python3.13\nmagic \\xf3\\x0d\\x0d\\x0a\n",
    )
    EFFECTS["binfmt-support"](tree)
    assert tree.read("var/lib/binfmts/llvm-19-runtime.binfmt") == (
        b"llvm-19-runtime\nmagic\n0\nBC\n\n/usr/bin/lli-19\n\n\n\n\n"
    )
    assert tree.read("var/lib/binfmts/python3.13") == (
        b"python3.13\nmagic\n0\n\\xf3\\x0d\\x0d\\x0a\n\n/usr/bin/python3.13\n\n\n\n\n"
    )


def test_fonts_of_the_machine_are_of_staff_in_bookworm_and_of_root_in_trixie() -> None:
    for suite, mode, gid in (("bookworm", 0o2775, 50), ("trixie", 0o755, 0)):
        tree = Tree()
        tree.write("usr/lib/os-release", f"ID=debian\nVERSION_CODENAME={suite}\n")
        EFFECTS["fontconfig-config"](tree)
        found = tree.get("usr/local/share/fonts")
        assert found == Directory("usr/local/share/fonts", mode, 0, gid)


def test_the_font_maps_of_ghostscript_are_those_of_all_packages_together() -> None:
    tree = Tree()
    for name, text in (
        ("fontmap.d/10fonts-urw-base35.conf", "/A (a.t1) ;\n"),
        ("fontmap.d/20more.conf", "/B /A ;\n"),
        ("fontmap.d/README", "no part\n"),
        ("cidfmap.d/90gs-cjk-resource-gb1.conf", "/C\n"),
    ):
        tree.write(f"etc/ghostscript/{name}", text)
    EFFECTS["ghostscript"](tree)
    assert tree.read("var/lib/ghostscript/fonts/Fontmap") == b"/A (a.t1) ;\n/B /A ;\n"
    assert tree.read("var/lib/ghostscript/fonts/cidfmap") == b"/C\n"


def test_settings_are_handed_to_ucf_as_libpaper1_and_gconf2_common_do() -> None:
    tree = Tree()
    tree.write("usr/share/gconf/default.path", "xml:readwrite:$(HOME)/.gconf\n")
    for name in ("ucf", "libpaper1", "gconf2-common", "libpaper1"):
        EFFECTS[name](tree)
    digest = hashlib.md5(b"xml:readwrite:$(HOME)/.gconf\n", usedforsecurity=False).hexdigest()
    assert tree.read("etc/papersize") == tree.read("var/lib/ucf/cache/:etc:papersize") == b"a4\n"
    assert tree.read("var/lib/ucf/cache/:etc:gconf:2:path") == tree.read("etc/gconf/2/path")
    assert (tree.read("var/lib/ucf/hashfile") or b"").decode().splitlines() == [
        f"{digest}  /etc/gconf/2/path",
        "2f1ad364c25bfd8dcee21c2d6ea97a3a  /etc/papersize",
    ]
    assert tree.read("var/lib/ucf/registry") == b""


def pcf(name: str, order: str) -> bytes:
    """The least of a font: one table, of its properties."""
    texts = b"FOUNDRY\0x\0FONT\0" + name.encode() + b"\0"
    entries = struct.pack(f"{order}IBIIBI", 0, 1, 8, 10, 1, 15)
    table = struct.pack("<I", 4 if order == ">" else 0) + struct.pack(f"{order}I", 2) + entries + b"\0\0"
    table += struct.pack(f"{order}I", len(texts)) + texts
    return gzip.compress(b"\x01fcp" + struct.pack("<IIIII", 1, 1, 4, len(table), 24) + table)


def test_fonts_of_x_are_listed_with_their_names_encodings_and_aliases_as_by_update_fonts_dir() -> None:
    tree = Tree()
    directory = "usr/share/fonts/X11/misc"
    for file, data in (
        ("6x13.pcf.gz", pcf("-Misc-Fixed-Medium-R", ">")),
        ("10x20.pcf.gz", pcf("-Misc-Fixed-Bold-R", "<")),
        ("broken.pcf.gz", pcf("-Misc", ">")[:30]),
        ("none.pcf.gz", b"no font"),
    ):
        tree.write(f"{directory}/{file}", data)
    tree.write("etc/X11/fonts/misc/xfonts-base.alias", "fixed -misc-fixed\n")
    EFFECTS["xfonts-base"](tree)
    assert f"{directory}/fonts.dir" not in tree, "nobody lists them without xfonts-utils"
    tree.write("usr/sbin/update-fonts-dir", "#!/bin/sh\n")
    tree.write("usr/share/fonts/X11/encodings/encodings.dir", "1\nascii-0 ./ascii-0.enc.gz\n")
    tree.directory("usr/share/fonts/X11/encodings/large")
    EFFECTS["xfonts-base"](tree)
    assert tree.text(f"{directory}/fonts.dir") == (
        "2\n10x20.pcf.gz -misc-fixed-bold-r\n6x13.pcf.gz -misc-fixed-medium-r\n"
    )
    assert tree.text(f"{directory}/encodings.dir") == "1\nascii-0 /usr/share/fonts/X11/encodings/ascii-0.enc.gz\n"
    assert tree.text(f"{directory}/fonts.alias").endswith(
        "!! /etc/X11/fonts/misc/xfonts-base.alias\nfixed -misc-fixed\n"
    )


def test_the_helper_of_gstreamers_clocks_has_the_capabilities_that_setcap_writes() -> None:
    helper = "usr/lib/x86_64-linux-gnu/gstreamer1.0/gstreamer-1.0/gst-ptp-helper"
    for suite, written in (("bookworm", "0100000200140000"), ("trixie", "0100000200148000")):
        tree = Tree()
        tree.write(helper, "", mode=0o755)
        before = {entry.path: entry for entry in tree}
        tree.write("usr/lib/os-release", f"VERSION_CODENAME={suite}\n")
        EFFECTS["libgstreamer1.0-0"](tree)
        found = tree.get(helper)
        assert isinstance(found, File)
        assert found.mode == 0o755
        assert found.xattrs == (("security.capability", bytes.fromhex(written + "00" * 12)),)
        assert found in tree.changes(before), "also where a layer below has the package's files alone"


def test_diversions_of_libtirpc3t64_are_those_that_dpkg_divert_notes() -> None:
    tree = Tree()
    for name in ("libtirpc.so.3", "libtirpc.so.3.0.0"):
        tree.write(f"usr/lib/x86_64-linux-gnu/{name}", "")
    EFFECTS["libtirpc3t64"](tree)
    assert tree.text("var/lib/dpkg/diversions") == (
        "/lib/x86_64-linux-gnu/libtirpc.so.3\n/lib/x86_64-linux-gnu/libtirpc.so.3.usr-is-merged\nlibtirpc3t64\n"
        "/lib/x86_64-linux-gnu/libtirpc.so.3.0.0\n/lib/x86_64-linux-gnu/libtirpc.so.3.0.0.usr-is-merged\nlibtirpc3t64\n"
    )


UPGRADED = """
adduser apt base-files bash comerr-dev coreutils dash debconf debian-archive-keyring dmsetup dpkg fonts-urw-base35 gcc
gtk-update-icon-cache gzip hicolor-icon-theme init-system-helpers lib32stdc++6 libasound2-dev libc-bin libc6
libgcrypt20 libgdk-pixbuf-2.0-0 libglib2.0-0 libglib2.0-0t64 libgssapi-krb5-2 libgtk-3-0 libgtk-3-0t64 libpam-cap
libpam-modules libpam-modules-bin libpam-systemd libpam0g libqt5core5a libqt5core5t64 libreadline8t64 librsvg2-common
libselinux1 libsensors5 libtirpc3t64 llvm login login.defs mariadb-common mawk mysql-common openssl perl perl-base
poppler-data procps python3-distutils python3-lib2to3 python3-minimal samba-libs shared-mime-info systemd-sysv tar
tzdata unzip usr-is-merged util-linux util-linux-extra vim-runtime x11-common xz-utils
"""


def test_a_package_whose_upgrade_was_stood_in_for_once_stays_one_since_locks_over_images_count_on_it() -> None:
    for name in UPGRADED.split():
        check_upgrade(name, ("1", "2"), ({}, {}))
    known = {name for name, effect in EFFECTS.items() if effect in SAME_AGAIN}
    assert known == set(UPGRADED.split()), "a new one joins those that stay"
