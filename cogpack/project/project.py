"""A project is a directory with a config; what is read of it is read once."""

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cogpack.cache import TAG, foreign
from cogpack.config import Config
from cogpack.config.document import MAX_BYTES as MAX_CONFIG_BYTES
from cogpack.config.model import lock_name
from cogpack.disk import open_regular, reading
from cogpack.encodings import decode_text
from cogpack.errors import InputError, together
from cogpack.notes import Code, Note
from cogpack.project.caches import Caches
from cogpack.project.files import Identity, Listing, holds, is_never, keeps, list_files, own_output
from cogpack.project.ignore import Patterns, parse_ignore
from cogpack.project.inputs import ProjectInputs, read_inputs
from cogpack.project.lfs import LfsAttributes
from cogpack.project.links import Links
from cogpack.project.rows import Files, ProjectFile
from cogpack.project.secrets import secret_notes
from cogpack.project.weights import WeightRules
from cogpack.requirements.model import LocalPath, Requirements, SourceLine
from cogpack.text import nearest

if TYPE_CHECKING:
    from cogpack.project.weight_splits import SplitRules

_IGNORE_FILE = ".dockerignore"
_MAX_SOURCE = 16 * 1024 * 1024
_MAX_SETTINGS = 64 * 1024


class Project(msgspec.Struct, frozen=True, dict=True):
    """Answers for one project. `root` is absolute and free of links; the files are listed once. `outputs`: what this
    run is to write; `cache`: where it keeps what can be had again; `schema`: the OpenAPI document of its model, where
    somebody gave one in place of what its source says."""

    root: Path
    config: Config
    config_path: Path
    outputs: tuple[Path, ...] = ()
    cache: Path | None = None
    schema: bytes | None = None

    @property
    def lock_path(self) -> Path:
        """Where its lock lies; another config of the directory has another one."""
        return self.root / lock_name(self.config_path.name)

    def files(self) -> Files:
        """List what goes into the image, weights included."""
        return self._files

    def notes(self) -> tuple[Note, ...]:
        """Give notes of what is worth a word about the files."""
        of_caches = (note for path in self._listing.caches for note in self._of_cache(path))
        return (*self._listing.notes, *of_caches, *secret_notes(str(self.root), self._files))

    def is_its_cache(self, directory: Path) -> bool:
        """Tell whether this is the cache of this run; also of directories outside of the project."""
        return self._caches.is_own(str(directory))

    def is_weight(self, file: ProjectFile) -> bool:
        return self._rules.is_weight(file)

    @cached_property
    def weights(self) -> tuple[ProjectFile, ...]:
        """Give those of the files that are weights."""
        return self._rules.weights(self._files)

    def with_ends(self, ends: Iterable[str]) -> Iterator[ProjectFile]:
        """Give the files whose paths end so, from their last dot on, but for pointers."""
        return self._files.with_ends(ends)

    def split_rules(self, managed: Mapping[str, Callable[[], bytes]]) -> "SplitRules":
        """Make the rules by which weights are split over layers. `managed`: small files of managed weights, by path,
        that tell about them."""
        from cogpack.project.weight_splits import SplitRules

        paths = {*self.files().all_paths(), *managed}
        links = [self._resolved(file.path) for file in self.files().others if file.kind == "symlink"]
        return SplitRules(
            self.config.pack.weights,
            paths,
            lambda path: managed[path]() if path in managed else self._read_code(path),
            config=self.config_path.name,
            where=self.config.where,
            small=[file.path for file in self.files() if file.kind == "file" and file.size <= _MAX_SETTINGS],
            linked={file.path for file in links if file is not None},
        )

    def in_lfs(self, file: ProjectFile) -> bool:
        """Tell whether git-lfs keeps it, so that another checkout may have its pointer only."""
        return self._lfs.tracked(file.path)

    def requirements(self) -> Requirements:
        """Merge all requirements files, with those that they name; an `InputError` of all lines that are no good."""
        self._check_requirements()
        return self._inputs.requirements

    def inputs(self) -> dict[str, bytes]:
        """Give what the lock depends on, as normalised bytes by file name: a comment more changes nothing."""
        self._check_requirements()
        trees = {
            f"{line.source.path}/": self.tree_digest(line).encode()
            for line in self._inputs.requirements.sources
            if isinstance(line.source, LocalPath) and not line.source.is_archive
        }
        return dict(sorted((self._inputs.normalised | trees).items()))

    def tree_digest(self, line: SourceLine) -> str:
        """Tell the directory that `line` names apart from all others, as far as it decides what is installed."""
        from cogpack.project.source_trees import below, tree_digest

        return tree_digest(self.root, below(self.root, self.files(), line), editable=line.editable)

    def copy_tree(self, line: SourceLine, into: Path) -> None:
        """Copy the directory that `line` names, without what `.dockerignore` leaves out."""
        from cogpack.project.source_trees import below, copy_tree

        copy_tree(self.root, below(self.root, self.files(), line), into)

    def archive_key(self, file: str) -> bytes:
        """Give a key of `cogpack.apt`, by its file as that calls it."""
        return self._inputs.keys[file]

    def faulty_requirements(self) -> tuple[tuple[InputError, ...], Requirements]:
        """Give what is wrong with lines of requirements files, one by one, and what the others say."""
        return self._inputs.faults, self._inputs.requirements

    def _check_requirements(self) -> None:
        if self._inputs.faults:
            raise together(self._inputs.faults)

    @property
    def source(self) -> "Project":
        """Give itself, to who reads sources; a predictor that is not there or left out is an `InputError`."""
        predict = "run" if "run" in self.config.places else "predict"  # its new name
        for key, reference in ((predict, self.config.predict), ("train", self.config.train)):
            path = reference.partition(":")[0] if reference else None
            if path and not os.path.lexists(self.root / path):
                raise self._missing(key, path)
            if path and not self._source(path):
                raise self._why_not(key, path)
        return self

    def _missing(self, key: str, path: str) -> InputError:
        directory, _, name = path.rpartition("/")
        beside: list[str] = []
        with suppress(OSError):
            beside = [found.name for found in (self.root / directory).iterdir() if found.suffix == ".py"]
        near = nearest(name, sorted(beside))
        meant = f"; did you mean {posixpath.join(directory, near)}?" if near else ""
        where = f"{self.config.where(key)}: {path:.200}"
        return InputError(f"{where}: no such file in the project{meant}", next_step="correct the name, or add the file")

    def _why_not(self, key: str, path: str) -> InputError:
        """Say why a source that is here will not be in the image."""
        named = f"{self.config.where(key)}: {path:.200}:"
        place = self._links.find(path)
        if place is None:
            return InputError(
                f"{named} a link that leads to /{self._links.lead('', path) or '...'} in the image, out of the project",
                next_step="put the file itself into the project",
            )
        for one in dict.fromkeys((path, place)):
            leads = "" if one == path else f" {one}, to which it leads, is"
            if self._keeps(one):
                continue
            parts = one.split("/")
            above = ("/".join(parts[: depth + 1]) for depth in range(len(parts)))
            if never := next((path for path in above if is_never(str(self.root), path)), ""):
                name = never.rpartition("/")[2]
                return InputError(f"{named}{leads} left out, as {name} always is", next_step="move the file")
            if cache := self._caches.above(one):
                return InputError(f"{named}{leads} in {cache}, which is a cache", next_step="move the file")
            if not self._patterns.matches(one):
                return InputError(f"{named}{leads} in a virtual environment", next_step="move the file")
            return InputError(
                f"{named}{leads} left out by {_IGNORE_FILE}",
                next_step=f"add the line !{one} at the end of {_IGNORE_FILE}",
            )
        what = "no file" if os.path.lexists(self.root / place) else f"leads to {place}, which is not there"
        return InputError(f"{named} {what}", next_step="put the file there, or name another")

    def read(self, path: str) -> bytes | None:
        """Read a file; `None` where the image will have no such file. Links are followed, and nothing else of the
        project is looked at."""
        source = self._source(path)
        if source is None:
            return None
        with reading(path, "make it readable"), open_regular(self.root / source) as opened:
            data = opened.read(_MAX_SOURCE + 1)
        if len(data) > _MAX_SOURCE:
            raise InputError(
                f"{path}: more than {_MAX_SOURCE} bytes are too many for source code", next_step="shorten the file"
            )
        return data

    def place_of(self, path: Path) -> str | None:
        """Tell where in the project a file of this machine lies, if its image would have it."""
        place = os.path.relpath(os.path.realpath(path), self.root)
        is_there = not place.startswith("../") and holds(str(self.root), self._patterns, place)
        return place if is_there and self._keeps(place) else None

    def _source(self, path: str) -> str | None:
        root = str(self.root)
        if not os.path.lexists(f"{root}/{path.partition('/')[0]}"):  # who looks for modules asks for hundreds
            return None
        place = self._links.find(path)
        if place is None or not self._keeps(os.path.normpath(path)) or not self._keeps(place):
            return None
        return place if holds(root, self._patterns, place) else None

    def _keeps(self, path: str) -> bool:
        return keeps(str(self.root), self._patterns, path) and self._caches.above(path) is None

    def _resolved(self, path: str) -> ProjectFile | None:
        file = self._files.find(self._links.find(path) or "")
        return file if file is not None and file.kind == "file" else None

    @cached_property
    def _files(self) -> Files:
        return self._rules.find_pointers(str(self.root), self._listing.files)

    @cached_property
    def _listing(self) -> Listing:
        return list_files(str(self.root), self._patterns, self._links, self._caches, self._apart)

    @cached_property
    def _caches(self) -> Caches:
        return Caches(str(self.root), self.cache, self._patterns)

    def _of_cache(self, path: str) -> Iterator[Note]:
        """Say of a cache that was left out what else may have been meant to be in the image."""
        if self._caches.is_own(path):
            if others := foreign(self.root / path):
                text = f"{path}: left out, since it is this run's cache, and with it {', '.join(others[:3])}"
                yield Note(Code.CACHE_IN_PROJECT, f"{text}{' ...' if others[3:] else ''}")
        elif weights := self._weights_below(path):
            more = f" and {len(weights) - 1} more" if weights[1:] else ""
            text = f"{path}: left out, since its {TAG} says that it is a cache, and with it {weights[0]}{more}"
            yield Note(Code.CACHE_IN_PROJECT, f"{text}; the line !{path} in {_IGNORE_FILE} takes it in")

    def _weights_below(self, path: str) -> list[str]:
        found = []
        for directory, _, names in os.walk(self.root / path):
            for place in (Path(directory, name) for name in names):
                with suppress(OSError):  # it may be gone, or not be for us to look at
                    status = place.stat()
                    if stat.S_ISREG(status.st_mode):
                        relative = place.relative_to(self.root).as_posix()
                        found.append(ProjectFile(path=relative, kind="file", size=status.st_size))
        return sorted(file.path for file in found if self._rules.is_weight(file))

    @property
    def _apart(self) -> dict[Identity, str]:
        found = {}
        for path in self.outputs:
            with suppress(OSError):  # not there yet
                status = path.stat()
                found[status.st_dev, status.st_ino] = "this command's own output"
        return found | own_output()

    @cached_property
    def _links(self) -> Links:
        return Links(str(self.root), [weight.target for weight in self.config.weights])

    @cached_property
    def _rules(self) -> WeightRules:
        return WeightRules(self.config)

    @cached_property
    def _lfs(self) -> LfsAttributes:
        return LfsAttributes(self.root)

    def _read_code(self, path: str) -> bytes | None:
        file = self._resolved(path)
        return self.read(path) if file is not None and file.size <= _MAX_SOURCE else None

    @cached_property
    def _inputs(self) -> ProjectInputs:
        return read_inputs(self.root, self.config, config_name=self.config_path.name)

    @cached_property
    def _patterns(self) -> Patterns:
        try:
            data = read_small(self.root / _IGNORE_FILE)
        except FileNotFoundError:
            return Patterns([])
        if len(data) > MAX_CONFIG_BYTES:
            raise InputError(
                f"{_IGNORE_FILE}: more than {MAX_CONFIG_BYTES} bytes", next_step="write fewer and broader patterns"
            )
        try:
            return parse_ignore(decode_text(data), path=_IGNORE_FILE)
        except UnicodeDecodeError:
            raise InputError(f"{_IGNORE_FILE}: not UTF-8 text", next_step="save the file as UTF-8") from None


def read_small(path: Path) -> bytes:
    """Read all of a small file, and one byte more of one that is not: its reader refuses it then."""
    try:
        with open_regular(path) as opened:
            return opened.read(MAX_CONFIG_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: {reason}", next_step="make it a readable file") from error
