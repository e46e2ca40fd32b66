"""Suffix and size say which files of a project are weights, unless `cogpack.weights` of cog.yaml says otherwise."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from cogpack.config import Config
from cogpack.disk import open_regular, reading
from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.patterns import pattern
from cogpack.project.ignore import parse_globs
from cogpack.project.lfs import MAX_POINTER, lfs_pointer
from cogpack.project.rows import Files, ProjectFile

MIN_SIZE = 1024 * 1024
"""Bytes; a smaller file costs nothing to send again and stays beside the source."""

LARGE = 10 * 1024 * 1024
"""Bytes from which any file but source code is treated as a weight: the size at which Cog separates files."""

_SUFFIXES = frozenset(
    {
        "safetensors",
        "bin",
        "pt",
        "pth",
        "ckpt",
        "onnx",
        "onnx_data",
        "gguf",
        "ggml",
        "h5",
        "hdf5",
        "keras",
        "npz",
        "npy",
    }
    | {"msgpack", "tflite", "pb", "engine", "plan", "model", "pkl", "pickle", "joblib", "params", "pdparams", "weights"}
    | {"caffemodel", "mlmodel", "mar", "nemo", "pte", "ot", "t7", "torchscript", "ubj", "cbm", "safetensor"}
)
_SHARD = pattern(r"\.data-\d{5}-of-\d{5}\Z")  # TensorFlow checkpoints
_SOURCE_SUFFIXES = frozenset({"py", "ipynb"})


class WeightRules:
    """Tells which files of one project are weights."""

    def __init__(self, config: Config) -> None:
        options = config.pack.weights
        self._include = parse_globs(options.include, where=config.where("cogpack.weights.include"))
        self._exclude = parse_globs(options.exclude, where=config.where("cogpack.weights.exclude"))
        self._min_size = MIN_SIZE if options.min_size is None else options.min_size
        self._asked = bool(options.include)
        self._least = 0 if self._asked else min(LARGE, self._min_size)
        """Bytes of the smallest weight."""

    def is_weight(self, file: ProjectFile) -> bool:
        if file.size < self._least:  # most files, of which there may be very many
            return False
        if file.kind != "file" or self._exclude.matches(file.path):
            return False
        large = file.size >= LARGE and _suffix(file.path) not in _SOURCE_SUFFIXES
        return large or self._include.matches(file.path) or (file.size >= self._min_size and is_named(file.path))

    def weights(self, files: Files) -> tuple[ProjectFile, ...]:
        """Give those of `files` that are weights."""
        may_be = [*map(files.file, files.large(self._least)), *files.others]
        return tuple(sorted(filter(self.is_weight, may_be), key=lambda file: file.path))

    def find_pointers(self, root: str, files: Files) -> Files:
        """Give `files`, with the git-lfs pointers that stand where weights should be."""
        ends = files.ends if self._asked else filter(_says_so, files.ends)
        found = {number: self._find_pointer(root, files.file(number)) for end in ends for number in files.ends[end]}
        return files.replacing({number: file for number, file in found.items() if file.pointer is not None})

    def _find_pointer(self, root: str, file: ProjectFile) -> ProjectFile:
        if file.size >= MAX_POINTER or file.kind != "file":
            return file
        named = is_named(file.path) or (self._asked and self._include.matches(file.path))
        if not named or self._exclude.matches(file.path):
            return file
        with reading(file.path, "make it readable"), open_regular(f"{root}/{file.path}") as opened:
            pointer = lfs_pointer(opened.read(MAX_POINTER))
        if pointer is None:
            return file
        found = msgspec.structs.replace(file, size=pointer.size, pointer=pointer)
        if not self.is_weight(found):
            raise not_fetched(found)
        return found


def unused_patterns(config: Config, files: Files, weights: Iterable[str]) -> Iterator[Note]:
    """Give the patterns of `cogpack.weights` that ask for something and match nothing: no file of the project, or no
    weights that are split their way. What `exclude` says may be a precaution."""
    pack = config.pack.weights
    if not (pack.include or pack.split):
        return
    paths, weights = [file.path for file in files if file.kind == "file"], list(weights)
    asked = [(f"include[{index}]", glob, paths, "file") for index, glob in enumerate(pack.include)]
    asked += [(f"split.{glob}", glob, weights, "weights") for glob, _ in pack.split]
    for key, glob, found, what in asked:
        where = config.where(f"cogpack.weights.{key}")
        if f"cogpack.weights.{key}" in config.places and not any(map(parse_globs([glob], where=where).matches, found)):
            yield Note(Code.UNUSED_SETTING, f"{where}: {glob} matches no {what}")


def not_fetched(file: ProjectFile) -> InputError:
    return InputError(
        f"{file.path}: a git-lfs pointer stands where {file.size} bytes of weights should be",
        next_step="run git lfs pull",
    )


def _suffix(path: str) -> str:
    """Give the suffix in lower case, without the dot; "" for none."""
    at = path.rfind(".")
    return path[at + 1 :].lower() if at > path.rfind("/") else ""


def is_named(path: str) -> bool:
    """Tell whether the name says that it is a weight, whatever the size."""
    return _says_so(path[path.rfind(".") :])


@lru_cache(maxsize=1024)
def _says_so(end: str) -> bool:
    """Tell it by what begins with the last dot."""
    return end.startswith(".") and (end[1:].lower() in _SUFFIXES or _SHARD.fullmatch(end) is not None)
