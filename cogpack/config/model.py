"""A `cog.yaml` has these values, checked. Nothing here is a default that the user could have meant otherwise:
what was not written is `None` or empty."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec

from cogpack.errors import InputError
from cogpack.model_files import Rule
from cogpack.notes import Note
from cogpack.patterns import pattern
from cogpack.policy import Rules


class SecretMount(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for a secret that one run step sees as a file. `id`: its name at the builder; `target`: its path in the
    step, absolute or from the directory in which that runs."""

    id: str
    target: str


class RunStep(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for one item of `build.run` or `build.pre_install`: one shell command, one line."""

    command: str
    secrets: tuple[SecretMount, ...] = ()


class WeightSource(msgspec.Struct, frozen=True, kw_only=True):
    """Says where managed weights come from; `include` and `exclude` are globs over their file names."""

    uri: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class ManagedWeight(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for an item of `weights`: the sources' files, at the absolute path `target` of the image."""

    name: str
    target: str
    sources: tuple[WeightSource, ...]


Suite: TypeAlias = Literal["bookworm", "trixie"]
"""A release of Debian that an image can be made of."""
DEFAULT_PYTHON = "3.13"
PYTHONS: Mapping[Suite, str] = {"bookworm": "3.11", "trixie": "3.13"}
"""The suites, and the Python that is each one's python3."""

Arch: TypeAlias = Literal["linux/amd64", "linux/arm64"]
"""A platform that images are made for."""
PLATFORMS: tuple[Arch, ...] = get_args(Arch)
Isolation: TypeAlias = Literal["auto", "root", "userns", "chroot", "proot"]
"""How the commands of `build.run` are kept from this machine; see `docs/sandbox.md`."""
BuildWheels: TypeAlias = Literal["auto", "host", "never"]
"""Where sources become wheels; see `docs/sources.md`."""
NoneDefault: TypeAlias = Literal["optional", "required"]
"""What an input is whose default is a None that its type does not have; see `docs/image.md`."""
PLAIN_TORCH_INDEX = "pypi"
"""What torch's index is called where torch comes from the one that all other packages come from."""
TORCH_INDEX = pattern(r"cpu|cu[0-9]{2,3}")
"""What PyTorch calls those of its indexes that are of builds for CPU and for NVIDIA's GPUs."""
SplitRule: TypeAlias = Literal["auto"] | Rule
"""What a glob of `cogpack.weights.split` asks for."""


class PackWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for `cogpack.weights`: which project files are weights, against what name and size (bytes) say, and how
    they are split.

    The globs are in the language of `.dockerignore`; `exclude` wins over `include`. `split`: pairs of glob and rule,
    of which the last that matches decides; what none matches is `auto`. `layer_size`: bytes that weights are split to.
    `compression`: zstd where a probe of the content says that it pays.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_size: int | None = None
    split: tuple[tuple[str, SplitRule], ...] = ()
    layer_size: int | None = None
    compression: Literal["none", "zstd"] = "none"


class DebianChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for `cogpack.base` where the base is Debian's own packages. `suite`: None where it is left open; `slim`:
    without a shell and apt."""

    suite: Suite | None = None
    slim: bool = False


class StepLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for `cogpack.limits`: what a step of `build.run` may take. `time` and `idle`: seconds, from its start and
    in which it neither writes anything nor computes; `size`: bytes that it may write."""

    time: int = 6 * 60 * 60
    idle: int = 30 * 60
    size: int = 100_000_000_000


class AptArchive(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for an item of `cogpack.apt`: an archive of Debian packages, by the words of sources.list(5).

    `key`: a file of the project, or an address; `fingerprint`: of the one certificate in it that is meant, in small
    hex digits.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    key: str
    fingerprint: str | None = None

    @property
    def key_file(self) -> str | None:
        """Tell the path of the key, as seen from cog.yaml, if it is a file."""
        return None if "://" in self.key else self.key


class SharedLayers(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for `cogpack.shared_layers`: repositories in which models find each other's layers. `source` (`from`): the
    one that is asked, `publish`: the one that is told, as `HOST/NAME`; `keys`: files of the project with the OpenPGP
    certificates whose word counts; `trust`: of whom else it does, with `repository` of all who can write there."""

    source: str | None = None
    publish: str | None = None
    keys: tuple[str, ...] = ()
    trust: Literal["keys", "repository"] = "keys"


class PackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for the top-level `cogpack` mapping, which Cog does not read.

    `cuda_toolkit`: who has the compiler of CUDA, the build of wheels alone or the image, too.
    `exclude_newer`: an RFC 3339 time; wheels uploaded later are not seen. `base`: a registry reference; None where
    Debian's packages are the base, of which `debian` says more. `apt`: archives beside Debian's. `extras` and
    `dependency_groups`: what counts of a pyproject.toml or another tool's lock, by normalised names. `debian_snapshot`:
    such a time; Debian is what it was then. `debian_base_from`: a lock, by its path, whose Debian base is taken;
    `constraints_from`: one whose wheels' versions are, and its base where it fits. `clashes`: what files are that two
    wheels hold differently. `torch_index`: where torch comes from, `pypi` or an index of PyTorch's; `cuda`: whether
    another CUDA or cuDNN than the one asked for is an error. `git`: the image says of which commit it is; `isolation`:
    how steps of `build.run` are run; `network`: whether they have one; `init`: whether the first process is tini, where
    the base has it; `user`: whom the model runs as; `keep`: paths that are captured after them though their like is
    left out. `none_default`: what an input is whose default is a None that its type does not have. `build_wheels`:
    where sources become wheels. `bytecode`: whether the image has that of its Python files; None: where it can.
    `compiler`: whether it has one for a model that compiles when it runs; None: where that is found.
    `shared_layers`: where other models' layers are found. `recommends`: what `system_packages` recommend is installed
    as well. `tools`: which of those that Cog's images have unasked the image has
    beside these, all or none; None: those that are found to be wanted. `notes`: those that are denied or allowed.
    """

    base: str | None = None
    debian: DebianChoice = DebianChoice()
    platforms: tuple[Arch, ...] = ("linux/amd64",)
    compression: Literal["gzip", "zstd"] = "gzip"
    apt: tuple[AptArchive, ...] = ()
    debian_mirror: str | None = None
    debian_snapshot: str | None = None
    debian_base_from: str | None = None
    constraints_from: str | None = None
    exclude_newer: str | None = None
    extras: tuple[str, ...] = ()
    dependency_groups: tuple[str, ...] = ()
    clashes: Literal["note", "error"] = "note"
    torch_index: str | None = None
    cuda: Literal["note", "strict"] = "note"
    git: bool = False
    isolation: Isolation = "auto"
    build_wheels: BuildWheels = "auto"
    cuda_toolkit: Literal["build", "image"] | None = None
    bytecode: bool | None = None
    compiler: bool | None = None
    network: bool = True
    limits: StepLimits = StepLimits()
    keep: tuple[str, ...] = ()
    none_default: NoneDefault = "optional"
    recommends: bool = True
    init: bool = True
    user: str | None = None
    tools: Literal["cog", "none"] | None = None
    notes: Rules = Rules()
    shared_layers: SharedLayers = SharedLayers()
    weights: PackWeights = PackWeights()

    @property
    def platform(self) -> Arch:
        """Give the one platform that an image is for; `InputError` where there are several: most acts are for one."""
        if len(self.platforms) > 1:
            raise InputError(
                f"the project is for {', '.join(self.platforms)}, and this is done for one of them",
                next_step=f"name it: --platform {self.platforms[0]}",
            )
        return self.platforms[0]


class Place(NamedTuple):
    """Is where something stands in a `cog.yaml`, as messages begin with it: `cog.yaml:3:5`, both counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a whole `cog.yaml`.

    `predict` and `train` are references such as `predict.py:Predictor`; `image` is `image` or `model`, as written.
    Versions keep the text they were written with. `notes`: each `cog.yaml:LINE: ...`. `places`: by the dotted path of
    each key that was read, where it stands. `meant`: by a key that nobody wrote, the one that it comes from.
    """

    predict: str | None = None
    train: str | None = None
    image: str | None = None
    gpu: bool = False
    cuda: str | None = None
    cudnn: str | None = None
    python_version: str | None = None
    python_requirements: str | None = None
    python_packages: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    run: tuple[RunStep, ...] = ()
    sdk_version: str | None = None
    concurrency: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    weights: tuple[ManagedWeight, ...] = ()
    traces: bool = False
    pack: PackOptions = PackOptions()
    notes: tuple[Note, ...] = ()
    places: Mapping[str, Place] = {}
    meant: Mapping[str, str] = {}

    @property
    def python_minor(self) -> str:
        """Tell the Python that is asked for, or that is taken where none is: a suite's own, where that is named."""
        suite = self.pack.debian.suite
        taken = PYTHONS[suite] if suite else DEFAULT_PYTHON
        return ".".join((self.python_version or taken).split(".")[:2])

    @property
    def debian_pythons(self) -> tuple[str, ...]:
        """Tell which ones would come from Debian: none over an image."""
        suite = self.pack.debian.suite
        return () if self.pack.base else (PYTHONS[suite],) if suite else tuple(sorted(PYTHONS.values()))

    def where(self, key: str) -> str:
        """Say what messages about `key` begin with: "cog.yaml:3:5: build.cuda", without the line where it is not
        written."""
        key = self.meant.get(key, key)
        return f"{self.places.get(key, 'cog.yaml')}: {key}"

    def line(self, key: str) -> int:
        """Tell the line of the config where `key` stands; 0 where it is not written."""
        return self.places[key].line if key in self.places else 0


LOCK = "cogpack.lock"
"""That of cog.yaml."""


def lock_name(config: str) -> str:
    """Give the name of the lock that lies beside the config file `config`, as PEP 751 has `pylock.NAME.toml`:
    "cogpack.blur.lock" beside "blur.yaml", "cogpack.blur.yml.lock" beside "blur.yml"."""
    return LOCK if config == "cog.yaml" else f"cogpack.{config.removesuffix('.yaml')}.lock"


def is_lock(name: str) -> bool:
    """Tell whether a path, relative to a project's root, is called as a lock, of whichever config."""
    return name.startswith("cogpack.") and name.endswith(".lock") and "/" not in name


def configs_of(lock: str) -> tuple[str, ...]:
    """Name the configs whose lock is called `lock`, as `is_lock` has it; one at most is to be there."""
    name = lock.removeprefix("cogpack.").removesuffix(".lock")
    return ("cog.yaml",) if lock == LOCK else (f"{name}.yaml", *(() if name.endswith(".yaml") else (name,)))
