"""`cogpack doctor` says what this machine lets cogpack do, and where it was told to look for things."""

import platform
import re
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from cogpack import __version__
from cogpack.commands.checks import check_project, check_registry, check_room
from cogpack.commands.results import Check
from cogpack.depot import VARIABLE as DEPOT
from cogpack.errors import InputError
from cogpack.http.proxies import Proxies, Proxy
from cogpack.machine import VARIABLE as MACHINE
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.interpreter import LIST, MIRROR
from cogpack.resolve.wheels.indexes import BESIDE, MAIN, PLACES
from cogpack.sandbox.rungs import emulation
from cogpack.sandbox.rungs.choice import Findings, Rung, choose, probe
from cogpack.session import Session

_ADDRESS = re.compile(
    r"((?:(?:[\w.-]+=)?[A-Za-z][\w+.-]*://)?)"
    r"((?:(?!,[A-Za-z][\w+.-]*://)\S)+)"
)
"""One of several, in two: its name and scheme, and the rest. A comma may be a password's, or stand between two."""


class DiagnosedRung(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of one way to run commands over the files of an image. `refused`: the call that this machine refuses, None
    where it works; `helps`: what would change that; `left_open`: what commands are not kept from."""

    name: str
    refused: str | None
    helps: str | None
    left_open: str


class DiagnosedSetting(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a setting of this machine, without secrets. `source`: the variable or file that says it."""

    name: str
    value: str
    source: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `isolation`: the rung that is taken where none is asked for, None where none works; `arm64`:
    how commands of linux/arm64 are run, in words; `checks`: of this machine's room, the project and the registry."""

    version: str
    python: str
    platform: str
    isolation: str | None
    arm64: str
    rungs: tuple[DiagnosedRung, ...]
    settings: tuple[DiagnosedSetting, ...]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        return any(check.verdict == "failed" for check in self.checks)


def doctor(session: Session, target: str | None = None, *, fix: bool = False) -> Diagnosis:
    """Ask the kernel about the ways to run commands of an image, gather what is set, and look at the project, where
    there is one.

    `target`: HOST/NAME, a registry that is asked whether that may be pushed to; no other server is asked. `fix`: what
    is old in cog.yaml is written anew.
    """
    place = session.cache / "trees"
    session.kept.used(place)
    findings = probe(place)
    try:
        taken: str | None = choose("auto", findings, owners=True)
    except InputError:
        taken = None
    refusals = {rung: findings.refusal(rung, owners=True) for rung in Rung}
    fault = _fault_of_url_map(session)
    checks = [check_room(session), *_told(check_project(session, isolation=taken, fix=fix, asking=bool(target)), fault)]
    if target is not None:
        checks += _told(check_registry(session, target), fault)
    if fault is not None:
        checks.append(Check(name="url map", verdict="failed", said=fault.message, next_step=fault.next_step))
    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        isolation=taken,
        arm64=_arm64(findings),
        rungs=tuple(
            DiagnosedRung(
                name=rung,
                refused=str(refused) if refused else None,
                helps=refused.help if refused else None,
                left_open=rung.left_open,
            )
            for rung, refused in refusals.items()
        ),
        settings=tuple(_settings(session)),
        checks=tuple(checks),
    )


def _fault_of_url_map(session: Session) -> InputError | None:
    """Give what is wrong with it, for which no server can be asked."""
    try:
        session.http  # noqa: B018 - made here
    except InputError as error:
        return error
    return None


def _told(checks: Iterator[Check], fault: InputError | None) -> Iterator[Check]:
    """Give `checks` up to the one that asks a server, if there is a `fault` for which none can be."""
    try:
        yield from checks
    except InputError as error:
        if fault is None or error.message != fault.message:
            raise


def _arm64(findings: Findings) -> str:
    if emulation.is_native("arm64"):
        return "as others are"
    refusal = findings.refusal(Rung.USERNS, owners=True) or findings.emulation
    if refusal is None:
        return "emulated, in userns"
    return f"refused: {refusal}; helps: {refusal.help}"


def _without_secrets(value: str) -> str:
    """Take logins and queries out of addresses. A login ends with the last @: people write passwords as they are."""

    def shown(found: re.Match[str]) -> str:
        before, rest = found.groups()
        place, *query = re.split(r"[?#]", rest, maxsplit=1)
        if query and "@" in query[0] and _may_be_login(place):
            return f"{before}..."
        login, sign, after = place.rpartition("@")
        return before + (after if sign and _may_be_login(login) else place) + ("?..." if query else "")

    return _ADDRESS.sub(shown, value)


def _may_be_login(text: str) -> bool:
    """Tell it from a path, as of /srv/wheels@2."""
    return ":" in text or "/" not in text


def _settings(session: Session) -> Iterator[DiagnosedSetting]:
    environment, machine = session.environment, session.machine

    def source(variable: str, otherwise: str) -> str:
        """Say who sets `variable`: the environment, else the machine's file, which stands in for it, else nobody."""
        if session.settings.environment.get(variable):
            return variable
        return machine.name if environment.get(variable) else otherwise

    def told(name: str, value: str, source: str) -> DiagnosedSetting:
        return DiagnosedSetting(name=name, value=value, source=source)

    if machine.name:
        yield told("machine's file", machine.name, source(MACHINE, "its usual place"))
    yield told("cache", str(session.cache), source("COGPACK_CACHE_DIR", "its usual place"))
    with suppress(InputError):  # a row of its own tells of it
        url_map = session.http.url_map
        yield from (told("url map", str(rule), url_map.where) for rule in url_map.rules)
    written = environment.get("COGPACK_REGISTRY_MIRROR", "")
    for entry in session.settings.registry_mirrors or written.replace(",", " ").split():
        option = "--registry-mirror" if session.settings.registry_mirrors else source("COGPACK_REGISTRY_MIRROR", "")
        yield told("registry mirror", entry, option)
    mirror = DebianMirror.choose(None, environment)
    for url in (mirror.main, mirror.security):
        yield told("Debian mirror", url, source("COGPACK_DEBIAN_MIRROR", "this machine's apt, or Debian's own"))
    for name, variable in (("mirror of interpreters", MIRROR), ("list of interpreters", LIST)):
        if place := environment.get(variable):
            yield told(name, _without_secrets(place), source(variable, ""))
    if depot := environment.get(DEPOT):
        yield told("depot", _without_secrets(depot), source(DEPOT, ""))
    named = {name: _without_secrets(value) for name, value in environment.items()}
    main = next((name for name in MAIN if named.get(name)), "")
    yield told("package index", named.get(main, "uv's own, PyPI"), source(main, "nobody names another"))
    for kind, names in (("index beside it", BESIDE), ("wheels beside it", PLACES)):
        yield from (told(kind, named[name], source(name, "")) for name in names if named.get(name))
    proxies = Proxies.from_environment(environment)
    for scheme, proxy in (("https", proxies.https), ("http", proxies.http)):
        if proxy:
            said = proxy.url if isinstance(proxy, Proxy) else proxy.message
            yield told(f"proxy for {scheme}", said, "the environment")
    if environment.get("COG_CA_CERT"):
        yield told("authorities", "more than the system's", source("COG_CA_CERT", ""))
