"""Where an image is copied from or to, as the user writes it: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]`."""

from pathlib import Path
from typing import Self

import msgspec

from cogpack.disk import is_directory
from cogpack.errors import InputError
from cogpack.images.place import LayoutPlace, Place, RegistryPlace
from cogpack.layout import Layout
from cogpack.notes import Code, Note
from cogpack.reference import Reference, names_registry
from cogpack.session import Session


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A `reference`, or a `directory` and perhaps the `name` of an entry in it."""

    reference: Reference | None = None
    directory: Path = Path()
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A directory is what exists as one, or begins with a dot or a slash."""
        directory, _, name = text.partition(":")
        if directory in ("", "-"):  # `"$IMAGE"` of a variable that is not set; `-` of a stream
            raise InputError(f"expected an image, found {text!r:.300}", next_step="write HOST/NAME:TAG, or ./DIR")
        if is_directory(Path(text)):
            return cls(directory=Path(text))
        if text.startswith((".", "/")) or is_directory(Path(directory)) or _is_hidden(directory):
            return cls(directory=Path(directory), name=name or None)
        return cls(reference=Reference.parse(text))


def parse_reference(session: Session, text: str, *, where: str = "reference") -> Reference:
    """`text` as a reference; the user is told where Docker Hub is taken since no registry is named."""
    reference = Reference.parse(text, where=where)
    tell_of_hub(session, text, reference)
    return reference


def parse_address(session: Session, text: str) -> Address:
    """`text` as an address, likewise."""
    address = Address.parse(text)
    if address.reference:
        tell_of_hub(session, text, address.reference)
    return address


def parse_target(session: Session, text: str) -> Address:
    """As `parse_address`, and somebody's to write to."""
    address = Address.parse(text)
    if address.reference and address.reference.name.startswith("docker.io/library/"):  # a directory was meant
        raise InputError(
            f"{text:.300}: names neither a registry nor a directory",
            next_step="write HOST/NAME:TAG, or ./DIR for a directory",
        )
    return parse_address(session, text)


def tell_of_hub(session: Session, text: str, reference: Reference) -> None:
    if not names_registry(text):
        said = f"{text} names no registry: taken as {reference}"
        session.progress.note(Note(Code.REGISTRY_ASSUMED, said))


def _is_hidden(path: str) -> bool:
    """What is below a directory that this user may not search, and so perhaps is one."""
    try:
        Path(path).stat()
    except PermissionError:
        return is_directory(Path(path.partition("/")[0]))
    except (OSError, ValueError):
        pass
    return False


def open_source(session: Session, address: Address) -> tuple[Place, str]:
    """The place, and the image's tag or digest in it."""
    if reference := address.reference:
        wanted = reference.digest or reference.tag or "latest"
        return RegistryPlace(session.repository(reference), reference), wanted
    layout = Layout.read(address.directory)
    return LayoutPlace(layout, session.cancellation), layout.image(address.name).digest


def open_target(session: Session, address: Address, source: Address) -> tuple[Place, str | None]:
    """The place, and the name that the image gets there: the source's, if none is said. None: by digest only."""
    tag: str | None = "latest"
    if source.reference and (source.reference.tag or source.reference.digest):
        tag = source.reference.tag
    if reference := address.reference:
        name = reference.tag or (None if reference.digest else tag)
        return RegistryPlace(session.repository(reference, push=True), reference), name
    name = address.name or source.name
    if name is None and source.reference:
        name = str(source.reference.with_tag(tag or "latest"))
    return LayoutPlace(Layout.create(address.directory), session.cancellation), name or "latest"
