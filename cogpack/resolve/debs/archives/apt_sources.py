"""What files of apt say of archives is read, this machine's and those of an image (sources.list(5))."""

import re
from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from cogpack.patterns import pattern

_ONE_LINE = pattern(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)\s*")
_NAME = pattern(r"[A-Za-z0-9_.-]+\.(?:list|sources)")
_NO = frozenset({"no", "false", "without", "off", "disable"})


class Files(Protocol):
    """Reads files, links followed."""

    def read(self, path: str) -> bytes | None: ...

    def children(self, path: str) -> list[str]: ...


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Is what one entry says. `signed_by`: words of Signed-By, or a certificate; "" of what says nothing."""

    file: str
    uri: str
    suite: str
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    signed_by: str


def entries(files: Files, directory: str) -> Iterator[Entry]:
    """Give the entries of apt's `directory`, in its order."""
    parts = f"{directory}/sources.list.d"
    names = sorted(filter(_NAME.fullmatch, files.children(parts)))
    for file in (f"{directory}/sources.list", *(f"{parts}/{name}" for name in names)):
        text = (files.read(file) or b"").decode("utf-8", "replace")
        yield from _deb822(text, file) if file.endswith(".sources") else _one_line(text, file)


def _one_line(text: str, file: str) -> Iterator[Entry]:
    for line in text.splitlines():
        if matched := _ONE_LINE.fullmatch(line.partition("#")[0].strip()):
            options = dict(word.partition("=")[::2] for word in (matched[1] or "").split())
            yield Entry(
                file=file,
                uri=matched[2],
                suite=matched[3],
                components=tuple(matched[4].split()),
                architectures=tuple(options.get("arch", "").replace(",", " ").split()),
                signed_by=options.get("signed-by", ""),
            )


def _deb822(text: str, file: str) -> Iterator[Entry]:
    for fields in _stanzas(text):
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").strip().lower() not in _NO:
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield Entry(
                        file=file,
                        uri=uri,
                        suite=suite,
                        components=tuple(fields.get("components", "").split()),
                        architectures=tuple(fields.get("architectures", "").split()),
                        signed_by=fields.get("signed-by", ""),
                    )


def _stanzas(text: str) -> Iterator[Mapping[str, str]]:
    """Read fields by their names in small letters; lines of a value stay lines, without their first blank."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                fields[key] = f"{fields.get(key, '')}\n{line[1:]}"
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if fields:
            yield fields
