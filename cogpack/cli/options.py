"""This module has the options that commands share, and the types of arguments.

A `Topic` has those that mean the same in many commands; a function adds those of a few.
"""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path

from cogpack.cli.grammar import Add, Grammar, Topic
from cogpack.patterns import pattern
from cogpack.redaction import learn_environment

PLATFORMS = ("linux/amd64", "linux/arm64")
"""What a project can be packed for."""


PUSHED = "ghcr.io/me/model:v1"
"""An image, in examples."""
STORED = "HOST/NAME[:TAG|@DIGEST], or DIR[:NAME] of a layout"


def _project(add: Add) -> None:
    add("-C", "--directory", type=place, default=Path(), metavar="DIR", help="project directory [.]")
    add("-f", "--file", default="cog.yaml", metavar="NAME", help="config file [cog.yaml]")
    add("-j", "--jobs", type=jobs, default=4, metavar="N", help="layers at a time [4]")
    add("--locked", action="store_true", help="refuse a stale or missing lock [if $CI is set and a lock is there]")
    text = "ask no server but registries that are named: all else is in DIR, where cogpack fetch brought it"
    add("--offline", type=place, metavar="DIR", help=text)
    add("--paranoid", action="store_true", help="read every file again, whatever its times say")
    add("--cache-dir", type=place, metavar="DIR", help="downloads and facts [$COGPACK_CACHE_DIR]")


def _image(add: Add) -> None:
    add(
        "--platform",
        dest="made_for",  # other commands have a --platform that chooses among images
        action="extend",
        type=platforms,
        metavar="OS/ARCH[,...]",
        help="linux/amd64, linux/arm64 or both: an index of two images [cogpack.platforms of cog.yaml]",
    )
    text = "write it on the image's config, where docker inspect shows it"
    add("--label", action="append", default=[], metavar="KEY=VALUE", help=f"{text}; repeatable")
    text = "write it on the image's manifest, where registries look"
    add("--annotation", action="append", default=[], metavar="KEY=VALUE", help=f"{text}; repeatable")
    add("--git", action="store_true", help="write the commit on it: source, revision, version, time [cogpack.git]")
    text = "the model's OpenAPI document, in place of what its source says [$COG_OPENAPI_SCHEMA]"
    add("--openapi-schema", type=place, metavar="FILE", help=text)
    add(
        "--isolation",
        choices=("auto", "root", "userns", "chroot", "proot"),
        metavar="RUNG",
        help="how commands of build.run are kept from this machine [cogpack.isolation of cog.yaml, or auto]",
    )
    add(
        "--secret",
        action="append",
        default=[],
        type=secret,
        metavar="id=ID,src=FILE|env=NAME",
        help="what commands of build.run mount under this id; repeatable",
    )


def _container(add: Add) -> None:
    text = "see what the image would hold, not the project's directory, and keep nothing"
    add("--isolated", action="store_true", help=text)
    text = "keep nothing of what is written to ~/.cache, as models do that download"
    add("--no-kept-caches", dest="caches", action="store_false", help=text)
    add(
        "--shm-size",
        type=docker_size,
        default=6 * 2**30,
        metavar="SIZE",
        help="room in /dev/shm; g is 1024 MiB, as docker counts [6g]",
    )
    text = "run it by this engine [containers of our own]"
    add("--runtime", choices=("docker", "podman"), metavar="docker|podman", help=text)
    text = "GPUs, as docker takes them [all, where the image wants some and there are any]"
    add("--gpus", type=gpus, metavar="all|N|device=NAMES", help=text)


def _output(add: Add) -> None:
    add("--deny", action="append", default=[], metavar="CODE|all", help="make an error of such notes; repeatable")
    add("--allow", action="append", default=[], metavar="CODE", help="take such notes for notes; repeatable")
    add("--json", action="store_true", help="print the result as JSON")
    add("-q", "--quiet", action="store_true", help="no progress and no closing sum; notes and errors stay")
    text = "say what is decided and why; -vv: every request, too [all of it goes to the file $COGPACK_LOG]"
    add("-v", "--verbose", action="count", default=0, help=text)


