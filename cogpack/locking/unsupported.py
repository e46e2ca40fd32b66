"""What a cog.yaml asks for and this version can't pack is told in one error, each line with a way on of its own."""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from cogpack.config import Config
from cogpack.errors import InputError, together

_ELSE = "put the result into the project, or into an image named under cogpack.base"
_HELPS = ""
"""The advice for what only helps the commands beside it."""

_CLAUSES = re.compile(r"&&|\|\||;|\||\n")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_WRAPPERS = frozenset({"sudo", "env", "exec", "time", "command"})
_PIP_VALUES = frozenset(
    {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-c", "--constraint", "--mount"}
)
_WEIGHTS = re.compile(r"\.(?:safetensors|bin|pth?|ckpt|onnx|gguf|h5|pkl|tar|zip)\b|huggingface\.co/|hf\.co/")


def refuse_unsupported(config: Config) -> None:
    """Raise one `InputError` of everything that is not supported yet, if there is any."""
    if faults := list(_faults(config)):
        raise together(faults)


def _faults(config: Config) -> Iterator[InputError]:
    runs = sum(1 for index in range(len(config.run)) if f"build.run[{index}]" in config.places)
    for index, step in enumerate(config.run):
        key = f"build.run[{index}]" if index < runs else f"build.pre_install[{index - runs}]"
        yield _fault(config, f"{key}: {step.command:.120}", key, advice(step.command))
    if config.traces:
        key = "observability.traces"
        yield _fault(config, key, key, "leave it out; tracing can be switched on in the predictor")


def _fault(config: Config, what: str, key: str, next_step: str) -> InputError:
    place = config.where(key).removesuffix(f": {key}")
    return InputError(f"{place}: {what}: not supported by this version of cogpack", next_step=next_step)


def advice(command: str) -> str:
    """Say how an image comes to what this shell command of `build.run` does, without it."""
    found = [text for text in map(_of_clause, _CLAUSES.split(command)) if text is not None]
    if told := dict.fromkeys(text for text in found if text != _HELPS):
        return "; ".join(told)
    return "leave it out: it changes nothing that an image of cogpack has" if found else _ELSE


def _of_clause(clause: str) -> str | None:
    """Say it of one command of a list; None where nothing is known of it."""
    try:
        words = shlex.split(clause)
    except ValueError:
        words = clause.split()
    while words and (words[0] in _WRAPPERS or _ASSIGNMENT.fullmatch(words[0]) or words[0].startswith("--mount")):
        words.pop(0)
    if len(words) > 2 and re.fullmatch(r"python[0-9.]*", words[0]) and words[1] == "-m":
        words = words[2:]
    if words[:1] == ["uv"]:
        words = words[1:]
    if not words:
        return None
    program, arguments = posixpath.basename(words[0]), words[1:]
    for pattern, answer in _KNOWN:
        if re.fullmatch(pattern, program):
            return answer(arguments)
    return None


def _pip(arguments: Sequence[str]) -> str:
    if "uninstall" in arguments:
        return "leave the package out of the file that python_requirements names"
    if "install" not in arguments:
        return _ELSE
    listed = _positional(arguments, _PIP_VALUES, named={"-r", "--requirement"})
    if files := [name for option, name in listed if option]:
        return f"name {' and '.join(files)} under build.python_requirements, or from the file there with -r"
    packages = [name for _, name in listed if name not in ("install", "pip", "setuptools", "wheel")]
    if not packages:
        return "leave it out: pip is in the image"
    source = [name for name in packages if name.startswith("git+") or name in (".", "-e")]
    if source:
        return f"build a wheel of {source[0]} with pip wheel --no-deps, and name the wheel in the requirements file"
    options = " with its index" if any("index" in word or "find-links" in word for word in arguments) else ""
    return f"write {' '.join(packages)}{options} into the file that build.python_requirements names"


def _apt(arguments: Sequence[str]) -> str:
    if "install" not in arguments:
        return _HELPS
    packages = [name for _, name in _positional(arguments, {"-o", "-t"}) if name != "install"]
    return f"write {', '.join(packages) or 'the packages'} under build.system_packages"


def _fetch(arguments: Sequence[str]) -> str:
    place = ""
    for option, name in zip(arguments, [*arguments[1:], ""], strict=True):
        if option in ("-o", "--output", "-O", "--output-document", "-P", "--directory-prefix"):
            place = name
        elif option.startswith(("--output=", "--output-document=", "-O/", "-o/")):
            place = option.partition("=")[2] or option[2:]
    url = next((word for word in arguments if "://" in word), "the address")
    into = place if place and not place.startswith(("-", "http")) else ""
    if into.startswith("/src/"):
        into = into.removeprefix("/src/")
    where = f" as {into}" if into and not into.startswith("/") else ""
    fetched = f"fetch {url} yourself and put the file into the project{where}"
    if into.startswith("/"):
        fetched += f", which is /src in the image; code that wants {into} must look there"
    return f"{fetched}, or name it under weights" if _WEIGHTS.search(" ".join(arguments)) else fetched


def _git(arguments: Sequence[str]) -> str:
    if "clone" not in arguments:
        return _HELPS
    url = next((word for word in arguments if "://" in word or word.startswith("git@")), "the repository")
    return f"clone {url} into the project, at one commit (git submodule add does), or require a wheel of it"


def _says(text: str) -> Callable[[Sequence[str]], str]:
    return lambda _: text


def _positional(
    arguments: Sequence[str], valued: "frozenset[str] | set[str]", *, named: "frozenset[str] | set[str]" = frozenset()
) -> list[tuple[str, str]]:
    """Keep what is no option nor the value of one of `valued`; values of `named` with their option."""
    found, option = [], ""
    for word in arguments:
        if option:
            if option in named:
                found.append((option, word))
            option = ""
        elif word in valued or word in named:
            option = word
        elif not word.startswith("-"):
            found.append(("", word))
    return found


_KNOWN: Sequence[tuple[str, Callable[[Sequence[str]], str]]] = (
    (r"pip[0-9.]*", _pip),
    (r"apt|apt-get|aptitude", _apt),
    (r"curl|wget|aria2c|pget", _fetch),
    (r"git", _git),
    (r"conda|mamba|micromamba", _says("require the wheels of these packages instead")),
    (r"huggingface-cli|hf", _says("name the repository under weights, as hf://OWNER/NAME")),
    (r"python[0-9.]*", _says("run it here, and put what it fetches or makes into the project or under weights")),
    (r"sed|patch|perl", _says("keep the changed file in the project, or require a version that needs no change")),
    (r"ln", _says("make the link in the project, or in the predictor's setup")),
    (r"mkdir|cp|mv|rm|touch|tar|unzip", _says("make these files in the project, or in the predictor's setup")),
    (r"make|cmake|ninja|gcc|g\+\+|nvcc|cargo|npm|bash|sh", _says("build it here, and put the result into the project")),
    (r"chmod|chown|echo|cd|export|set|true|ls|which|nvidia-smi|ldconfig", _says(_HELPS)),
)
