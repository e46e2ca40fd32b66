"""Notes tell what a user should know although the work goes on, each under a code that stays the same.

The codes are an interface: pipelines allow and deny them by name. They are kept when texts change.
"""

import enum
from typing import Self

import msgspec

from cogpack.redaction import redact


class Code(enum.StrEnum):
    """The kinds of notes, by what was found. `meaning` is the sentence that documents one."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        code = str.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    BASE_OUTDATED = "base-outdated", "Debian has security updates of the base that another lock says."
    BOUND_ADDED = (
        "bound-added",
        "An older version is taken: with the newest, which its publishers would let in, another package does not work.",
    )
    BOUND_BROKEN = (
        "bound-broken",
        "A version that is asked for does not work beside that of another package, though their publishers let it.",
    )
    BROKEN_MODEL = "broken-model", "A dataclass, as those of cog.BaseModel are, which Python refuses at import."
    BUILD_COMPILER = (
        "build-compiler",
        "A source was compiled with Debian's gcc where it was built: the image has no compiler.",
    )
    BUILD_TOOLS_KEPT = (
        "build-tools-kept",
        "An archive does not answer: the compilers that builds alone have stay as the lock has them.",
    )
    CACHE_IN_PROJECT = "cache-in-project", "A directory of the project is a cache and was left out, with what it holds."
    CACHE_PLACE_IGNORED = "cache-place-ignored", "A setting names no place that a cache can have."
    CACHE_UNWRITABLE = "cache-unwritable", "The cache can't be written: the next run has to learn the same again."
    CLASH = "clash", "Two wheels hold a file of one path with different bytes; one of them is in the image."
    COG_OPTION = (
        "cog-option",
        "An option or a variable of Cog means nothing here, or something else; it was taken all the same.",
    )
    COG_REFUSES = "cog-refuses", "The model serves this here, but `cog build` would refuse it."
    COPY_LOST = "copy-lost", "Another registry had a layer and did not give it right: the layer was made here instead."
    CREDENTIALS_FILE = "credentials-file", "A file with a login, token or password goes into the image."
    CREDENTIALS_LEFT = "credentials-left", "After a logout there are still credentials that would be used."
    CREDENTIALS_SHADOWED = "credentials-shadowed", "A login was kept, but another source of credentials goes before it."
    CREDENTIALS_SKIPPED = "credentials-skipped", "A source of credentials is broken and was passed over."
    CREDENTIALS_UNTRIED = "credentials-untried", "A login was kept without a trial: the registry asks for none."
    CUDA_ADDED = "cuda-added", "Wheels of CUDA are added for one that loads its libraries and requires none."
    CUDA_MISSING = "cuda-missing", "A wheel loads libraries of CUDA, which no wheel brings and none could be added for."
    CUDA_OF_WHEELS = "cuda-of-wheels", "The wheels bring another version of CUDA or cuDNN than the one asked for."
    DEPRECATED_KEY = "deprecated-key", "A key of cog.yaml works, but Cog has deprecated it."
    DIRTY_TREE = "dirty-tree", "The image names a commit, but some of its files differ from it."
    ELSEWHERE = (
        "elsewhere",
        "A wheel that no index has is taken from where its publisher has it, for the torch of the image.",
    )
    ENVIRONMENT_FILE = "environment-file", "A file of environment variables, as .env, goes into the image."
    ENVIRONMENT_VALUE = (
        "environment-value",
        "A value of the schema is read from the environment by the source: its fallback is taken.",
    )
    EXECUTABLE_STACK = (
        "executable-stack",
        "A library of a wheel asks for an executable stack, which the base's C library refuses: it will not load.",
    )
    FOREIGN_LAYER = "foreign-layer", "A copied image keeps a layer where its URL says, outside of the registry."
    HIDDEN_MODULE = "hidden-module", "A file of the project hides a module that the server or Python itself needs."
    IGNORED_CONSTRAINT = "ignored-constraint", "A limit of an input has no effect on its type."
    IGNORED_MOUNT = "ignored-mount", "A mount of a run step is of a kind that has no effect."
    IGNORED_REQUIREMENT = "ignored-requirement", "A line or option of a requirements file has no effect here."
    INCOMPLETE_COPY = "incomplete-copy", "The source lists something that it does not have in full: it was left out."
    INCOMPLETE_WEIGHTS = "incomplete-weights", "An index, or a name that counts, tells of weights that are not there."
    LARGE_FILES = (
        "large-files",
        "Files of git-lfs in a repository could not be had: a wheel that is built of it has pointers in their place.",
    )
    LAYER_ABOVE_LIMIT = "layer-above-limit", "A layer is larger than what the registry is known to take."
    LINKS_MISSING = (
        "links-missing",
        "A directory that --find-links names is not there: it was passed over.",
    )
    LOCK_LACKS_PLATFORM = "lock-lacks-platform", "The lock has other platforms only: this one is resolved."
    LOCK_LEFT = (
        "lock-left",
        "The config has no lock; nothing is taken of one whose config is gone.",
    )
    LOCK_STALE = "lock-stale", "The lock was made from other inputs and is resolved anew."
    LOCK_UNREAD = "lock-unread", "The lock can't be read; the schema, or what layers hold, is told without it."
    LOCK_UNWRITTEN = "lock-unwritten", "The lock was resolved for this run only: this command writes nothing."
    MIRROR_DOWN = "mirror-down", "A mirror failed and is not asked any more in this run."
    MISSING_EXTRA = "missing-extra", "The chosen version of a package does not have the extra that is asked for."
    MISSING_IMPORT = (
        "missing-import",
        "Sources import a module that nothing in the image has: it fails as soon as the model is loaded.",
    )
    MISSING_LIBRARY = (
        "missing-library",
        "A module of a wheel is linked with a library that the image lacks, or has in too old a version.",
    )
    MISSING_PACKAGE = (
        "missing-package",
        "Sources or a wheel start a program, or load a library, that no package of the image has.",
    )
    MISSPELT_KEY = "misspelt-key", "A key of cog.yaml is not known, has no effect, and looks like one that has."
    NO_DEFAULT = (
        "no-default",
        "An input's default can't be told without running the code: the schema has none, and it may be left out.",
    )
    NO_DESCRIPTION = "no-description", "An input's description can't be told without running the code: it is left out."
    NO_GPU = "no-gpu", "A model that wants a GPU runs where there is none."
    NO_LIMIT = "no-limit", "A limit of an input can't be told without running the code: the schema has none."
    NO_REPO_DIGEST = "no-repo-digest", "Docker has the image, but does not know it by its digest."
    NO_SHELL = "no-shell", "Sources start a shell, and the slim base has none."
    NO_SOURCE = "no-source", "The image names a commit, but no remote says where others get it."
    NONE_DEFAULT = (
        "none-default",
        "An input has None as its default, which its type does not have: it may be left out, though Cog requires it.",
    )
    NOT_ATTACHED = "not-attached", "A registry does not keep the lock and the SBOM beside the image that it has."
    OLD_SOURCE = "old-source", "A source was built with other tools than it asks for: it is older than those of today."
    OUTAGE = "outage", "A server does not answer; it is asked again for some minutes."
    OUTPUT_IN_PROJECT = "output-in-project", "What a model gave was written into the project: its next image has it."
    OWN_OUTPUT = "own-output", "What a run of cogpack writes lies in the project and was left out of the image."
    PACKAGE_OF_WHEELS = (
        "package-of-wheels",
        "A package is left out: a wheel, or the Python that is laid over the base, brings what is in it.",
    )
    PACKAGE_RENAMED = "package-renamed", "Debian has a package under another name, which is taken instead."
    PASSING_INDEX = "passing-index", "Wheels come from an index that deletes them after a time, as nightly builds."
    PLAIN_PATH = "plain-path", "An input is a pathlib path: coglet hands the URL over as text."
    PLATFORM_STALE = "platform-stale", "Another platform was taken out of the lock: its inputs have changed."
    PRIVATE_KEY = "private-key", "A private key goes into the image."
    PROJECT_COPIED = "project-copied", "A container has a copy of the project: what is written there is lost."
    PYTHON_LAID = "python-laid", "The base that is named has another Python; the one asked for is laid over it."
    PYTHON_PATCH = "python-patch", "The base has another patch release of Python than the one asked for."
    REGISTRY_ASSUMED = "registry-assumed", "An image's name has no registry in it: Docker Hub is taken."
    REGISTRY_FINISHING = "registry-finishing", "All bytes are sent, and the registry takes long to finish the blob."
    REGISTRY_UNASKED = "registry-unasked", "A registry could not be asked, so what a push would move is not known."
    RELATIVE_IMPORT = "relative-import", "The predictor's file has a relative import, which fails in the container."
    RELEASE_OLDER = (
        "release-older",
        "An archive's Release is older than the one that the lock has seen: a mirror is behind, or keeps updates back.",
    )
    REPOSITORY_MADE = "repository-made", "The repository was made, since the registry wants that before a push."
    REQUIREMENT_BROKEN = "requirement-broken", "A command of `build.run` left a package without what it requires."
    RESULTS_UNWRITTEN = "results-unwritten", "What the layers came out as can't be written into the lock."
    SCRIPTS_UNREAD = "scripts-unread", "Packages' maintainer scripts can't be looked at before the layer is made."
    SEAL_IGNORED = (
        "seal-ignored",
        "The key that tells what this user wrote is open to others, or another's: what earlier runs kept is made anew.",
    )
    SETUPTOOLS_MISSING = (
        "setuptools-missing",
        "No setuptools can be had, with which Python comes before 3.12: the image has none.",
    )
    SHARED_DIFFERS = "shared-differs", "A layer was not published: another one stands under its key, and stays."
    SHARED_REFUSED = "shared-refused", "An offer of a shared layer counts for nothing here: the layer is made."
    SHARED_UNASKED = "shared-unasked", "The repository of shared layers can't be asked: what it has is made here."
    SHARED_UNPUBLISHED = "shared-unpublished", "Layers that were to be published are not, or not all of them."
    SHARED_VOUCHED = (
        "shared-vouched",
        "Nobody but a repository of shared layers, to which others may write, says what a layer comes out as.",
    )
    SPECIAL_FILE = "special-file", "A socket, pipe or device of the project was left out of the image."
    STEP_UNWRITTEN = (
        "step-unwritten",
        "A file that GitHub's runner reads, of the step's outputs or its summary, can't be written.",
    )
    SUITE_OF_WHEEL = "suite-of-wheel", "An older Debian is taken: a library of a wheel does not load on the usual one."
    TAG_MOVED = "tag-moved", "Another push moved the tag right behind this one."
    TAG_VOUCHED = (
        "tag-vouched",
        "Nobody but the target's tag, which others may move, says what a layer comes out as.",
    )
    TORCH_INDEX = "torch-index", "A build of torch is taken from another index than its version was written for."
    TRAIN_ALONE = "train-alone", "A class has train, but nothing that coglet could start it with."
    UNKNOWN_KEY = "unknown-key", "A key of cog.yaml is not known and has no effect."
    UNSOUND_WEIGHTS = "unsound-weights", "A file of weights is not what its name says: empty, cut off, something else."
    UNUSED_SETTING = "unused-setting", "A setting of cog.yaml has no effect in this project."
    VERSION_AS_FILE = "version-as-file", "A > before a version is not quoted: the shell makes a file of that name."
    WHEELS_NOT_LEFT = (
        "wheels-not-left",
        "Wheels that were built are not left beside the image: who has no cache builds them again.",
    )
    WRAPPED_METHOD = "wrapped-method", "The method is wrapped or renamed in its class: the schema is of it as written."
    YANKED = "yanked", "A chosen release was taken back by its publisher."


class Note(msgspec.Struct, frozen=True):
    """One line for the user: `text` names the place first, as `cog.yaml:3: ...`, where there is one; no secret is in
    it."""

    code: Code
    text: str

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "text", redact(self.text))

    def __str__(self) -> str:
        return self.text
