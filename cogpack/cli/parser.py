"""This module lists what `cogpack` takes on its command line."""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial

from cogpack import __version__
from cogpack.cli import helping
from cogpack.cli.cog_options import EVERYWHERE, cog_options
from cogpack.cli.container_grammar import add_containers
from cogpack.cli.grammar import Act, Acts, Grammar
from cogpack.cli.options import (
    CONNECTION,
    IMAGE,
    OUTPUT,
    PROJECT,
    PUSHED,
    STORED,
    TOPICS,
    as_page,
    connections,
    days,
    hosts,
    jobs,
    place,
    port,
    registry_host,
    room,
    which_image,
)  # fmt: skip
from cogpack.cli.project_grammar import add_projects
from cogpack.cli.weight_grammar import add_weights
from cogpack.errors import InputError

acts, difference, registries = Acts("acts"), Acts("difference"), Acts("registries")
benches, cache_acts, doctors = Acts("bench"), Acts("cache"), Acts("doctors")

_OF_ALL = ("help", "completion")
"""Commands that tell of all commands."""
_FOREIGN = ("--allow-foreign", "take layers that the registry does not have from their URLs at this host")


def read(words: Sequence[str]) -> argparse.Namespace:
    """Read a command line by the grammar of its command alone; of what is wrong with it the whole grammar tells, which
    knows all others."""
    if words and not words[0].startswith("-") and words[0] not in _OF_ALL:
        alone = parser(words[0])
        with suppress(InputError):
            if alone.commands:  # else there is no such command
                return alone.parse_args(words)
    return parser().parse_args(words)


@cache
def parser(wanted: str | None = None) -> Grammar:
    """Return the grammar of all commands, or of the one that is wanted: each with its act and with defaults for the
    shared options that it lacks."""
    top = Grammar(
        prog="cogpack",
        description="Turn a Cog project into a standard OCI image without Docker.",
        epilog="More: cogpack help COMMAND|TOPIC; `cogpack help help` names the topics.",
    )
    top.wanted = wanted
    for topic in TOPICS.values():
        topic.add(lambda *names, **settings: top.set_defaults(**{_dest(names, settings): _default(settings)}))
    top.set_defaults(jobs=1)
    top.add_argument("--version", action="version", version=f"cogpack {__version__}", help="print the version")
    add_projects(top)
    add_containers(top)
    _images(top)
    add_weights(top)
    _benches(top)
    _registries(top)
    _cache(top)
    _words(top)
    _add_to_all(top)
    return top


def _add_to_all(grammar: Grammar) -> None:
    """Add what all of Cog's commands take to those that tell something, and before the first word."""
    if grammar.above is None or "--verbose" in grammar.options():
        cog_options(grammar, EVERYWHERE)
    for command in grammar.commands.values():
        _add_to_all(command)


def _dest(names: tuple[str, ...], settings: dict[str, object]) -> str:
    return str(settings.get("dest") or names[-1].lstrip("-").replace("-", "_"))


def _default(settings: dict[str, object]) -> object:
    return settings.get("default", False if settings.get("action") == "store_true" else None)


