"""Packages of two images are compared: wheels as `pip freeze` names them, Debian's as dpkg does."""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:==\s*(\S+)|@\s*(\S+))")

Kind = Literal["debian", "python"]


class ComparedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a package that is not the same in both. `before` and `after`: versions, None where it is not there."""

    kind: Kind
    name: str
    before: str | None
    after: str | None


def compare_packages(kind: Kind, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ComparedPackage, ...]:
    return tuple(
        ComparedPackage(kind=kind, name=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def frozen_packages(text: str) -> dict[str, str]:
    """Read what `pip freeze` wrote: versions by name, or the address of what has none."""
    found = (_PIN.match(line.strip()) for line in text.splitlines())
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] or pin[3] for pin in found if pin}


def dpkg_packages(text: str) -> dict[str, str]:
    """Read dpkg's status file (deb-control(5)): versions of what is installed, by name."""
    found: dict[str, str] = {}
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = dict(re.findall(r"^(Package|Version|Status):[ \t]*(.*)$", stanza, re.MULTILINE))
        # Where each package has a file of its own, it has no Status.
        if fields.get("Status", "ok installed").split()[-1:] == ["installed"] and "Version" in fields:
            found[fields.get("Package", "").rstrip()] = fields["Version"].rstrip()
    return found
