"""`pyproject.toml` lists packages as PEP 621 has it (`project.dependencies` and its extras) and PEP 735 (groups)."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from packaging.dependency_groups import resolve_dependency_groups
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cogpack.requirements.model import Selection
from cogpack.requirements.toml_text import Line, TomlText

_PYTORCH = "https://download.pytorch.org/"


class _Project(msgspec.Struct, frozen=True, rename="kebab"):
    name: str = ""
    requires_python: str | None = None
    dynamic: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    optional_dependencies: dict[str, tuple[str, ...]] = {}


class _Index(msgspec.Struct, frozen=True):
    url: str
    name: str = ""
    explicit: bool = False
    default: bool = False


class _Source(msgspec.Struct, frozen=True):
    """Says where uv takes a package from: an index, or else something that only uv knows."""

    index: str | None = None
    marker: str | None = None
    extra: str | None = None
    group: str | None = None


class _Uv(msgspec.Struct, frozen=True):
    index: tuple[_Index, ...] = ()
    sources: dict[str, _Source | tuple[_Source, ...]] = {}


class _Tool(msgspec.Struct, frozen=True):
    uv: _Uv = _Uv()


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    project: _Project | None = None
    dependency_groups: dict[str, tuple[str | dict[str, str], ...]] = {}
    tool: _Tool = _Tool()


def pyproject_lines(file: TomlText, selection: Selection) -> list[Line]:
    """Give what the project requires, with extras and groups of the `selection`. The project itself is no part of
    it."""
    try:
        found = msgspec.convert(file.document, _File)
    except msgspec.ValidationError as error:
        file.fail(f"{error!s:.200}", "write it as PEP 621 and PEP 735 have it")
    if found.project is None and not selection.groups:
        file.fail("it has no [project] table", "name a requirements file, or cogpack.dependency_groups")
    project = found.project or _Project()
    if "dependencies" in project.dynamic:
        file.fail(
            "project.dependencies is dynamic: a build back end would have to be run",
            "write the dependencies down, or name a requirements file",
            file.number("dependencies"),
        )
    file.check_python(project.requires_python, selection)
    extras: dict[str, tuple[str, ...]] = {
        canonicalize_name(name): texts for name, texts in project.optional_dependencies.items()
    }
    groups: dict[str, tuple[str | dict[str, str], ...]] = {
        canonicalize_name(name): texts for name, texts in found.dependency_groups.items()
    }
    file.check_selection(selection, extras=set(extras), groups=set(groups))
    texts = [*project.dependencies, *_of_extras(selection.extras, extras, canonicalize_name(project.name))]
    for name in selection.groups:
        try:
            texts += resolve_dependency_groups(groups, name)
        except (ExceptionGroup, ValueError, TypeError, LookupError) as error:
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            file.fail(f"dependency-groups.{name}: {cause!s:.200}", "correct the group")
    for text in texts:
        if text.lstrip().startswith(("-", "#")):
            file.fail(f"{text:.80} is no requirement", "write NAME==VERSION", file.number(text))
    lines = [Line(text.replace("\n", " "), file.number(text)) for text in dict.fromkeys(texts)]
    return [*lines, *_of_uv(file, found.tool.uv, selection, {_name(text) for text in texts})]


def _of_extras(names: Iterable[str], extras: Mapping[str, tuple[str, ...]], own: str) -> list[str]:
    """Give what extras require; one that names the project itself with extras stands for those."""
    found: list[str] = []
    waiting, done = list(names), set[str]()
    while waiting:
        extra = waiting.pop(0)
        if extra in done:
            continue
        done.add(extra)
        for text in extras.get(extra, ()):
            if own and _name(text) == own:
                waiting += map(canonicalize_name, Requirement(text).extras)
            else:
                found.append(text)
    return found


def _of_uv(file: TomlText, uv: _Uv, selection: Selection, required: set[str]) -> Iterator[Line]:
    """Give the indexes that uv would ask; a source of another kind is not what an index has by that name: refused."""
    wanted = {index.name for index in uv.index if not index.explicit}
    for name, sources in uv.sources.items():
        if canonicalize_name(name) not in required:
            continue
        for source in sources if isinstance(sources, tuple) else (sources,):
            if not _applies(source, selection):
                continue
            if source.index is None:
                file.fail(
                    f"tool.uv.sources: {name} comes from no index",
                    f"write {name} @ git+https://... or the address of a wheel into the dependencies, or name uv.lock",
                    file.number(name),
                )
            wanted.add(source.index)
    for index in uv.index:
        if index.name in wanted:
            default = index.default and not index.url.startswith(_PYTORCH)
            yield Line(f"{'--index-url' if default else '--extra-index-url'} {index.url}", file.number(index.url))


def _applies(source: _Source, selection: Selection) -> bool:
    for name, chosen in ((source.extra, selection.extras), (source.group, selection.groups)):
        if name is not None and canonicalize_name(name) not in chosen:
            return False
    try:
        return source.marker is None or Marker(source.marker).evaluate(selection.environment)
    except InvalidMarker:
        return True


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:  # who reads the lines says so
        return ""
