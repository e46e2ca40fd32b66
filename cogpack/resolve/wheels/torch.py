"""Which builds of torch are taken follows from cog.yaml and the requirements, never from what a server answers.

PyTorch has an index for each device beside the one that serves all packages. Only torch and its like come from there:
such an index has others, too, and old ones.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cogpack.config import Config
from cogpack.config.model import PLAIN_TORCH_INDEX, TORCH_INDEX
from cogpack.notes import Code, Note
from cogpack.requirements.model import RequirementLine, Requirements, anonymous

_HOST = "download.pytorch.org"

BUILT = frozenset({"torch", "torchvision", "torchaudio"})
"""What is built for each device, and does not work beside a torch of another one."""
_HOSTED = BUILT | {"torchtext", "torchao", "torchcodec", "torchrec", "torch-tensorrt", "xformers", "fbgemm-gpu"}
"""What has such builds among others, so that only a version says which is meant."""

_PINNED = re.compile(r"(?<![=!<>~])==\s*([0-9][0-9.]*?)(?:\.\*)?(?:\+[\w.]+)?(?=\s*(?:[,;)]|$))")
_LOCAL = re.compile(rf"\+({TORCH_INDEX.pattern})(?![\w.])")
_NIGHTLY = re.compile(r"[=>]\s*[0-9.]+\.?dev[0-9]")
_LABELLED = re.compile(rf"/whl/({TORCH_INDEX.pattern})(?:/(?:torch_)?stable\.html)?/?")
_LASTING = re.compile(r"/whl/(?:rocm[0-9.]+|xpu)(?:/.*)?")
_UNLABELLED = re.compile(r"/whl(?:/(?:torch_)?stable\.html)?/?")

_BUILDS: tuple[tuple[str, str, str], ...] = (
    ("1.11.0", "10.2", "10.2 11.3"),
    ("1.12.0 1.12.1", "10.2", "10.2 11.3 11.6"),
    ("1.13.0 1.13.1", "11.7", "11.6 11.7"),
    ("2.0.0 2.0.1", "11.7", "11.7 11.8"),
    ("2.1.0 2.1.1 2.1.2 2.2.0 2.2.1 2.2.2 2.3.0 2.3.1", "12.1", "11.8 12.1"),
    ("2.4.0 2.4.1", "12.1", "11.8 12.1 12.4"),
    ("2.5.0 2.5.1", "12.4", "11.8 12.1 12.4"),
    ("2.6.0", "12.4", "11.8 12.4 12.6"),
    ("2.7.0 2.7.1", "12.6", "11.8 12.6 12.8"),
    ("2.8.0", "12.8", "12.6 12.8 12.9"),
    ("2.9.0 2.9.1 2.10.0", "12.8", "12.6 12.8 13.0"),
    ("2.11.0", "13.0", "12.6 12.8 12.9 13.0"),
)
"""Releases, the CUDA of the build that PyPI has for x86_64, and all that there are builds for: Cog's matrix as of
2026-08-21 (pkg/config/torch_compatibility_matrix.json), and what PyPI's wheels require, read 2026-11-29."""

_PYTHONS: tuple[tuple[tuple[int, int], range], ...] = (
    ((2, 9), range(10, 15)),
    ((2, 5), range(9, 14)),
    ((2, 2), range(8, 13)),
    ((1, 13), range(8, 12)),
    ((1, 11), range(8, 11)),
)
"""Minor versions of Python 3 that releases have wheels for since one (PyPI, read 2026-11-30)."""

_FIRST_CUDA_ON_ARM = (2, 11)
"""The first release whose build for aarch64 on PyPI is one for CUDA."""


