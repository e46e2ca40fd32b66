"""The Hugging Face hub is downloaded from by its command line, and by `python -c` with nothing but such calls.

The Python is read by `ast`: imports of huggingface_hub and calls of `snapshot_download` and `hf_hub_download` whose
arguments are constants. Anything else in it makes the whole command unknown.
"""

import ast
import posixpath
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Literal

from cogpack.run_lines.arguments import NotKnownError, Table
from cogpack.run_lines.effects import Effect, HubDownload
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.site import Site

_DOWNLOAD = Table(
    "download",
    """
    --revision=
    --repo-type=
    --local-dir=
    --cache-dir=
    --quiet
    --max-workers=
    --resume-download
    --local-dir-use-symlinks=
    --include=
    --exclude=
    ! --token= a token is written in the line
    ! --force-download what is there already is replaced
    """,
)
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_KINDS: Mapping[str, Literal["model", "dataset", "space"]] = {"model": "model", "dataset": "dataset", "space": "space"}
_IGNORED = {"resume_download", "local_dir_use_symlinks", "max_workers", "etag_timeout", "library_name", "tqdm_class"}
_OF_ANOTHER_HUB = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_ARGUMENTS = {
    "snapshot_download": ("repo_id",),
    "hf_hub_download": ("repo_id", "filename"),
}
"""The parameters that are known by place."""


def command_line(command: Command, site: Site) -> tuple[Effect, ...]:
    """Read `huggingface-cli download` and `hf download`."""
    match command.words:
        case (_, "download", *arguments):
            pass
        case _:
            raise NotKnownError(f"{' '.join(command.words[:2])} is not known here")
    options = _DOWNLOAD.read(arguments)
    if not options.operands:
        raise NotKnownError("no repository is named")
    files = options.operands[1:]
    if files and (options.has("--include") or options.has("--exclude")):
        raise NotKnownError("files by name and by pattern")
    for name in ("--include", "--exclude"):
        if len(options.all(name)) > 1:
            raise NotKnownError(f"{name} twice, of which versions of the tool take the last or both")
    return (
        _download(
            command,
            site,
            {
                "repo_id": options.operands[0],
                "allow_patterns": options.all("--include") or (files if len(files) > 1 else ()),
                "ignore_patterns": options.all("--exclude"),
                "revision": options.last("--revision") or None,
                "repo_type": options.last("--repo-type") or None,
                "local_dir": options.last("--local-dir") or None,
                "cache_dir": options.last("--cache-dir") or None,
            },
            files if len(files) == 1 else (),
        ),
    )


def python(command: Command, source: str, site: Site) -> tuple[Effect, ...]:
    """Read `python -c SOURCE`."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about the user's literals
            return tuple(_effects(ast.parse(source), command, site))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotKnownError("the Python of the line can't be read") from None


def _effects(tree: ast.Module, command: Command, site: Site) -> Iterator[Effect]:
    names: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.ImportFrom(module="huggingface_hub", names=aliases, level=0):
                names |= {alias.asname or alias.name: alias.name for alias in aliases}
            case ast.Import(names=[ast.alias(name="huggingface_hub", asname=asname)]):
                names |= {f"{asname or 'huggingface_hub'}.{name}": name for name in _ARGUMENTS}
            case ast.Expr(value=ast.Call() as call):
                inner = _printed(call)
                called = names.get(ast.unparse(inner.func), "")
                if called not in _ARGUMENTS:
                    raise NotKnownError(f"Python that calls {ast.unparse(inner.func):.60}")
                yield _download(command, site, *_constants(inner, called))
            case _:
                raise NotKnownError(f"Python that does more than download from the hub: {ast.unparse(node):.60}")


def _printed(call: ast.Call) -> ast.Call:
    """Give the call whose answer is printed, or the call itself."""
    match call:
        case ast.Call(func=ast.Name(id="print"), args=[ast.Call() as inner], keywords=[]):
            return inner
    return call


def _constants(call: ast.Call, called: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Give a call's arguments by name, and the file that it is for, if it is for one."""
    names = _ARGUMENTS[called]
    if len(call.args) > len(names):
        raise NotKnownError(f"{called} with arguments whose names are not written")
    found: dict[str, object] = {}
    written = [*zip(names, call.args, strict=False), *((keyword.arg, keyword.value) for keyword in call.keywords)]
    for name, value in written:
        if name is None or name in found:
            raise NotKnownError(f"{called} with arguments that are not all written out")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise NotKnownError(f"{name} of {called} is no constant") from None
    if called != "hf_hub_download":
        return found, ()
    file, folder = found.pop("filename", None), found.pop("subfolder", None) or ""
    if not isinstance(file, str) or not isinstance(folder, str):
        raise NotKnownError("hf_hub_download without the name of a file")
    return found, (posixpath.join(folder, file),)


def _download(command: Command, site: Site, arguments: Mapping[str, object], files: tuple[str, ...]) -> HubDownload:
    for name in _OF_ANOTHER_HUB:
        if name in command.environment:
            raise NotKnownError(f"{name} is set, which changes what the hub answers")
    for path in site.made:
        if path.endswith(("/token", "/stored_tokens")):
            raise NotKnownError(f"{path} may be the hub's login")
    left = dict(arguments)
    repository = _text(left, "repo_id")
    if not _REPOSITORY.fullmatch(repository):
        raise NotKnownError(f"{repository!r} names no repository")
    kind = _text(left, "repo_type") or "model"
    if kind not in _KINDS:
        raise NotKnownError(f"a repository of type {kind}")
    if any(name.startswith("/") or {"..", ".", ""} & set(name.split("/")) for name in files):
        raise NotKnownError("a file's name that leads elsewhere")
    directory, cache = _text(left, "local_dir"), _text(left, "cache_dir")
    found = HubDownload(
        repository=repository,
        kind=_KINDS[kind],
        revision=_text(left, "revision") or "main",
        files=files,
        include=_texts(left, "allow_patterns"),
        exclude=_texts(left, "ignore_patterns"),
        cache="" if directory else _place(command, cache or _cache(command), site),
        directory=_place(command, directory, site) if directory else "",
    )
    if more := [name for name, value in left.items() if name not in _IGNORED and value is not None]:
        raise NotKnownError(f"{more[0]} of a download from the hub is not known here")
    if found.files and (found.include or found.exclude):
        raise NotKnownError("files by name and by pattern")
    return found


def _place(command: Command, path: str, site: Site) -> str:
    if path.startswith("~") or "$" in path:
        raise NotKnownError(f"{path} is a path that the hub's library expands itself")
    return site.path(command, path)


def _cache(command: Command) -> str:
    """Tell where huggingface_hub keeps what it downloads (its docs, "Environment variables")."""
    environment = command.environment
    base = environment.get("XDG_CACHE_HOME", posixpath.join(environment["HOME"], ".cache"))
    home = environment.get("HF_HOME", posixpath.join(base, "huggingface"))
    legacy = environment.get("HUGGINGFACE_HUB_CACHE", posixpath.join(home, "hub"))
    return environment.get("HF_HUB_CACHE", legacy)


def _text(arguments: dict[str, object], name: str) -> str:
    value = arguments.pop(name, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotKnownError(f"{name} of a download from the hub is no text")
    return value


def _texts(arguments: dict[str, object], name: str) -> tuple[str, ...]:
    value = arguments.pop(name, None)
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise NotKnownError(f"{name} of a download from the hub is no list of texts")
    return tuple(map(str, texts))
