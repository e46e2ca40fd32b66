"""`cogpack.apt` of a cog.yaml names archives of Debian packages beside Debian's own, as sources.list(5) does."""

import re

from cogpack.config.document import Value
from cogpack.config.model import AptArchive
from cogpack.config.steps import filled, has_host

_URI = re.compile(r"https?://[^\s/@?#]+(?:/[^\s?#]*)?")
_SUITE = re.compile(r"\.?/|[A-Za-z0-9][A-Za-z0-9._+~-]*(?:/[A-Za-z0-9][A-Za-z0-9._+~-]*)*/?", re.ASCII)
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]*", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_EXAMPLE = "such as trixie, or ./ for an archive without suites"


def apt_archives(value: Value) -> tuple[AptArchive, ...]:
    found: dict[tuple[str, str], int] = {}
    archives = []
    for item in value.items():
        archive = _archive(item)
        for suite in archive.suites:
            if (line := found.setdefault((archive.uri, suite), item.spot[0])) != item.spot[0]:
                item.fail(f"{archive.uri} {suite} stands on line {line} already", next_step="keep one of the two")
        archives.append(archive)
    return tuple(archives)


def _archive(value: Value) -> AptArchive:
    fields = value.fields(("uri", "suites", "components", "key", "fingerprint"), strict=True)
    for name in ("uri", "suites", "key"):
        if name not in fields:
            value.fail(f"has no {name}", next_step=f"write {name}: as the archive's own documentation has it")
    suites = _suites(fields["suites"])
    flat = [suite.endswith("/") for suite in suites]
    components = _components(fields["components"]) if "components" in fields else ()
    if components and any(flat):
        fields["components"].fail(
            "stands beside a suite with a slash at its end, which has none (sources.list(5))",
            next_step="leave it out, or write the suite's name without the slash",
        )
    if not components and not all(flat):
        value.fail("has no components", next_step="write components: [main], or what the archive's documentation names")
    fingerprint = _fingerprint(fields["fingerprint"]) if "fingerprint" in fields else None
    if fingerprint is None:
        _check_file(fields["key"])
    return AptArchive(
        uri=_uri(fields["uri"]),
        suites=suites,
        components=components,
        key=filled(fields["key"]),
        fingerprint=fingerprint,
    )


def _uri(value: Value) -> str:
    text = filled(value)
    if not _URI.fullmatch(text) or not has_host(text):
        value.expected("the http or https address of an archive, without a password")
    return text.rstrip("/")


def _suites(value: Value) -> tuple[str, ...]:
    items = value.items()
    if not items:
        value.expected(f"a suite, {_EXAMPLE}")
    for item in items:
        if not _SUITE.fullmatch(item.text()):
            item.expected(f"a suite, {_EXAMPLE}")
    return tuple(dict.fromkeys(item.text() for item in items))


def _components(value: Value) -> tuple[str, ...]:
    for item in value.items():
        if not _COMPONENT.fullmatch(item.text()):
            item.expected("a component, such as main")
    return tuple(dict.fromkeys(value.texts()))


def _fingerprint(value: Value) -> str:
    text = "".join(value.text().split()).lower().removeprefix("0x")
    if not _FINGERPRINT.fullmatch(text):
        value.expected("the fingerprint of an OpenPGP key, 40 hex digits", next_step="write all of it, in quotes")
    return text


def _check_file(key: Value) -> None:
    """Refuse an address without a fingerprint: whoever answers for it would choose what is trusted."""
    text = key.text()
    if "://" in text:
        key.fail(
            "is an address, and no fingerprint stands beside it that its key must have",
            next_step="write fingerprint: as the archive's documentation has it "
            f"(`curl -fsSL {text:.200} | gpg --show-keys` shows that of the key that is there)",
        )
