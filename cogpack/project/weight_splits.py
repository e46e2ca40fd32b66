"""Each weight file is split over layers by the user's word, else only where no code can tell the difference.

`auto` splits a safetensors file into shards when three things hold: it is too large for one layer; it stands where
Hugging Face loaders look for it, beside the config.json by which they know the model; and no source of the project
names it, or reads safetensors files itself, nor do its settings name it. Everything else stays as it is; a GGUF file
too, since its parts have names that code must ask for.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from cogpack.config import PackWeights, SplitRule
from cogpack.errors import InputError
from cogpack.model_files import GGUF_PART, Rule, TensorRule, index_path
from cogpack.patterns import pattern
from cogpack.project.ignore import Patterns, parse_globs

Attempt: TypeAlias = Callable[[TensorRule], object]
"""Splits a file by its header, without reading its data. `InputError`: that header can't be read so."""

_HUGGING_FACE = pattern(r"(?:model|diffusion_pytorch_model)(?:\.[A-Za-z0-9_-]+)?\.safetensors")
_READS = (b".safetensors", b"load_file", b"safe_open", b"from_single_file")
_CODE = (".py", ".ipynb", ".sh")
_SETTINGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".env")


class SplitChoice(msgspec.Struct, frozen=True):
    """Says by which rule a file is split. `auto`: nobody asked for the rule.

    `why`: a clause for people, as "config.json beside it, no source names it".
    """

    rule: Rule
    why: str
    auto: bool = False


_KEY = "cogpack.weights.split"


class SplitRules:
    """Chooses for one project. `paths`: of all its files; `read`: a file's bytes, None where they are not to be had;
    `config`: the name of its cog.yaml, `where` a key stands in that; `small`: files of its own that may be settings;
    `linked`: those that links of the project lead to."""

    def __init__(
        self,
        options: PackWeights,
        paths: Collection[str],
        read: Callable[[str], bytes | None],
        *,
        config: str,
        where: Callable[[str], str],
        small: Collection[str] = (),
        linked: Collection[str] = (),
    ) -> None:
        self._rules: list[tuple[Patterns, SplitRule, str]] = [
            (parse_globs([glob], where=where(f"{_KEY}.{glob}")), rule, glob) for glob, rule in options.split
        ]
        self._paths = paths
        self._small = small
        self._linked = linked
        self._read = read
        self._config = config
        self._where = where

    @cached_property
    def _code(self) -> Sequence[str]:
        return sorted(path for path in self._paths if path.endswith(_CODE))

    @cached_property
    def _settings(self) -> Sequence[str]:
        return sorted(path for path in self._small if path.endswith(_SETTINGS) and path != self._config)

    def choose(self, path: str, size: int, *, limit: int, attempt: Attempt | None = None) -> SplitChoice:
        """Choose how a file is split. `size`: of it; `limit`: that one layer may have; both in bytes.

        A rule that nobody asked for is tried by `attempt`, and the file stays whole where that fails: it is not what
        its name says. Without `attempt` nobody can tell, since its bytes are not here.
        """
        asked: SplitRule = "auto"
        glob = ""
        for patterns, rule, written in self._rules:
            if patterns.matches(path):
                asked, glob = rule, written
        if asked == "auto":
            choice = self._auto(path, size, limit)
            if choice.rule == "tensor" and attempt is not None:
                try:
                    attempt(choice.rule)
                except InputError as error:
                    choice = SplitChoice("none", error.message.partition(": ")[2] or error.message)
            return msgspec.structs.replace(choice, auto=True)
        if asked == "gguf":
            return self._gguf(path, glob)
        if asked != "none" and size <= limit:
            return SplitChoice("none", "fits in one layer")
        if asked == "tensor":
            self._check_tensor(path, glob)
        return SplitChoice(asked, f"{self._config} says so")

    def _auto(self, path: str, size: int, limit: int) -> SplitChoice:
        folder, _, name = path.rpartition("/")
        if size <= limit:
            return SplitChoice("none", "fits in one layer")
        if not _HUGGING_FACE.fullmatch(name):
            return SplitChoice("none", "code opens it by its name; split: opaque would split it and join it at start")
        if index_path(path) in self._paths:
            return SplitChoice("none", f"{index_path(path)} is there already")
        if not self._known_to_loaders(f"{folder}/config.json" if folder else "config.json"):
            return SplitChoice("none", "no config.json of a transformers or diffusers model beside it")
        if path in self._linked:
            return SplitChoice("none", "a link of the project leads to it")
        if (reader := self._reader) is not None:
            return SplitChoice("none", f"{reader} reads safetensors files itself")
        if (settings := self._first_with((name.encode(),), self._settings)) is not None:
            return SplitChoice("none", f"{settings} names {name}")
        return SplitChoice("tensor", "config.json beside it, and no source reads safetensors files itself")

    def _gguf(self, path: str, glob: str) -> SplitChoice:
        """Split it whatever the size, so that what code has to open does not hang on it."""
        where = self._where(f"{_KEY}.{glob}")
        if GGUF_PART.fullmatch(path):
            return SplitChoice("none", "a part of a split file already")
        if not path.endswith(".gguf"):
            raise InputError(
                f"{where}: {path} is no GGUF file, gguf can't split it", next_step="write tensor, opaque or none"
            )
        stem = path.removesuffix(".gguf")
        for other in sorted(self._paths):
            if (found := GGUF_PART.fullmatch(other)) and found["stem"] == stem:
                raise InputError(
                    f"{where}: {other} is there already", next_step="remove it, or write none for this file"
                )
        name = path.rpartition("/")[2]
        if (reader := self._first_with((name.encode(),), self._code)) is not None:
            return SplitChoice("gguf", f"{self._config} says so; {reader} names {name}, which the image will not have")
        return SplitChoice("gguf", f"{self._config} says so")

    def _check_tensor(self, path: str, glob: str) -> None:
        where = self._where(f"{_KEY}.{glob}")
        if not path.endswith(".safetensors"):
            raise InputError(
                f"{where}: {path} is no safetensors file, tensor can't split it", next_step="write opaque or none"
            )
        if index_path(path) in self._paths:
            raise InputError(
                f"{where}: {index_path(path)} is there already", next_step="remove it, or write none for this file"
            )

    def _known_to_loaders(self, path: str) -> bool:
        if path not in self._paths:
            return False
        try:
            document: Any = msgspec.json.decode(self._read(path) or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        return isinstance(document, dict) and bool({"model_type", "architectures", "_class_name"} & document.keys())

    @cached_property
    def _reader(self) -> str | None:
        """Find the first file of the project's code that names safetensors files or their readers."""
        return self._first_with(_READS, self._code)

    def _first_with(self, words: Collection[bytes], paths: Iterable[str]) -> str | None:
        for path in paths:
            text = self._read(path) or b""
            if any(word in text for word in words):
                return path
        return None
