"""What of a lock is told to everybody who may have the image.

An address stays where its host is one that all the world asks, or where the image's own text has it (cog.yaml and its
label, requirements): nobody learns of it here. Users and passwords go in any case, and queries that may be tokens; so
does what this process knows to be secret. Names, versions, sizes and hashes stay.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cogpack.config.config_label import config_label
from cogpack.errors import InputError
from cogpack.images.assemble import inherited_config
from cogpack.lockfile import NO_ADDRESS, NO_HOST, AttachedLock, Lock
from cogpack.oci import encode, read_config
from cogpack.project import Project
from cogpack.redaction import has_secret, redact
from cogpack.reference import Reference
from cogpack.resolve.wheels.elsewhere import is_public

_HOSTS = frozenset(
    (
        *("pypi.org", "files.pythonhosted.org", "download.pytorch.org", "pypi.nvidia.com"),
        *("github.com", "raw.githubusercontent.com", "codeload.github.com", "gitlab.com", "huggingface.co"),
        *("deb.debian.org", "security.debian.org", "snapshot.debian.org", "archive.debian.org"),
        *("archive.ubuntu.com", "security.ubuntu.com", "ports.ubuntu.com", "developer.download.nvidia.com"),
    )
)
"""Those whose addresses tell of nobody. What is not listed is private: a name in a path can be a token, too."""
_REGISTRIES = frozenset(
    (
        *("docker.io", "ghcr.io", "quay.io", "nvcr.io", "gcr.io", "public.ecr.aws", "mcr.microsoft.com"),
        *("registry.k8s.io", "registry.gitlab.com", "r8.im"),
    )
)
_ADDRESSES = frozenset({"url", "uri", "address", "archive"})
"""Keys of the lock that have an address and nothing else."""
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>\\]+")


def attached_lock(lock: Lock, *, told: str) -> AttachedLock:
    """Take out of `lock` what is not for everybody, and its results, which the image's manifest tells. `told`: all text
    that the image has."""
    lock = lock.without_results
    text = msgspec.json.encode(lock).decode()
    if "//" not in text and '"kind":"registry"' not in text and redact(text) == text:
        return AttachedLock(lock=lock, removed=0)  # as most are
    left = _Left(told, redact if redact(text) != text else str)
    document = left.value("", msgspec.to_builtins(lock))
    try:
        return AttachedLock(lock=msgspec.convert(document, Lock), removed=left.count)
    except (msgspec.ValidationError, InputError) as error:  # a name of it had to be hidden, and is none any more
        key = str(error).rpartition(" - at ")[2].strip("`") if isinstance(error, msgspec.ValidationError) else ""
        raise InputError(
            f"the lock: {key or 'a name'}: expected what everybody may read, found the value of a variable, or a "
            "password, that is taken for a secret",
            next_step="run it without the variable of the environment that has this value, or call that otherwise",
        ) from None


def told_by(project: Project) -> str:
    """Give what the image of a project says of addresses: its label, and the files that the lock is made from, where
    these are in the image."""
    texts = [config_label(project.config)]
    for name in dict.fromkeys((project.config_path.name, *project.inputs())):
        if not name.endswith((".whl", "/")):
            with suppress(InputError):
                texts.append((project.read(name) or b"").decode(errors="replace"))
    return "\n".join(texts)


class _Left:
    """Walks over a lock. `hide`: takes secrets out of a text; `count`: of what was removed, each once."""

    def __init__(self, told: str, hide: Callable[[str], str]) -> None:
        self._told = told
        self._hide = hide
        self._places: dict[str, str] = {}
        self._changed: set[str] = set()

    @property
    def count(self) -> int:
        return len(self._changed)

    def value(self, key: str, found: Any) -> Any:
        """Give what may stay of a value that stands under `key`."""
        if isinstance(found, str):
            return self._text(key, found)
        if isinstance(found, list | tuple):
            return [self.value(key, item) for item in found]
        if not isinstance(found, dict):
            return found
        if found.get("kind") == "registry" and "config" in found:
            return self._base(found)
        return {self._text("", name): self.value(name, item) for name, item in found.items()}

    def _text(self, key: str, text: str) -> str:
        if key in _ADDRESSES and "/" in text:
            return self._address(text)
        if "://" in text:
            text = _IN_TEXT.sub(lambda match: self._address(match[0]), text)
        return self._shown(text)

    def _address(self, address: str) -> str:
        if address in self._told and not has_secret(address):
            return self._shown(address)
        bare = _bare(address)
        if bare is None or not (bare in self._told or _is_known(bare)):
            bare = self._places.setdefault(address, f"{NO_ADDRESS}{len(self._places) + 1}")
        if bare != address:
            self._changed.add(address)
        return self._shown(bare)

    def _shown(self, text: str) -> str:
        if (shown := self._hide(text)) != text:
            self._changed.add(text)
        return shown

    def _base(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Keep of a base's config what the image has, so nothing is told by it; and its name, if that may be."""
        name, config = base["reference"], read_config(base["config"].encode(), dict, where="the base's config")
        kept = {key: self.value(key, item) for key, item in base.items() if key not in ("reference", "config")}
        kept["config"] = encode(inherited_config(config, len(base["layers"]))).decode()
        if Reference.parse(name).registry not in _REGISTRIES and name not in self._told:
            self._changed.add(name)
            name = f"{NO_HOST}/base"
        return {key: name if key == "reference" else kept[key] for key in base}


def _bare(address: str) -> str | None:
    """Take user, query and fragment off; None of what is no address."""
    try:
        found = urlsplit(address)
        readable = bool(found.hostname and found.scheme) and found.port != 0  # which looks at it
    except ValueError:
        return None
    if not readable:
        return None
    user = "git@" if found.scheme.endswith("ssh") and found.username == "git" and not found.password else ""
    return f"{found.scheme}://{user}{found.netloc.rpartition('@')[2]}{found.path}"


def _is_known(address: str) -> bool:
    """Tell whether all the world may ask there."""
    found = urlsplit(address)
    return found.scheme == "hf" or (found.port is None and (found.hostname in _HOSTS or is_public(address)))
