"""What `cogpack` takes on its command line."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cogpack import __version__
from cogpack.cli import acts, registries
from cogpack.cli import weights as weight_acts


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="cogpack",
        description="Turn a Cog project into a standard OCI image without Docker.",
        epilog="Exit codes: 2 change what you wrote, 3 pinned and found differ, 4 credentials, 5 try again later, "
        "130 and 143 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"cogpack {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def hosts(added: argparse.ArgumentParser, option: str, text: str) -> None:
        added.add_argument(option, action="append", type=_host, default=[], metavar="HOST", help=f"{text}; repeatable")

    def command(
        name: str, act: Callable[[argparse.Namespace], None], text: str, among: Any = commands
    ) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = among.add_parser(name, help=text, description=text)
        added.set_defaults(act=act)
        added.add_argument("--json", action="store_true", help="print the result as JSON")
        added.add_argument("-q", "--quiet", action="store_true", help="no progress and no closing sum")
        added.add_argument("--cache-dir", type=Path, metavar="DIR", help="downloads and facts [$COGPACK_CACHE_DIR]")
        hosts(added, "--insecure-registry", "allow plain http to this registry (loopback is always allowed)")
        hosts(added, "--insecure-credentials", "and send it credentials in the clear")
        added.add_argument(
            "--strict-realm",
            action="store_true",
            help="send credentials to token servers of the registry's own domain only",
        )
        hosts(added, "--allow-realm", "and to the one at this host; implies --strict-realm")
        added.add_argument(
            "--registry-mirror",
            action="append",
            default=[],
            metavar="HOST=MIRROR",
            help="ask this one first for what HOST has by digest; repeatable [$COGPACK_REGISTRY_MIRROR]",
        )
        return added

    def project(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added.add_argument("-C", "--directory", type=Path, default=Path(), metavar="DIR", help="project directory [.]")
        added.add_argument("-f", "--file", default="cog.yaml", metavar="NAME", help="config file [cog.yaml]")
        added.add_argument("-j", "--jobs", type=_positive, default=4, metavar="N", help="layers at a time [4]")
        added.add_argument(
            "--locked", action="store_true", help="refuse a stale or missing lock [if $CI is set and a lock is there]"
        )
        added.add_argument("--paranoid", action="store_true", help="read every file again, whatever its times say")
        return added

    foreign = ("--allow-foreign", "take layers that the registry does not have from their URLs at this host")
    push = project(command("push", acts.push, "Build what is missing and push the image."))
    push.add_argument("target", nargs="?", metavar="HOST/NAME[:TAG]", help="where to [image: of cog.yaml]")
    push.add_argument("--dry-run", action="store_true", help="say what would move, as `cogpack plan` does")
    push.add_argument("--rebuild", action="store_true", help="make every layer anew, whatever lock and cache say")
    push.add_argument("--weights-only", action="store_true", help="push an image of the weights and nothing else")
    push.add_argument("--create-repository", action="store_true", help="make the repository first (Amazon ECR)")
    plan = project(command("plan", acts.plan, "Show the layers, their bytes, and what a push would move."))
    plan.add_argument("target", nargs="?", metavar="HOST/NAME[:TAG]", help="where to [image: of cog.yaml]")
    build = project(command("build", acts.build, "Build into an OCI layout (DIR) or a docker archive (FILE.tar)."))
    build.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR|FILE.tar",
        help="an OCI layout, or an archive for docker load",
    )
    build.add_argument("-t", "--tag", metavar="NAME[:TAG]", help="name of the image in it [image: of cog.yaml]")
    build.add_argument("--rebuild", action="store_true", help="make every layer anew, whatever lock and cache say")
    load = project(command("load", acts.load, "Load the image into the local Docker."))
    load.add_argument("-t", "--tag", metavar="NAME[:TAG]", help="name of the image [image: of cog.yaml]")
    lock = project(command("lock", acts.lock, "Resolve everything and write cogpack.lock."))
    lock.set_defaults(locks=True)  # what $CI keeps the other commands from
    lock.add_argument("-U", "--upgrade", action="store_true", help="take the newest of everything, ignoring old pins")
    project(command("schema", acts.schema, "Print the model's OpenAPI document."))
    inspect = command("inspect", acts.inspect, "Describe an image of a registry or an OCI layout.")
    inspect.add_argument("target", metavar="REF|DIR", help="HOST/NAME[:TAG|@DIGEST], or DIR[:NAME] of a layout")
    inspect.add_argument("--platform", metavar="OS/ARCH", help="which image of an index [linux/amd64]")
    copy = command("copy", registries.copy, "Copy an image between registries and OCI layouts, byte for byte.")
    copy.add_argument("source", metavar="SRC", help="HOST/NAME[:TAG|@DIGEST], or DIR[:NAME] of a layout")
    copy.add_argument("target", metavar="DST", help="the same; without a name, it gets the source's")
    copy.add_argument("--platform", metavar="OS/ARCH", help="one image of an index [all, and the index]")
    copy.add_argument("--no-referrers", action="store_true", help="leave out signatures, SBOMs and the like")
    hosts(copy, *foreign)
    copy.add_argument("-j", "--jobs", type=_positive, default=4, metavar="N", help="blobs at a time [4]")
    pull = command(
        "pull", registries.pull, "Pull an image into an OCI layout, a docker archive, or an engine of this machine."
    )
    pull.add_argument("target", metavar="HOST/NAME[:TAG|@DIGEST]")
    into = pull.add_mutually_exclusive_group(required=True)
    into.add_argument(
        "-o", "--output", type=Path, metavar="DIR|FILE.tar", help="an OCI layout, or an archive for docker load"
    )
    into.add_argument("--docker", action="store_true", help="into Docker, which pulls over many connections through us")
    into.add_argument("--podman", action="store_true", help="into podman, likewise")
    into.add_argument("--containerd", action="store_true", help="into containerd, likewise [$CONTAINERD_NAMESPACE]")
    which = pull.add_mutually_exclusive_group()
    which.add_argument("--platform", metavar="OS/ARCH", help="which image of an index [linux/amd64]")
    which.add_argument("--all-platforms", action="store_true", help="the index and all its images, into a layout")
    pull.add_argument("--only", choices=["weights"], help="the files of the weight layers, into a new directory")
    hosts(pull, *foreign)
    pull.add_argument("-j", "--jobs", type=_positive, default=16, metavar="N", help="connections at a time [16]")
    verify = project(command("verify", acts.verify, "Rebuild from the lock and compare with a pushed image."))
    verify.add_argument("target", metavar="HOST/NAME[:TAG|@DIGEST]", help="the image to compare with")
    weights = commands.add_parser("weights", help="Show, cut, join, compare and pull weights.")
    kinds = weights.add_subparsers(metavar="ACTION", required=True)
    ls = project(command("ls", weight_acts.list_weights, "Show what is a weight, how it is cut, what moves.", kinds))
    ls.add_argument("target", nargs="?", metavar="HOST/NAME[:TAG]", help="where to [image: of cog.yaml]")
    split = command("split", weight_acts.split_weights, "Cut a safetensors or GGUF file as for an image.", kinds)
    split.add_argument("source", type=Path, metavar="FILE")
    split.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    split.add_argument("--layer-size", type=_positive_bytes, metavar="BYTES", help="what to cut to [by the size]")
    join = command(
        "join", weight_acts.join_weights, "Make one file again of the parts of a safetensors or GGUF file.", kinds
    )
    join.add_argument("source", type=Path, metavar="DIR|INDEX")
    join.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    check = command(
        "verify", weight_acts.verify_weights, "Compare an image's weights with files, whole or tensor by tensor.", kinds
    )
    check.add_argument("target", metavar="REF|DIR", help="HOST/NAME[:TAG|@DIGEST], or DIR[:NAME] of a layout")
    check.add_argument("--against", type=Path, required=True, metavar="FILE|DIR")
    pull = command("pull", weight_acts.pull_weights, "Pull the weights of an image, and nothing else of it.", kinds)
    pull.add_argument("target", metavar="REF|DIR", help="HOST/NAME[:TAG|@DIGEST], or DIR[:NAME] of a layout")
    pull.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    pull.add_argument("--platform", metavar="OS/ARCH", help="which image of an index [linux/amd64]")
    pull.add_argument("-j", "--jobs", type=_positive, default=16, metavar="N", help="connections at a time [16]")
    login = command("login", registries.login, "Try a registry's credentials and keep them where Docker does.")
    login.add_argument("host", metavar="HOST")
    login.add_argument("-u", "--username", metavar="USER", help="instead of asking for it")
    login.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    logout = command("logout", registries.logout, "Forget a registry's credentials.")
    logout.add_argument("host", metavar="HOST")
    auth = commands.add_parser("auth", help="Show where credentials come from.")
    explain = command(
        "explain", registries.explain_auth, "Say which credentials a registry would get, and what each source says.",
        auth.add_subparsers(metavar="ACTION", required=True),
    )  # fmt: skip
    explain.add_argument("target", metavar="HOST[/REPOSITORY]")
    registry = commands.add_parser("registry", help="Serve a registry of our own; probe another's.")
    actions = registry.add_subparsers(metavar="ACTION", required=True)
    probe = command("probe", registries.probe, "Measure what a registry supports, in a repository of yours.", actions)
    probe.add_argument("target", metavar="HOST/NAME")
    serve = actions.add_parser("serve", help="Serve a directory (an OCI layout) as a registry.")
    serve.set_defaults(act=registries.serve)
    serve.add_argument("directory", type=Path, metavar="DIR")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    serve.add_argument("--port", type=_port, default=5000, help="port, 0 for any free one [5000]")
    serve.add_argument("--user", metavar="NAME", help="who may use it; the password is read from standard input")
    return top


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected 1 to 64, found {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, found {text!r}")
    return int(text)


def _host(text: str) -> str:
    """What matches no host would be an option without effect."""
    if not text or "/" in text or "@" in text:
        raise argparse.ArgumentTypeError(f"expected HOST or HOST:PORT, found {text!r}")
    return text


def _positive_bytes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 2**50:
        raise argparse.ArgumentTypeError(f"expected a number of bytes, found {text!r}")
    return int(text)