def _connection(add: Add) -> None:
    hosts(add, "--insecure-registry", "allow plain http to this registry (loopback is always allowed)")
    hosts(add, "--insecure-credentials", "and send it credentials in the clear")
    add("--strict-realm", action="store_true", help="send credentials to token servers of the registry's domain only")
    hosts(add, "--allow-realm", "and to the one at this host; implies --strict-realm")
    add(
        "--registry-mirror",
        action="append",
        default=[],
        metavar="HOST=MIRROR",
        help="ask this one first for what HOST has by digest; repeatable [$COGPACK_REGISTRY_MIRROR]",
    )


def targets(added: Grammar, text: str = "where to") -> None:
    added.add_argument("targets", nargs="*", metavar="HOST/NAME[:TAG]", help=f"{text} [image: of cog.yaml]")
    added.add_argument("-t", "--tag", action="append", default=[], metavar="TAG", help="a tag there; repeatable")


def image_names(added: Grammar) -> None:
    text = "name of the image [image: of cog.yaml]; repeatable"
    added.add_argument("-t", "--tag", action="append", default=[], metavar="NAME[:TAG]", help=text)


def result_files(added: Grammar) -> None:
    added.add_argument("--digest-file", type=place, metavar="FILE", help="write the digest there, and no newline")
    added.add_argument("--metadata-file", type=place, metavar="FILE", help="write the result there, as buildx does")


def rebuild(added: Grammar) -> None:
    added.add_argument("--rebuild", action="store_true", help="make all layers anew, compare with lock and cache")


def what_is_locked(added: Grammar) -> None:
    what = added.add_mutually_exclusive_group()
    what.add_argument("-U", "--upgrade", action="store_true", help="take the newest of everything, ignoring old pins")
    what.add_argument(
        "-P", "--upgrade-package", action="append", default=[], metavar="NAME",
        help="take the newest of this wheel alone; repeatable",
    )  # fmt: skip
    what.add_argument("--from-image", metavar="REF", help="begin with the versions that an image of Cog's has")
    what.add_argument("--upgrade-format", action="store_true", help="take the newest image format, tell what it moves")
    what.add_argument("--upgrade-system", action="store_true", help="take Debian's security updates, and nothing else")
    what.add_argument("--check", action="store_true", help="write nothing; exit code 3 if the lock is stale or open")
    what.add_argument(
        "--check-run",
        action="store_true",
        help="run the commands of build.run twice; exit code 3, and which paths differ, unless both do the same",
    )
    what.add_argument("--check-libraries", action="store_true", help="read all wheels; tell which libraries lack")
    running = added.add_mutually_exclusive_group()
    running.add_argument("--run", action="store_true", help="run build.run, and write down what it changes")
    running.add_argument(
        "--upgrade-run", nargs="?", const=True, type=step, metavar="[N]",
        help="run and pin them anew; or build.run[N] alone",
    )  # fmt: skip


def no_tag_cache(added: Grammar) -> None:
    text = "take no tag's word for what a layer comes out as"
    added.add_argument("--no-tag-cache", dest="tag_cache", action="store_false", help=text)


def variables(added: Grammar) -> None:
    text = "a variable besides the image's; without a value, this machine's; repeatable"
    added.add_argument("-e", "--env", action="append", default=[], type=variable, metavar="NAME[=VALUE]", help=text)


def which_image(added: argparse._ActionsContainer) -> None:
    added.add_argument("--platform", metavar="OS/ARCH", help="which image of an index [linux/amd64]")


def as_page(added: Grammar) -> None:
    text = "draw it on a page, too: one file, which loads nothing"
    added.add_argument("--html", type=place, metavar="FILE", help=text)


def connections(added: Grammar) -> None:
    added.add_argument("-j", "--jobs", type=jobs, default=16, metavar="N", help="connections at a time [16]")


def registry_host(added: Grammar) -> None:
    added.add_argument("host", metavar="HOST", help="the registry, as in ghcr.io")


_SIZE = pattern(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?)(i?)b?", re.ASCII | re.IGNORECASE)

CONTAINER = Topic("container", "What a container sees and has of this machine. More in docs/run.md.", _container)
PROJECT = Topic("project", "Which project, and how it is read.", _project)
IMAGE = Topic("image", "What the image is for, and what is written on it. Equal digests need equal ones.", _image)
OUTPUT = Topic("output", "What is printed. Results go to standard output, all else to standard error.", _output)
CONNECTION = Topic("connection", "How registries are spoken to. More in docs/network.md.", _connection)
TOPICS = {topic.name: topic for topic in (PROJECT, IMAGE, CONTAINER, OUTPUT, CONNECTION)}


