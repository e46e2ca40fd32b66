"""A secret that commands were given is in nothing that they leave behind: captured files and names are searched for it,
and output is shown without it.

It is found as it is, as JSON and addresses write it, and in base64 wherever it begins there; across line breaks, too,
since programs break long lines. What is compressed or encrypted hides it.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias
from urllib.parse import quote, quote_plus

import msgspec

from cogpack.layers import tar
from cogpack.layers.entry import File, Symlink
from cogpack.redaction import HIDDEN, inside_base64
from cogpack.sandbox.capture.capture import Captured

LEAST = 6
"""Bytes. What is shorter would be found all over."""

_BREAKS = b"\r\n"
_BREAK = re.compile(rb"[\r\n]")
_SHOWN = 3
"""Bytes at the end of a line that may be the beginning of a secret, and are shown all the same: a line that a user
waits for should not wait for the next one."""

Form: TypeAlias = Literal["as it is", "in base64", "percent-encoded"]
Where: TypeAlias = Literal["name", "target", "content"]


class Hit(msgspec.Struct, frozen=True):
    """Says that the secret `secret` is in what was captured at `path`, and in which form."""

    path: str
    where: Where
    secret: str
    form: Form


class _Pattern(msgspec.Struct, frozen=True):
    secret: str
    form: Form
    data: bytes  # without line breaks


def is_searched(secret: bytes) -> bool:
    """Tell whether it is long enough to be looked for."""
    return len(secret.strip()) >= LEAST


def find_secrets(captured: Captured, secrets: Mapping[str, bytes]) -> list[Hit]:
    """Search all that was captured for `secrets`, which have their ids. The tree is as it was when it was captured."""
    patterns = [pattern for name, secret in secrets.items() for pattern in _patterns(name, secret)]
    if not patterns:
        return []
    hits: list[Hit] = []
    for entry in captured.entries:
        texts: list[tuple[Where, Iterable[bytes]]] = [("name", [_raw(entry.path)])]
        if isinstance(entry, Symlink):
            texts.append(("target", [_raw(entry.target)]))
        if isinstance(entry, File):
            texts.append(("content", tar.read(entry.content)))
        for where, blocks in texts:
            found = {(pattern.secret, pattern.form): None for pattern in _search(blocks, patterns)}
            hits += [Hit(entry.path, where, secret, form) for secret, form in found]
    return hits


def _search(blocks: Iterable[bytes], patterns: list[_Pattern]) -> Iterator[_Pattern]:
    left, tail = patterns, b""
    longest = max(len(pattern.data) for pattern in patterns)
    for block in blocks:
        view = tail + block.translate(None, _BREAKS)
        found = [pattern for pattern in left if pattern.data in view]
        if found:
            yield from found
            left = [pattern for pattern in left if pattern not in found]
        tail = view[1 - longest :]


class OutputRedactor:
    """Shows what programs print, without secrets. What may be the beginning of one waits for what comes next."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._patterns = [pattern.data for secret in secrets for pattern in _patterns("", secret)]
        self._held = b""
        self._before = b""

    def feed(self, data: bytes) -> bytes:
        """Give what can be shown now that `data` was printed."""
        return self._shown(self._held + data, ended=False)

    def end(self) -> bytes:
        """Give the rest: nothing comes any more."""
        return self._shown(self._held, ended=True)

    def _shown(self, held: bytes, *, ended: bool) -> bytes:
        breaks = [found.start() - number for number, found in enumerate(_BREAK.finditer(held))]
        view = self._before + held.translate(None, _BREAKS)
        skipped = len(self._before)

        def place(index: int) -> int:
            """Where in `held` the byte of `view` is."""
            return max(index - skipped, 0) + bisect_right(breaks, index - skipped)

        hits = _merged(_all(view, self._patterns))
        cut = len(view) if ended else self._beginning(view)
        if len(view) - cut <= _SHOWN and held[-1:] in (b"\r", b"\n"):
            cut = len(view)
        cut = max([cut, *(end for start, end in hits if start < cut)])
        end = len(held) if cut == len(view) else place(cut)
        shown, at = [], 0
        for start, stop in hits:
            if start < cut:
                shown += [held[at : place(start)], HIDDEN.encode()]
                at = place(stop - 1) + 1
        shown.append(held[at:end])
        self._held, self._before = held[end:], view[:cut][-_SHOWN:]
        return b"".join(shown)

    def _beginning(self, view: bytes) -> int:
        """Find where in `view` the first secret begins that may go on after it."""
        first = len(view)
        for pattern in self._patterns:
            at = view.find(pattern[:1], max(0, len(view) - len(pattern) + 1))
            while -1 < at < first and not pattern.startswith(view[at:]):
                at = view.find(pattern[:1], at + 1)
            first = at if -1 < at < first else first
        return first


def without_secrets(text: str, secrets: Iterable[bytes]) -> str:
    """Write a name that a program gave to a file, which may be any bytes, without secrets."""
    redactor = OutputRedactor(secrets)
    return (redactor.feed(_raw(text)) + redactor.end()).decode("utf-8", "replace")


def _all(view: bytes, patterns: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    for pattern in patterns:
        at = view.find(pattern)
        while at != -1:
            yield at, at + len(pattern)
            at = view.find(pattern, at + 1)


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _patterns(name: str, secret: bytes) -> Iterator[_Pattern]:
    if not is_searched(secret):
        return
    secret = secret.strip()
    text = secret.decode("utf-8", "surrogateescape")
    percent = quote(secret, safe="")
    forms: dict[bytes, Form] = {
        secret: "as it is",
        json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape"): "as it is",
    }
    for written in (percent, re.sub("%..", lambda found: found[0].lower(), percent), quote(secret), quote_plus(secret)):
        forms.setdefault(written.encode(), "percent-encoded")
    for inside in inside_base64(secret):
        forms.setdefault(inside.encode(), "in base64")
    for data, form in forms.items():
        if len(bare := data.translate(None, _BREAKS)) >= LEAST:
            yield _Pattern(name, form, bare)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
