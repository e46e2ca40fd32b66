"""Requirements files are read line by line, in pip's language."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cogpack.errors import InputError, together
from cogpack.notes import Code, Note
from cogpack.patterns import pattern
from cogpack.requirements.model import (
    ALL,
    NO_ISOLATION,
    VARIABLE,
    GitAddress,
    Include,
    LocalLinks,
    LocalPath,
    LocalWheel,
    Options,
    RequirementLine,
    Requirements,
    SourceLine,
    UnexpandedAddress,
    anonymous,
)
from cogpack.requirements.paths import LineFaultError, read_wheel, wheel_name
from cogpack.requirements.reasons import NoRequirementError, requirement_of
from cogpack.requirements.sources import read_source

MAX_BYTES = 4 * 1024 * 1024
MAX_LINE = 64 * 1024

_COMMENT = pattern(r"(?:^|\s)#.*")
_OPTION = pattern(r"(?:^|\s)(?=-)")
_HASH = pattern(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_WEB = pattern(r"https?://", re.IGNORECASE)
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://|git@")
_PROVIDED = ("cog", "coglet")
_BUILD = "build a wheel (pip wheel --no-deps), put it into the project and name it: ./wheels/NAME.whl"
_ITSELF = "leave it out: the project is on Python's path in the image; to install a part of it, name its directory"

_SHORT = {"-i": "--index-url", "-f": "--find-links", "-r": "--requirement", "-c": "--constraint", "-e": "--editable"}
_SHORT["--pypi-url"] = "--index-url"
_VALUED = frozenset(
    {"--index-url", "--extra-index-url", "--find-links", "--requirement", "--constraint", "--editable", "--hash"}
    | {"--only-binary", "--no-binary", "--trusted-host", "--use-feature", f"{NO_ISOLATION}-package"}
)
_FLAGS = frozenset({"--no-index", "--pre", "--prefer-binary", "--require-hashes", NO_ISOLATION})
_WITH_REQUIREMENT = frozenset({"--hash", "--index-url", "--extra-index-url", "--find-links", "--pre", NO_ISOLATION})
_OF_REQUIREMENT = frozenset({"--hash", NO_ISOLATION})
"""Options behind a requirement that are of it alone."""


def parse_requirements(
    text: str, *, path: str, lines: Sequence[int] | None = None, faults: list[InputError] | None = None
) -> Requirements:
    """Read one file; `path` is its name for messages. What is wrong or would need a build is an `InputError`, of all
    lines together; with `faults` these are appended there, one a line, and the answer is what the other lines say.

    `lines`: the numbers of its lines, where they come from another file.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES} characters", next_step="name the file that lists packages")
    found: list[Requirements] = []
    bad: list[InputError] = []
    for line, content in _logical_lines(text):
        try:
            found += list(_Line(path, lines[line - 1] if lines else line).read(content))
        except InputError as error:
            bad.append(error)
    if bad and faults is None:
        raise together(bad)
    if faults is not None:
        faults += bad
    return Requirements.of(found)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the number of the first physical line and the text, continuations joined and comments cut, as pip does."""
    joined, first = "", 0
    for number, physical in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        first = first if joined else number
        whole_comment = physical.lstrip().startswith("#")
        if physical.endswith("\\") and not whole_comment:
            joined += physical[:-1]
            if len(joined) <= MAX_LINE:
                continue
        content = _COMMENT.sub("", joined + (" " + physical if whole_comment and joined else physical)).strip()
        joined = ""
        if content:
            yield first, content
    if content := _COMMENT.sub("", joined).strip():
        yield first, content


class _Line:
    """Reads one logical line, and knows its place."""

    def __init__(self, path: str, line: int) -> None:
        self.path = path
        self.line = line

    def fail(self, problem: str, next_step: str) -> InputError:
        return InputError(f"{self.path}:{self.line}: {problem}", next_step=next_step)

    def read(self, content: str) -> Iterator[Requirements]:
        """Give what this line says, in parts."""
        if len(content) > MAX_LINE:
            raise self.fail(f"more than {MAX_LINE} characters in one line", "break the line")
        if content.endswith("\\"):
            raise self.fail("there is a space behind the backslash at its end", "take the space out, and it continues")
        if (wheel := self._local_wheel(content)) is not None:
            dropped = canonicalize_name(wheel.name) in _PROVIDED
            yield self._dropped(wheel.name) if dropped else Requirements(local_wheels=(wheel,))
            return
        option = _OPTION.search(content)
        required = (content[: option.start()] if option else content).strip().removesuffix(";").rstrip()
        options = list(self._options(content[option.start() :])) if option else []
        if required:
            for name, _ in options:
                if name not in _WITH_REQUIREMENT:
                    raise self.fail(f"{name} can't follow a requirement", "write it on a line of its own")
            hashes = tuple(self._hash(value) for name, value in options if name == "--hash")
            isolated = (NO_ISOLATION, "") not in options
            options = [(name, value) for name, value in options if name not in _OF_REQUIREMENT]
            if (source := self._source(required)) is not None:
                yield from self._sourced(msgspec.structs.replace(source, isolated=isolated), hashes)
            else:
                requirement = self._requirement(required)
                if canonicalize_name(requirement.name) in _PROVIDED:
                    yield self._dropped(canonicalize_name(requirement.name))
                    return
                yield from self._required(requirement, hashes, isolated=isolated)
        for name, value in options:
            yield from self._of_option(name, value)

    def _required(self, requirement: Requirement, hashes: Iterable[str], *, isolated: bool) -> Iterator[Requirements]:
        line = RequirementLine(
            name=canonicalize_name(requirement.name),
            text=_canonical(requirement),
            url=requirement.url or "",
            hashes=tuple(sorted(set(hashes))),
            path=self.path,
            line=self.line,
        )
        yield Requirements(required=(line,), unisolated=() if isolated else (line.name,))
        if VARIABLE.search(line.url):
            yield self._addressed(line.name, line.url)

    def _source(self, text: str, *, editable: bool = False) -> SourceLine | None:
        try:
            found = read_source(text, editable=editable, path=self.path, line=self.line)
        except LineFaultError as fault:
            raise self.fail(*fault.args) from None
        if found is not None and isinstance(found.source, LocalPath) and found.source.path.rstrip("/") in (".", ".."):
            raise self.fail(f"{text:.120} is the project itself, or what lies around it", _ITSELF)
        return found

    def _sourced(self, line: SourceLine, hashes: tuple[str, ...]) -> Iterator[Requirements]:
        if line.name in _PROVIDED:
            yield self._dropped(line.name)
            return
        source = line.source
        allowed = tuple(sorted({*line.hashes, *(value.removeprefix("sha256:") for value in hashes)}))
        if allowed and (isinstance(source, GitAddress) or (isinstance(source, LocalPath) and not source.is_archive)):
            raise self.fail(f"{line.title:.120}: --hash is of a file", "leave it out")
        if any(not value.startswith("sha256:") for value in hashes):
            raise self.fail(f"{line.title:.120}: only sha256 is compared of source code", "name its sha256")
        yield Requirements(sources=(msgspec.structs.replace(line, hashes=allowed),))
        if not isinstance(source, LocalPath) and VARIABLE.search(source.url) and not source.url.startswith("ssh:"):
            yield self._addressed(line.title, source.url)

    def _dropped(self, name: str) -> Requirements:
        return self._noted(f"{name} left out; build.sdk_version chooses the SDK")

    def _addressed(self, what: str, text: str) -> Requirements:
        return Requirements(addresses=(UnexpandedAddress(what=what, text=text, path=self.path, line=self.line),))

    def _noted(self, message: str) -> Requirements:
        return Requirements(notes=(Note(Code.IGNORED_REQUIREMENT, f"{self.path}:{self.line}: {message}"),))

    def _options(self, text: str) -> Iterator[tuple[str, str]]:
        """Give long name and value (or "") of each option, in both spellings of pip: `--a=b` and `--a b`."""
        try:
            words = shlex.split(text)
        except ValueError:
            raise self.fail("a quote is not closed", "close it") from None
        while words:
            word = words.pop(0)
            name, equals, value = word.partition("=")
            if not word.startswith("--") and word[:2] in _SHORT and len(word) > 2:
                name, equals, value = word[:2], "=", word[2:].removeprefix("=")
            name = _SHORT.get(name, name)
            if name in _FLAGS and not equals:
                yield name, ""
            elif name in _VALUED:
                if not equals:
                    if not words:
                        raise self.fail(f"{name} needs a value", "add it")
                    value = words.pop(0)
                yield name, value
            elif name.startswith("-"):
                raise self.fail(f"{name:.80} is not known", "leave it out, or write what it means in another way")
            else:
                raise self.fail(
                    f"{word:.80} follows an option and belongs to none",
                    "write it on a line of its own, or put quotes around a value",
                )

    def _of_option(self, name: str, value: str) -> Iterator[Requirements]:
        match name:
            case "--requirement" | "--constraint":
                if _SCHEME.match(value):
                    raise self.fail(f"{name} names a file of the network", "put a copy into the project")
                if variable := VARIABLE.search(value):
                    raise self.fail(f"{name}: {variable[0]} is not read in a path", "write its value")
                include = Include(file=value, constraint=name == "--constraint", path=self.path, line=self.line)
                yield Requirements(includes=(include,))
            case "--editable" if value in (".", "./"):
                yield self._noted("-e . left out; the project is on Python's path in the image")
            case "--editable":
                source = self._source(value, editable=True)
                assert source is not None
                yield from self._sourced(source, ())
            case "--no-binary" if value != ":none:":
                raise self.fail("--no-binary asks for a build from source", _BUILD)
            case "--trusted-host":
                yield self._noted("--trusted-host ignored; the index's certificate is checked")
            case "--use-feature":
                yield self._noted("--use-feature ignored; it is for pip alone")
            case "--hash":
                raise self.fail("--hash without a requirement", "write it behind the requirement")
            case "--no-build-isolation":
                yield Requirements(unisolated=(ALL,))
            case "--no-build-isolation-package":
                yield Requirements(unisolated=(canonicalize_name(value),))
            case "--index-url":
                yield from self._looked_at(name, value, Options(index_url=self._url(name, value)))
            case "--extra-index-url":
                yield from self._looked_at(name, value, Options(extra_index_urls=(self._url(name, value),)))
            case "--find-links" if not (VARIABLE.search(value) or _SCHEME.match(value.removeprefix("file://"))):
                directory = unquote(value.removeprefix("file://")) if value.startswith("file://") else value
                yield Requirements(local_links=(LocalLinks(directory=directory, path=self.path, line=self.line),))
            case "--find-links":
                yield from self._looked_at(name, value, Options(find_links=(self._url(name, value),)))
            case "--no-index":
                yield Requirements(options=Options(no_index=True))
            case "--pre":
                yield Requirements(options=Options(pre=True))
            case "--require-hashes":
                yield Requirements(options=Options(require_hashes=True))
        # --only-binary, --no-binary of nothing and --prefer-binary ask for what is always so

    def _looked_at(self, name: str, value: str, options: Options) -> Iterator[Requirements]:
        yield Requirements(options=options)
        if VARIABLE.search(value):
            yield self._addressed(name, value)

    def _url(self, name: str, value: str) -> str:
        if VARIABLE.search(value):  # checked when the environment is known
            return value
        try:
            host = urlsplit(value).netloc
        except ValueError:
            host = ""
        if not _WEB.match(value) or not host:
            advice = "write https://HOST/PATH" + (" or the path of a directory" if name == "--find-links" else "")
            raise self.fail(f"{name}: expected an http or https address, found {anonymous(value)[:200]!r}", advice)
        return value

    def _hash(self, value: str) -> str:
        if not _HASH.fullmatch(value.lower()):
            raise self.fail(f"--hash: expected sha256:<64 hex digits>, found {value[:80]!r}", "copy the hash again")
        return value.lower()

    def _local_wheel(self, content: str) -> LocalWheel | None:
        """Read a wheel of the project; `None` if the line is anything else."""
        try:
            read = read_wheel(content, path=self.path, line=self.line)
        except LineFaultError as fault:
            raise self.fail(*fault.args) from None
        if read is None:
            return None
        wheel, options = read
        hashes: set[str] = set()
        for name, value in self._options(options):
            if name not in _OF_REQUIREMENT:
                raise self.fail(f"{name} can't follow a requirement", "write it on a line of its own")
            hashes |= {self._hash(value)} if name == "--hash" else set()
        return msgspec.structs.replace(wheel, hashes=tuple(sorted(hashes)))

    def _requirement(self, text: str) -> Requirement:
        if _SCHEME.match(text) or VARIABLE.match(text):
            text = f"{self._check_url(text.split(' ;')[0].strip())} @ {text}"
        try:
            requirement = requirement_of(text)
        except NoRequirementError as error:
            reason, advice = error.args
            raise self.fail(f"{anonymous(text):.120} is no requirement: {reason:.120}", advice) from None
        if requirement.url:
            named = self._check_url(requirement.url)
            if canonicalize_name(named) != canonicalize_name(requirement.name):
                raise self.fail(f"{requirement.name} names a wheel of {named}", "correct the name or the address")
        return requirement

    def _check_url(self, url: str) -> str:
        """Tell the name of the package whose wheel `url` is."""
        shown = anonymous(url)[:200]
        if not _WEB.match(url) and not VARIABLE.match(url):
            raise self.fail(f"{shown} is not at an http(s) address: put a copy into the project", _BUILD)
        try:
            filename = unquote(urlsplit(url).path.rpartition("/")[2])
        except ValueError:
            raise self.fail(f"{shown} is no address", "correct it") from None
        if "\\" in url:
            raise self.fail(f"{shown} holds a backslash", "correct the address")
        if not filename.endswith(".whl"):
            raise self.fail(f"{shown} is not the address of a wheel or of an archive", _BUILD)
        try:
            return wheel_name(filename)[0]
        except LineFaultError as fault:
            raise self.fail(*fault.args) from None


def _canonical(requirement: Requirement) -> str:
    """Write PEP 508 text in one spelling: name and extras normalised, specifiers sorted."""
    extras = ",".join(sorted(canonicalize_name(extra) for extra in requirement.extras))
    text = canonicalize_name(requirement.name) + (f"[{extras}]" if extras else "")
    if requirement.url:
        text += f" @ {requirement.url}"
    else:
        text += ",".join(sorted(map(str, requirement.specifier)))
    return f"{text} ; {requirement.marker}" if requirement.marker else text