def _images(top: Grammar) -> None:
    """Add the commands on images that are there already."""
    inspect = top.command(
        "inspect", "Describe an image of a registry or an OCI layout.", acts.inspect,
        example=f"cogpack inspect {PUSHED}",
    )  # fmt: skip
    inspect.add_argument("target", metavar="REF|DIR", help=STORED)
    which_image(inspect)
    inspect.add_argument("--lock", action="store_true", help="print the lock that is attached to it, as TOML")
    as_page(inspect)
    inspect.share(OUTPUT, CONNECTION)

    diff = top.command(
        "diff", "Tell what differs in two images, or an image and the project.", difference.diff,
        example=f"cogpack diff {PUSHED} .",
    )  # fmt: skip
    diff.add_argument("before", metavar="A|DIR", help=f"{STORED}; or a dot, the project")
    diff.add_argument("after", metavar="B|DIR", help="what A is compared with: another one, or a dot")
    diff.add_argument("--files", action="store_true", help="read the layers that differ, and list files [if small]")
    diff.add_argument("--exit-code", action="store_true", help="end with 3 where something differs")
    which_image(diff)
    diff.share(PROJECT, IMAGE, OUTPUT, CONNECTION, without=("--platform",))

    copy = top.command(
        "copy",
        "Copy an image between registries and OCI layouts, byte for byte.",
        registries.copy,
        example=f"cogpack copy {PUSHED} registry.example.com/me/model",
    )
    copy.set_defaults(goes_on=True)
    copy.add_argument("source", metavar="SRC", help=STORED)
    copy.add_argument("target", metavar="DST", help="the same; without a name, it gets the source's")
    copy.add_argument("--platform", metavar="OS/ARCH", help="one image of an index [all, and the index]")
    copy.add_argument("--no-referrers", action="store_true", help="leave out signatures, SBOMs and the like")
    hosts(copy.add_argument, *_FOREIGN)
    copy.add_argument("-j", "--jobs", type=jobs, default=4, metavar="N", help="blobs at a time [4]")
    copy.share(OUTPUT, CONNECTION)

    pull = top.command(
        "pull",
        "Pull an image into a layout, an archive, or a local engine.",
        registries.pull,
        example=f"cogpack pull {PUSHED} --docker",
    )
    pull.set_defaults(goes_on=True)
    pull.add_argument("target", metavar="HOST/NAME[:TAG|@DIGEST]", help="the image")
    into = pull.add_mutually_exclusive_group(required=True)
    into.add_argument(
        "-o", "--output", type=place, metavar="DIR|FILE.tar", help="an OCI layout, or an archive for docker load"
    )
    into.add_argument("--docker", action="store_true", help="into Docker, which pulls over many connections through us")
    into.add_argument("--podman", action="store_true", help="into podman, likewise")
    into.add_argument("--containerd", action="store_true", help="into containerd, likewise [$CONTAINERD_NAMESPACE]")
    which = pull.add_mutually_exclusive_group()
    which_image(which)
    which.add_argument("--all-platforms", action="store_true", help="the index and all its images, into a layout")
    pull.add_argument(
        "--only", choices=["weights"], metavar="weights", help="the files of the weight layers, into a new directory"
    )
    hosts(pull.add_argument, *_FOREIGN)
    connections(pull)
    pull.share(OUTPUT, CONNECTION)


def _benches(top: Grammar) -> None:
    bench = top.command("bench", "Measure how fast images move here, and say why.", minor=True)
    pull = bench.command(
        "pull",
        "Measure the way to an image, and tell what a pull takes and what holds it up.",
        benches.bench_pull,
        example=f"cogpack bench pull {PUSHED}",
    )
    pull.add_argument("target", metavar="HOST/NAME[:TAG|@DIGEST]", help="the image")
    which_image(pull)
    pull.add_argument("--engine", metavar="NAME", help="docker, podman, ctr or none [the first that answers]")
    pull.add_argument(
        "--budget", type=room, default=2 * 10**9, metavar="SIZE", help="bytes that may come of the registry [2GB]"
    )
    as_page(pull)
    connections(pull)
    pull.share(OUTPUT, CONNECTION)

    push = bench.command(
        "push",
        "Measure the way to a repository, and tell what a push takes and what holds it up.",
        benches.bench_push,
        example="cogpack bench push ghcr.io/me/model",
    )
    push.add_argument("target", metavar="HOST/NAME", help="a repository that you may push to; it stays as it is")
    text = "bytes that may be sent, in uploads that are cancelled [2GB]"
    push.add_argument("--budget", type=room, default=2 * 10**9, metavar="SIZE", help=text)
    text = "have one blob of 16 MiB made, too, and delete it: to see what storing takes"
    push.add_argument("--commit", action="store_true", help=text)
    as_page(push)
    push.share(PROJECT, IMAGE, OUTPUT, CONNECTION)