def place(text: str) -> Path:
    """Read a path. To `Path` nothing is the current directory: to a script it is a variable that was not set. Other
    programs take `-` for a standard stream, which here nothing is read from or written to."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found ''")
    if text == "-":
        raise argparse.ArgumentTypeError("expected a path, found '-', which stands for no stream here; ./- is a path")
    return Path(text)


def model(text: str) -> str:
    """Read what model is meant; `cog predict --json` takes inputs there."""
    if text.startswith(("{", "@")) or text == "-":
        raise argparse.ArgumentTypeError(f"expected REF or DIR, found {text!r:.100}; inputs are given by -i NAME=VALUE")
    return text


def platforms(text: str) -> list[str]:
    """Read platforms as buildx does, one or several between commas."""
    found = text.split(",")
    if unknown := [name for name in found if name not in PLATFORMS]:
        raise argparse.ArgumentTypeError(f"expected {' or '.join(PLATFORMS)}, found {unknown[0]!r}")
    return found


def variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE or NAME, found {text!r}")
    found = value if given else os.environ.get(name, "")
    learn_environment({name: found})  # before what was typed is traced
    return name, found


def secret(text: str) -> tuple[str, bytes]:
    """Read a secret where docker's `--secret` would: its id, and what it is."""
    fields = dict(field.partition("=")[::2] for field in text.split(","))
    name, source, variable = fields.pop("id", ""), fields.pop("src", fields.pop("source", "")), fields.pop("env", "")
    if not name or bool(source) == bool(variable) or fields.keys() - {"type"}:
        raise argparse.ArgumentTypeError(f"expected id=ID,src=FILE or id=ID,env=NAME, found {text!r}")
    if variable:
        if (value := os.environ.get(variable)) is None:
            raise argparse.ArgumentTypeError(f"the variable {variable} is not set")
        return name, os.fsencode(value)
    try:
        return name, Path(source).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{source}: {error.strerror}") from error


def hosts(add: Add, option: str, text: str) -> None:
    add(option, action="append", type=host, default=[], metavar="HOST", help=f"{text}; repeatable")


_DIGITS = 100
"""Of a number; Python reads some thousand."""


def _number(least: int, most: int, what: str) -> Callable[[str], int]:
    """Make what reads a whole number within bounds; `what` is expected, in words."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > _DIGITS or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected {what}, found {text!r:.80}")
        return int(text)

    return read


jobs = _number(1, 64, "1 to 64")
step = _number(0, 10_000, "the N of build.run[N]")
port = _number(0, 65535, "0 to 65535")
seconds = _number(1, 1_000_000, "a number of seconds")
days = _number(0, 36500, "a number of days")


def host(text: str) -> str:
    """Read HOST or HOST:PORT: what matches no host would be an option without effect."""
    if not text or "/" in text or "@" in text:
        raise argparse.ArgumentTypeError(f"expected HOST or HOST:PORT, found {text!r}")
    return text


_MOST = 2**50
"""Bytes that nobody has."""


def _sizes(thousand: int, least: int, example: str) -> Callable[[str], int]:
    """Make what reads a size: `20GB`, `1.5t`, `500MiB` or `1000000`. `thousand`: what k, M, G and T without an i count
    by."""

    def read(text: str) -> int:
        if found := _SIZE.fullmatch(text):
            power = " kmgt".index(found[2].lower() or " ")
            size = int(float(found[1]) * (1024 if found[3] else thousand) ** power)
            if least <= size <= _MOST:
                return size
        raise argparse.ArgumentTypeError(f"expected a size such as {example}, found {text!r:.80}")

    return read


room = _sizes(1000, 0, "20GB, 500MiB or 1000000 (bytes)")
size = _sizes(1000, 1, "20MB, 512MiB or 1000000 (bytes)")
docker_size = _sizes(1024, 1, "512m or 2g")  # as docker counts


def gpus(text: str) -> str:
    if not re.fullmatch(r"all|[0-9]{1,4}|[\"']?device=[\w.:,/=-]+[\"']?", text):
        raise argparse.ArgumentTypeError(f"expected all, a number or device=NAME,..., found {text!r}")
    return text


def published(text: str) -> tuple[str, int]:
    """Read a port of a container as cog does: PORT, or ADDRESS:PORT."""
    address, _, number = text.rpartition(":")
    return address.strip("[]") or "127.0.0.1", port(number)
