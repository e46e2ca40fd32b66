"""What a lock has in an image: packages of Debian, wheels, the interpreter, fetched files, clones, files of the hub.

Each has a package URL (package-url/purl-spec). What commands of `build.run` leave is told as far as they installed
distributions of Python; of all else the layer alone is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlsplit

import msgspec

from cogpack.lockfile import NO_HOST, Decisions, Lock, LockedWheel, RemoteWeight
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb, RegistryBase
from cogpack.reference import Reference
from cogpack.text import utc


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Is one thing in an image. `purl`: its package URL; `sha256`: of the file that it came in, hex, "" where that is
    not one; `url`: where that is, "" where an index is asked for it, or that is not for everybody."""

    name: str
    version: str = ""
    purl: str
    sha256: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        if NO_HOST in self.url:
            msgspec.structs.force_setattr(self, "url", "")


def parts_of(lock: Lock) -> tuple[Part, ...]:
    """List all that is decided, for each platform that `lock` has, by its package URL."""
    found: dict[str, Part] = {}
    for decisions in lock.platforms.values():
        parts = (*_base(decisions), *_python(decisions), *_files(decisions, lock.weights), *_steps(decisions))
        found |= {part.purl: part for part in parts}
    return tuple(found[purl] for purl in sorted(found))


def created_of(lock: Lock) -> str:
    """Tell the time that the lock gives its images."""
    return utc(max((one.created or 0 for one in lock.platforms.values()), default=0))


def contents_text(name: str, parts: Sequence[Part]) -> str:
    """Write all that tells an image apart, from which documents take their names: the same parts, the same names."""
    return "\n".join([name, *(f"{part.purl} {part.sha256}" for part in parts)])


def _base(decisions: Decisions) -> Iterator[Part]:
    match decisions.base:
        case DebianBase() as base:
            for deb in base.installed:
                yield _deb(deb, base.suite)
        case RegistryBase() as base:
            named = Reference.parse(base.reference)
            name = named.repository.rpartition("/")[2]
            where = {"repository_url": f"{named.registry}/{named.repository}"}
            purl = _purl("oci", name, base.digest, where)
            yield Part(name=name, version=base.digest, purl=purl, sha256=base.digest.removeprefix("sha256:"))
            for deb in base.system_packages.packages:
                yield _deb(deb, next((one.suite for one in base.system_packages.releases), ""))


def _deb(deb: LockedDeb, suite: str) -> Part:
    where = {"repository_url": deb.archive} if deb.is_foreign else {"distro": suite} if suite else {}
    name = deb.name if deb.is_foreign else f"debian/{deb.name}"
    return Part(
        name=deb.name,
        version=deb.version,
        purl=_purl("deb", name, deb.version, {"arch": deb.arch} | where),
        sha256=deb.sha256,
    )


def _python(decisions: Decisions) -> Iterator[Part]:
    if found := decisions.interpreter:
        where = {"download_url": found.url, "checksum": f"sha256:{found.sha256}"}
        purl = _purl("generic", "cpython", found.version, where)
        yield Part(name="cpython", version=found.version, purl=purl, sha256=found.sha256, url=found.url)
    later = {one.name: one.version for one in (decisions.steps.distributions if decisions.steps else ())}
    for wheel in decisions.wheels:
        if wheel.name not in later:
            yield _wheel(wheel)
    for name, version in later.items():
        if version is not None:
            yield Part(name=name, version=version, purl=_purl("pypi", name, version))


def _wheel(wheel: LockedWheel) -> Part:
    purl = _purl("pypi", wheel.name, wheel.version, {"file_name": wheel.filename})
    return Part(name=wheel.name, version=wheel.version, purl=purl, sha256=wheel.sha256, url=wheel.url or "")


def _files(decisions: Decisions, weights: tuple[RemoteWeight, ...]) -> Iterator[Part]:
    for fetch in decisions.fetches:
        name = urlsplit(fetch.url).path.rpartition("/")[2] or urlsplit(fetch.url).netloc
        purl = _purl("generic", name, "", {"download_url": fetch.url, "checksum": f"sha256:{fetch.sha256}"})
        yield Part(name=name, purl=purl, sha256=fetch.sha256, url=fetch.url)
    for clone in decisions.clones:
        name = urlsplit(clone.url).path.rpartition("/")[2].removesuffix(".git")
        purl = _purl("generic", name, clone.commit, {"vcs_url": f"git+{clone.url}@{clone.commit}"})
        yield Part(name=name, version=clone.commit, purl=purl, url=clone.url)
    for file in decisions.hub_files:
        yield Part(name=file.repository, version=file.commit, purl=_purl("huggingface", file.repository, file.commit))
    for weight in weights:
        if weight.uri.startswith("hf://") and weight.revision:
            name = "/".join(weight.uri.removeprefix("hf://").partition("@")[0].split("/")[:2])
            yield Part(name=name, version=weight.revision, purl=_purl("huggingface", name, weight.revision))
        else:
            name = weight.file.rpartition("/")[2] or weight.path.rpartition("/")[2]
            sha256 = weight.sha256.removeprefix("sha256:")
            purl = _purl("generic", name, "", {"download_url": weight.uri, "checksum": f"sha256:{sha256}"})
            yield Part(name=name, purl=purl, sha256=sha256, url=weight.uri)


def _steps(decisions: Decisions) -> Iterator[Part]:
    """Give layers that commands left, of whose files nobody knows where they are from: the SHA-256 is the diff ID."""
    for layer in decisions.steps.layers if decisions.steps else ():
        if layer.kind != "distribution":
            purl = _purl("generic", "build.run", "", {"checksum": layer.diff_id})
            yield Part(name=f"build.run: {layer.name}", purl=purl, sha256=layer.diff_id.removeprefix("sha256:"))


def _purl(kind: str, name: str, version: str, more: Mapping[str, str] | None = None) -> str:
    """Write a package URL; its qualifiers are sorted, as the specification has them. Nobody is led to addresses that
    were removed."""
    more = {key: value for key, value in (more or {}).items() if NO_HOST not in value}
    written = f"pkg:{kind}/{quote(name, safe='/')}" + (f"@{quote(version, safe=':')}" if version else "")
    qualifiers = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in sorted(more.items()))
    return f"{written}?{qualifiers}" if qualifiers else written