def _registries(top: Grammar) -> None:
    login = top.command(
        "login",
        "Try a registry's credentials and keep them where Docker does.",
        registries.login,
        example="cogpack login ghcr.io",
    )
    text = "the registry, as in ghcr.io [$COG_REGISTRY_HOST, or Replicate's, r8.im]"
    login.add_argument("host", nargs="?", metavar="HOST", help=text)
    login.add_argument("-u", "--username", metavar="USER", help="instead of asking for it")
    login.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    login.add_argument("--token-stdin", action="store_true", help="read Replicate's token from standard input")
    login.share(OUTPUT, CONNECTION, without=("--registry-mirror",))

    logout = top.command(
        "logout", "Forget a registry's credentials.", registries.logout, example="cogpack logout ghcr.io", minor=True
    )
    registry_host(logout)
    logout.share(OUTPUT)

    auth = top.command("auth", "Show where credentials come from.", minor=True)
    explain = auth.command(
        "explain",
        "Say which credentials a registry would get, and what each source says.",
        registries.explain_auth,
        example="cogpack auth explain ghcr.io/me/model",
    )
    explain.add_argument("target", metavar="HOST[/REPOSITORY]", help="as in ghcr.io or ghcr.io/me/model")
    explain.share(OUTPUT)

    registry = top.command("registry", "Serve a registry of our own; probe another's.")
    probe = registry.command(
        "probe",
        "Measure what a registry supports, in a repository of yours.",
        registries.probe,
        example="cogpack registry probe registry.example.com/me/probe",
    )
    probe.add_argument("target", metavar="HOST/NAME", help="a repository that may be written to")
    probe.share(OUTPUT, CONNECTION, without=("--registry-mirror",))

    serve = registry.command(
        "serve",
        "Serve a directory (an OCI layout) as a registry.",
        registries.serve,
        example="cogpack registry serve ./images --port 5000",
    )
    serve.add_argument("directory", type=place, metavar="DIR", help="the layout, made if it is not there")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on [127.0.0.1]")
    serve.add_argument("--port", type=port, default=5000, metavar="PORT", help="port, 0 for any free one [5000]")
    serve.add_argument("--user", metavar="NAME", help="who may use it; the password is read from standard input")


def _cache(top: Grammar) -> None:
    cache = top.command("cache", "Show and clean the cache of this machine.", minor=True)

    def action(name: str, act: Act, text: str, example: str) -> Grammar:
        added = cache.command(name, text, act, example=example)
        added.add_argument("--cache-dir", type=place, metavar="DIR", help="which one [$COGPACK_CACHE_DIR]")
        return added

    for name, act, text in (
        ("dir", cache_acts.show_place, "Print where the cache is."),
        ("size", cache_acts.show_size, "Print how much the cache holds, by kind."),
        ("clean", cache_acts.clean, "Remove all that no running cogpack wants."),
    ):
        action(name, act, text, f"cogpack cache {name}").share(OUTPUT)

    prune = action(
        "prune", cache_acts.prune, "Remove what no run has used for long.", "cogpack cache prune --max-size 20GB"
    )
    prune.add_argument("--days", type=days, default=30, metavar="N", help="what was not used for so many days [30]")
    prune.add_argument(
        "--max-size", type=room, metavar="SIZE", help="then the longest unused, until so much is left, as in 20GB"
    )
    prune.share(OUTPUT)


def _words(top: Grammar) -> None:
    show_help, show_completion = partial(helping.show_help, top), partial(helping.show_completion, top)
    shown = top.command("help", "Explain a command or a topic.", show_help, example="cogpack help push", minor=True)
    shown.add_argument("words", nargs="*", metavar="COMMAND|TOPIC", help="what to explain [all commands]")
    shown.add_argument("--schema", action="store_true", help="the keys of cog.yaml as a JSON schema, for editors")
    shown.epilog = f"Topics: {', '.join([*TOPICS, *helping.TOPICS])}; of one key: {helping.CONFIG} build.run"
    text = "Look for what would go wrong: on this machine, in the project, with a registry."
    doctor = top.command("doctor", text, doctors.doctor, example="cogpack doctor ghcr.io/me/model", minor=True)
    doctor.add_argument(
        "target", nargs="?", metavar="HOST/NAME", help="a registry that is asked whether this may be pushed"
    )
    doctor.add_argument("--fix", action="store_true", help="write anew what is old in cog.yaml")
    doctor.share(PROJECT, OUTPUT, CONNECTION)
    top.command("version", "Print the version.", helping.show_version, example="cogpack version", minor=True)
    completion = top.command(
        "completion",
        "Print a script that completes commands and options.",
        show_completion,
        example="cogpack completion bash > ~/.local/share/bash-completion/completions/cogpack",
        minor=True,
    )
    completion.add_argument("shell", choices=helping.SHELLS, metavar="SHELL", help=" or ".join(helping.SHELLS))