class TorchIndex(msgspec.Struct, frozen=True):
    """Is one of PyTorch's indexes, by its name there."""

    name: str

    @classmethod
    def named(cls, name: str | None) -> "TorchIndex | None":
        """Give the index that a lock calls so; None where that is no index of PyTorch's."""
        return cls(name) if name and name != PLAIN_TORCH_INDEX else None

    @property
    def address(self) -> str:
        return f"https://{_HOST}/whl/{self.name}"

    def names(self, lines: Iterable[str], environment: Mapping[str, str]) -> list[str]:
        """Give the names of what comes from here, of requirements as uv reads them."""
        found: set[str] = set()
        for line in lines:
            try:
                requirement = Requirement(line.partition(" --hash=")[0])
            except InvalidRequirement:
                continue
            if requirement.url or (requirement.marker and not requirement.marker.evaluate(dict(environment))):
                continue
            name = canonicalize_name(requirement.name)
            if name in BUILT or (name in _HOSTED and self.name in _LOCAL.findall(str(requirement.specifier))):
                found.add(name)
        return sorted(found)


class TorchChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Says where torch and its like come from. `index`: as the lock names it, None where there are only files, and no
    index, or one of nightly builds, which stays among the others; `requirements`: without what that decides; `named`:
    they had an index of PyTorch's; `notes`: of versions that were written for another build."""

    index: str | None
    requirements: Requirements
    named: bool
    notes: tuple[Note, ...] = ()


def choose_torch(config: Config, requirements: Requirements, arch: str) -> TorchChoice:
    """Choose by the first of these: `cogpack.torch_index`; what no index is for (`--no-index`, hashes); nightly builds;
    CPU, where there is no `gpu`; the build that a version is written with; the index that the requirements name;
    `build.cuda`."""
    named = tuple(filter(None, map(_label, _addresses(requirements))))
    own = [line for line in (*requirements.required, *requirements.constrained) if line.name in _HOSTED]
    torch_first = sorted(own, key=lambda line: line.name != "torch")
    written = [found[1] for line in torch_first if (found := _local(line))]
    index, why = _index(config, requirements, own, written, named, arch)
    notes = tuple(_restated(own, index, why))
    bare = without_torch_indexes(requirements)
    bare = msgspec.structs.replace(
        bare,
        required=tuple(_without_local(line, index) for line in bare.required),
        constrained=tuple(_without_local(line, index) for line in bare.constrained),
    )
    return TorchChoice(index=index, requirements=bare, named=bare.options != requirements.options, notes=notes)


def without_torch_indexes(requirements: Requirements) -> Requirements:
    """Leave out PyTorch's indexes, but those that are of no build: of these, torch comes by the choice alone."""
    options = requirements.options
    kept = msgspec.structs.replace(
        options,
        index_url=None if options.index_url and _is_known(options.index_url) else options.index_url,
        extra_index_urls=tuple(url for url in options.extra_index_urls if not _is_known(url)),
        find_links=tuple(url for url in options.find_links if not _is_known(url)),
    )
    return msgspec.structs.replace(requirements, options=kept)


def passing_notes(requirements: Requirements) -> Iterator[Note]:
    """Give a note of each index of PyTorch's from which files vanish."""
    for url in dict.fromkeys(_addresses(requirements)):
        if (path := _path(url)) and not _is_known(url) and not _LASTING.fullmatch(path):
            text = (
                f"{anonymous(url)}: such wheels are deleted after a time; cogpack fetch -o DIR keeps those of the lock"
            )
            yield Note(Code.PASSING_INDEX, text)


def _index(
    config: Config,
    requirements: Requirements,
    own: list[RequirementLine],
    written: list[str],
    named: tuple[str, ...],
    arch: str,
) -> tuple[str | None, str]:
    """Give the index, and what decided."""
    if config.pack.torch_index:
        return config.pack.torch_index, config.where("cogpack.torch_index")
    if requirements.options.no_index or any(line.hashes for line in own):
        return (written or [PLAIN_TORCH_INDEX])[0] if own and not requirements.options.no_index else None, ""
    if _is_nightly(requirements, own):
        return None, ""
    version = next((found for line in own if line.name == "torch" and (found := _version(line))), None)
    if not config.gpu:
        if arch == "arm64" and version and _numbers(version) < _FIRST_CUDA_ON_ARM and not (written or named):
            return PLAIN_TORCH_INDEX, "what PyPI has for arm64 is for CPU"
        return "cpu", "build.gpu is not true"
    if written:
        return written[0], ""
    if named:
        return named[0], "the requirements name that index"
    if config.cuda and version:
        return _by_cuda(version, config.cuda), config.where("build.cuda")
    return PLAIN_TORCH_INDEX, ""


