"""This module reads the words of a path (distribution-spec, "Pulling manifests"): nothing else reaches the disk."""

from cogpack.digest import Digest, parse_digest
from cogpack.errors import InputError
from cogpack.reference import Reference
from cogpack.registry.server.failure import Refusal


def repository_name(text: str) -> str:
    try:
        if Reference.parse(f"localhost/{text}").repository == text:
            return text
    except InputError:
        pass
    raise Refusal(400, "NAME_INVALID", f"{text!r:.300} is not a repository name")


def tag_name(text: str) -> str:
    try:
        if Reference.parse(f"localhost/name:{text}").tag == text:
            return text
    except InputError:
        pass
    raise Refusal(400, "MANIFEST_INVALID", f"{text!r:.300} is not a tag")


def digest_name(text: str) -> Digest:
    try:
        return parse_digest(text, where="digest")
    except InputError as error:
        raise Refusal(400, "DIGEST_INVALID", error.message) from None


def tag_or_digest(text: str) -> str | Digest:
    return digest_name(text) if ":" in text else tag_name(text)
