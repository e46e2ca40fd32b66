"""What a `cog.yaml` may say is told to editors, as a JSON schema (draft-07, which their YAML servers read).

It says what a key is for, its type, its words and its default. Rules that lie between keys, such as `image` beside
`model`, are the parser's alone. The parser takes a little more: a key without a value, blanks around a word, and the
truth as YAML 1.1 writes it (`yes`, `on`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, get_args

import msgspec

from cogpack.config.model import (
    DEFAULT_PYTHON,
    PYTHONS,
    Arch,
    BuildWheels,
    Isolation,
    NoneDefault,
    PackOptions,
    Suite,
)
from cogpack.model_files import Rule
from cogpack.notes import Code
from cogpack.policy import ALL

Schema: TypeAlias = dict[str, Any]

_PACK = PackOptions()


def config_schema() -> Schema:
    """Make the schema of a whole cog.yaml."""
    top = {
        "build": _mapping("What the image is built of.", _BUILD),
        "run": _target("The predictor, FILE.py:NAME; older files call it predict."),
        "predict": _target("The predictor, FILE.py:NAME; Cog calls it run by now."),
        "train": _target("The trainer, FILE.py:NAME."),
        "image": _text("Where `cogpack push` sends the image: HOST/NAME[:TAG]."),
        "model": _text("Where the image and its managed weights belong: HOST/NAME, without a tag."),
        "concurrency": _mapping(
            "Predictions at once.",
            {"max": _whole("How many; more than 1 wants an async predictor and Python 3.11.", minimum=1, default=1)},
        ),
        "environment": _list(
            "Variables of the running model, each NAME=VALUE.", _text("NAME=VALUE.", pattern=r"^[^\s=]+=")
        ),
        "weights": _list("Managed weights: put into the image at their targets, pinned in the lock.", _WEIGHT),
        "observability": _mapping(
            "What the model tells of itself.",
            {"traces": _mapping("OpenTelemetry traces.", {"enabled": _switch("Send them.", default=False)})},
        ),
        "cogpack": _mapping("What cogpack is told and Cog does not read.", _OURS, strict=True),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cog.yaml, as cogpack reads it",
        "type": "object",
        "properties": top,
    }


def schema_text() -> str:
    """Write the schema as a file that people read, too."""
    return msgspec.json.format(msgspec.json.encode(config_schema(), order="deterministic"), indent=2).decode() + "\n"


def config_keys() -> Mapping[str, str]:
    """Tell of every key, by its dotted path, what it is for, its words, and its default."""
    return dict(_keys("", config_schema()))


def _keys(path: str, schema: Schema) -> Iterator[tuple[str, str]]:
    if path and "description" in schema:
        yield path, schema["description"] + _choices(schema)
    for name, inner in schema.get("properties", {}).items():
        yield from _keys(f"{path}.{name}".lstrip("."), inner)
    if "properties" in (items := schema.get("items", {})):
        yield from _keys(f"{path}[]", items)


def _choices(schema: Schema) -> str:
    words = [str(word).lower() if isinstance(word, bool) else word for word in schema.get("enum", [])]
    told = [f"one of {', '.join(words)}"] if words else []
    if "default" in schema:
        default = schema["default"]
        told.append(f"default: {str(default).lower() if isinstance(default, bool) else default}")
    return f" [{'; '.join(told)}]" if told else ""


def _text(description: str, **more: str) -> Schema:
    """A scalar: numbers and the like count as the text they are written with."""
    return {"description": description, "type": ["string", "number", "boolean"], **more}


def _words(description: str, words: Sequence[str], **more: str) -> Schema:
    return {"description": description, "enum": list(words), **more}


def _switch(description: str, **more: bool) -> Schema:
    return {"description": description, "type": "boolean", **more}


def _whole(description: str, **more: int) -> Schema:
    return {"description": description, "type": "integer", **more}


def _list(description: str, items: Schema) -> Schema:
    return {"description": description, "type": "array", "items": items}


def _mapping(
    description: str, properties: Mapping[str, Schema], *, required: Sequence[str] = (), strict: bool = False
) -> Schema:
    """`strict`: what it does not know is refused; elsewhere a note tells of it, as Cog ignores it."""
    schema: Schema = {"description": description, "type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return schema | {"additionalProperties": False} if strict else schema


def _target(description: str) -> Schema:
    return _text(description, pattern=r"\.py:[^\s:]+\s*$")


_GLOB = _text("A pattern as in .dockerignore.")
_SOURCE = _mapping(
    "Where weights come from.",
    {
        "uri": _text("hf://OWNER/NAME, s3://, gs://, https://, file:// or a path."),
        "include": _list("Only files that match one of these.", _GLOB),
        "exclude": _list("No file that matches one of these.", _GLOB),
    },
    required=["uri"],
)
_WEIGHT = _mapping(
    "Weights that cogpack brings.",
    {
        "name": _text("How they are called: lowercase letters and digits, joined by '.', '_' or '-'."),
        "target": _text("The directory of the image that they lie in, an absolute path.", pattern="^ */"),
        "source": {
            "description": "Where they come from: one source, or a list of them.",
            "anyOf": [_SOURCE, {"type": "array", "items": _SOURCE, "minItems": 1}],
        },
    },
    required=["name", "target", "source"],
)
_COMMAND = _text("A shell command, in one line.")
_STEP = {
    "anyOf": [
        _COMMAND,
        _mapping(
            "A shell command with secrets.",
            {
                "command": _COMMAND,
                "mounts": _list(
                    "Secrets that this command sees as files.",
                    _mapping(
                        "A secret.",
                        {
                            "type": _text("secret; nothing else is mounted."),
                            "id": _text("What it is called at the builder."),
                            "target": _text("The path of its file, absolute or from where the command runs."),
                        },
                    ),
                ),
            },
            required=["command"],
        ),
    ]
}
_BUILD: Mapping[str, Schema] = {
    "gpu": _switch(
        "The model wants a GPU: builds for CUDA are taken, and variables of NVIDIA's are set.", default=False
    ),
    "python_version": _text(
        "MAJOR.MINOR or MAJOR.MINOR.PATCH, in quotes; "
        + " and ".join(f"{python} is Debian's own of {suite}" for suite, python in PYTHONS.items())
        + ".",
        default=DEFAULT_PYTHON,
    ),
    "python_requirements": _text("A requirements file, pyproject.toml, uv.lock or pylock.toml of the project."),
    "python_packages": _list("Requirements; deprecated by Cog for python_requirements.", _text("A requirement.")),
    "system_packages": _list(
        "Debian packages.", _text("The name of a package, perhaps with =VERSION, >=VERSION or /SUITE.")
    ),
    "run": _list("Shell commands that are run once, when the lock is made.", _STEP),
    "pre_install": _list("Deprecated by Cog: commands that are run after those of run.", _COMMAND),
    "cuda": _text("The CUDA that is wanted, such as 12.4."),
    "cudnn": _text("The cuDNN that is wanted, such as 9."),
    "sdk_version": _text("The version of Cog's own package, 0.16.0 or newer, or prerelease."),
}
_TIME = "a date, whose midnight (UTC) is meant, or a time as RFC 3339 has it"
_OURS: Mapping[str, Schema] = {
    "base": _text(
        "What the image stands on: "
        + ", ".join(["debian", "debian:slim", *(f"debian:{suite}" for suite in get_args(Suite))])
        + ", or an image of a registry.",
        default="debian",
    ),
    "platform": _words("The platform that the image is for.", get_args(Arch), default=_PACK.platform),
    "platforms": _list(
        "In its place: those that there is an image for, each, and an index of them.",
        _words("One of them.", get_args(Arch)),
    )
    | {"minItems": 1},
    "compression": _words(
        "How layers are compressed; zstd needs Docker 23 or newer.", ("gzip", "zstd"), default=_PACK.compression
    ),
    "apt": _list(
        "Archives of Debian packages beside Debian's own, by the words of sources.list(5).",
        _mapping(
            "An archive.",
            {
                "uri": _text("Its http or https address."),
                "suites": _list("Its suites, or ./ of an archive without any.", _text("A suite.")),
                "components": _list("Its components, such as main.", _text("A component.")),
                "key": _text("The key that signs it: a file of the project, or an address beside a fingerprint."),
                "fingerprint": _text("That of the one key that is meant, 40 hex digits."),
            },
            required=["uri", "suites", "key"],
            strict=True,
        ),
    ),
    "debian_mirror": _text("The http or https address of a mirror of Debian.", pattern="^ *https?://"),
    "debian_snapshot": _text(f"Debian is what it was then: {_TIME}."),
    "debian_base_from": _text("The path of a lock whose Debian base is taken."),
    "constraints_from": _text("The path of a lock whose versions of wheels are taken, and its base where it fits."),
    "exclude_newer": _text(f"Wheels that were uploaded later are not seen: {_TIME}."),
    "extras": _list("Extras of the pyproject.toml, uv.lock or pylock.toml.", _text("An extra.")),
    "dependency_groups": _list("Dependency groups of the same.", _text("A group.")),
    "clashes": _words(
        "What it is that two wheels hold one file differently.", ("note", "error"), default=_PACK.clashes
    ),
    "torch_index": _text(
        "Where torch comes from: pypi, cpu, or an index of PyTorch's such as cu121.",
        pattern="^ *(pypi|cpu|cu[0-9]{2,3}) *$",
    ),
    "cuda": _words(
        "Whether another CUDA or cuDNN than build.cuda asks for is an error.", ("note", "strict"), default="note"
    ),
    "cuda_toolkit": _words("Who has the compiler of CUDA: the build of wheels, or the image, too.", ("build", "image")),
    "git": _switch("The image says of which commit it is.", default=_PACK.git),
    "isolation": _words(
        "How commands of build.run are kept from this machine.", get_args(Isolation), default=_PACK.isolation
    ),
    "build_wheels": _words("Where sources become wheels.", get_args(BuildWheels), default=_PACK.build_wheels),
    "bytecode": _switch(
        "The image has bytecode of its Python files; default: where that takes no image of others; true: there, too."
    ),
    "compiler": {
        "description": "The image has a compiler; auto: where something is found to compile when the model runs.",
        "enum": ["auto", True, False],
        "default": "auto",
    },
    "network": _switch("Commands of build.run have a network.", default=_PACK.network),
    "limits": _mapping(
        "What a command of build.run may take.",
        {
            "time": _whole("Seconds from its start.", minimum=1, default=_PACK.limits.time),
            "idle": _whole(
                "Seconds in which it neither writes anything nor computes.", minimum=1, default=_PACK.limits.idle
            ),
            "size": _whole("Bytes that it may write.", minimum=1, default=_PACK.limits.size),
        },
        strict=True,
    ),
    "keep": _list(
        "What build.run leaves there is captured, though its like is left out.",
        _text("An absolute path of the image.", pattern="^ */"),
    ),
    "none_default": _words(
        "What an input is whose default is a None that its type does not have.",
        get_args(NoneDefault),
        default=_PACK.none_default,
    ),
    "recommends": _switch("What system_packages recommend is installed, too.", default=_PACK.recommends),
    "init": _switch("The first process is tini, where the base has it.", default=_PACK.init),
    "user": _text('Whom the model runs as: UID or "UID:GID".', pattern="^ *[0-9]{1,9}(:[0-9]{1,9})? *$"),
    "tools": _words(
        "Which packages of Cog's own image it has unasked: all of them, none, or those that are found to be wanted.",
        ("auto", "cog", "none"),
        default="auto",
    ),
    "notes": {
        "description": "Which notes end a command, and which do not.",
        "type": "object",
        "propertyNames": {"enum": [*sorted(Code), ALL]},
        "additionalProperties": {"enum": ["deny", "allow"]},
    },
    "shared_layers": _mapping(
        "Where layers are found that another model's push made.",
        {
            "from": _text("The repository that is asked for them, HOST/NAME."),
            "publish": _text("The repository that push --publish-layers writes them to, HOST/NAME."),
            "keys": _list("Whose word counts.", _text("A file of the project with an OpenPGP certificate.")),
            "trust": _words(
                "Whose word counts besides the lock's: that of keys, or of all who may write to the repository.",
                ("keys", "repository"),
                default=_PACK.shared_layers.trust,
            ),
        },
        strict=True,
    ),
    "weights": _mapping(
        "Which files are weights, beyond what name and size tell, and how they are split over layers.",
        {
            "include": _list("Files that are.", _GLOB),
            "exclude": _list("Files that are not; these win.", _GLOB),
            "min_size": _whole("Bytes that a file has at least to be one.", minimum=0),
            "split": {
                "description": "By what they are split: one rule, or a mapping from globs to rules.",
                "anyOf": [
                    {"enum": ["auto", *get_args(Rule)]},
                    {"type": "object", "additionalProperties": {"enum": ["auto", *get_args(Rule)]}},
                ],
            },
            "layer_size": _whole("Bytes of a layer that weights are split to.", minimum=1024 * 1024),
            "compression": _words(
                "zstd where a probe of the content says that it pays.",
                ("none", "zstd"),
                default=_PACK.weights.compression,
            ),
        },
        strict=True,
    ),
}