def _is_nightly(requirements: Requirements, own: list[RequirementLine]) -> bool:
    """Tell whether torch is to come from an index of PyTorch's that is of no release: such a build is named, or any
    pre-release will do."""
    named = any(_path(url) and not _is_known(url) for url in _addresses(requirements))
    return named and (requirements.options.pre or any(_NIGHTLY.search(line.text) for line in own))


def _by_cuda(version: str, asked: str) -> str:
    """Choose as Cog does: the highest CUDA that is not above the one asked for; PyPI where its build has just that, or
    there is none."""
    for releases, plain, builds in reversed(_BUILDS):
        if any(f"{release}.".startswith(f"{version}.") for release in releases.split()):
            fitting = [build for build in builds.split() if _numbers(build) <= _numbers(asked)[:2]]
            chosen = max(fitting, key=_numbers, default=plain)
            return PLAIN_TORCH_INDEX if chosen == plain else f"cu{chosen.replace('.', '')}"
    return PLAIN_TORCH_INDEX


def newest_for(asked: str, python: str, arch: str) -> tuple[str, str] | None:
    """Give the newest release that this Python ("3.12") can have for this CUDA, or else for an older one of its
    generation, and that CUDA. For arm64 it is not known."""
    wanted, (_, minor) = _numbers(asked)[:2], _numbers(python)
    for releases, _, builds in reversed(_BUILDS if arch == "amd64" else ()):
        known = [build for build in builds.split() if _numbers(build)[0] == wanted[0]]
        fitting = [build for build in known if _numbers(build) <= wanted]
        had = [release for release in releases.split() if minor in _pythons(release)]
        if fitting and had:
            return had[-1], max(fitting, key=_numbers)
    return None


def _pythons(release: str) -> range:
    return next(minors for since, minors in _PYTHONS if _numbers(release)[:2] >= since)


def _restated(own: Iterable[RequirementLine], index: str | None, why: str) -> Iterator[Note]:
    for line in own:
        if index and (found := _local(line)) and found[1] != index:
            text = f"{line.text.partition(' ;')[0]} is taken from the index {index}"
            yield Note(Code.TORCH_INDEX, f"{line.path}:{line.line}: {text}" + (f": {why}" if why else ""))


def _without_local(line: RequirementLine, index: str | None) -> RequirementLine:
    found = _local(line)
    if index is None or not found or found[1] == index:
        return line
    return msgspec.structs.replace(line, text=_LOCAL.sub("", line.text))


def _local(line: RequirementLine) -> re.Match[str] | None:
    return None if line.url or line.name not in _HOSTED else _LOCAL.search(line.text)


def _version(line: RequirementLine) -> str | None:
    found = None if line.url else _PINNED.search(line.text.partition(";")[0])
    return found[1] if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _addresses(requirements: Requirements) -> list[str]:
    options = requirements.options
    found = ([options.index_url] if options.index_url else [], options.extra_index_urls, options.find_links)
    return [url for urls in found for url in urls]


def _path(url: str) -> str:
    """Give the path of an address of PyTorch's; "" of others."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.path if parts.scheme in ("http", "https") and parts.hostname == _HOST else ""


def _label(url: str) -> str | None:
    found = _LABELLED.fullmatch(_path(url))
    return found[1] if found else None


def _is_known(url: str) -> bool:
    return bool(_LABELLED.fullmatch(path := _path(url)) or _UNLABELLED.fullmatch(path))
