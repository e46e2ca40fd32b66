"""Where a login is kept: where Docker would keep it, so that each finds what the other stored.

The file is `REGISTRY_AUTH_FILE` if set, else Docker's config.json. Whatever else is in it stays as it is.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cogpack.disk import write_whole, writing
from cogpack.errors import InputError
from cogpack.home import absolute
from cogpack.registry.credentials.files import FILE_LIMIT, Document, docker_config, normal_key
from cogpack.registry.credentials.helpers import Helper, key
from cogpack.registry.credentials.login import Secret

_Members = dict[str, msgspec.Raw]


class Keeper:
    """One credentials file and the helpers that it names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._podman = environment.get("REGISTRY_AUTH_FILE")
        self._path = Path(self._podman) if self._podman else docker_config(environment)

    def store(self, host: str, user: str, secret: Secret) -> str:
        """Returns where it is now. Raises `InputError` for a file that can't be read, `DeniedError` from a helper."""
        members, document = self._read()
        if helper := self._helper(document, host):
            helper.store(host, user, secret)
            entry: dict[str, str] = {}  # Docker's mark: somebody is logged in there
        else:
            entry = {"auth": base64.b64encode(f"{user}:{secret.reveal()}".encode()).decode()}
        # Whatever it was kept as before: an older entry under another of its names would go before this one.
        auths = {name: kept for name, kept in self._auths(members).items() if normal_key(name) != host}
        auths[host if self._podman else key(host)] = msgspec.Raw(msgspec.json.encode(entry))
        self._write(members, auths)
        return helper.program if helper else str(self._path)

    def erase(self, host: str) -> bool:
        """Was there anything?"""
        members, document = self._read()
        helper = self._helper(document, host)
        known = helper is not None and helper.get(host) is not None
        if helper and known:
            helper.erase(host)
        auths = self._auths(members)
        spelled = [name for name in auths if normal_key(name) == host]
        for name in spelled:
            del auths[name]
        if spelled:
            self._write(members, auths)
        return known or bool(spelled)

    def _helper(self, document: Document, host: str) -> Helper | None:
        name = document.helper_for(host) or document.credsStore
        return Helper(name, self._environment) if name else None

    def _read(self) -> tuple[_Members, Document]:
        try:
            with self._path.open("rb") as stream:
                data = stream.read(FILE_LIMIT + 1)
        except FileNotFoundError:
            return {}, Document()
        except OSError as error:
            raise self._unfit(error.strerror or "can't be read") from None
        if len(data) > FILE_LIMIT:
            raise self._unfit(f"more than {FILE_LIMIT} bytes")
        if not data.strip():
            return {}, Document()
        try:
            return msgspec.json.decode(data, type=_Members), msgspec.json.decode(data, type=Document)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._unfit("not the JSON of a Docker config") from None

    def _auths(self, members: _Members) -> _Members:
        return msgspec.json.decode(members.get("auths", b"null"), type=_Members | None) or {}

    def _write(self, members: _Members, auths: _Members) -> None:
        """The whole file at once, for the owner only. A link stays one: what it leads to is replaced."""
        data = msgspec.json.format(msgspec.json.encode(members | {"auths": auths}), indent=4) + b"\n"
        target = Path(os.path.realpath(absolute(self._path)))
        with writing(self._path):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(target, [data], mode=0o600)

    def _unfit(self, why: str) -> InputError:
        return InputError(f"{self._path}: {why}", next_step="correct the file, or name another by $DOCKER_CONFIG")
