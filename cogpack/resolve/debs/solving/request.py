"""What users ask for: "name", "name=version" and "name/suite" as apt-get reads them, or "name>=version"."""

import re
from fnmatch import fnmatchcase

import msgspec

from cogpack.debian_version import version_key

_REQUEST = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?:(?P<sign>>?=)(?P<version>[0-9A-Za-z.+:~*?-]+)|/(?P<suite>[a-z][a-z0-9-]*))?",
    re.ASCII,
)


class Request(msgspec.Struct, frozen=True):
    """Asks for a package, perhaps of a version or suite. `sign`: "=", with `*` and `?` in the version for others, or
    ">="."""

    name: str
    sign: str = ""
    version: str = ""
    suite: str = ""

    @property
    def is_any(self) -> bool:
        return not self.version and not self.suite

    def allows(self, version: str) -> bool:
        if self.sign == ">=":
            return version_key(version) >= version_key(self.version)
        if set(self.version) & set("*?"):
            return fnmatchcase(version, self.version)
        return not self.version or version_key(version) == version_key(self.version)


def is_request(text: str) -> bool:
    return _REQUEST.fullmatch(text) is not None


def parse_request(text: str) -> Request:
    matched = _REQUEST.fullmatch(text)
    if matched is None:
        return Request(text)
    return Request(matched["name"], matched["sign"] or "", matched["version"] or "", matched["suite"] or "")
