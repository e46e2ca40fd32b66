"""The grammar of the commands on a project."""

import argparse
from pathlib import Path

from cogpack.cli.cog_options import OF_BUILDS, cog_options
from cogpack.cli.grammar import Acts, Grammar
from cogpack.cli.options import (
    CONNECTION,
    IMAGE,
    OUTPUT,
    PROJECT,
    PUSHED,
    STORED,
    as_page,
    image_names,
    no_tag_cache,
    place,
    rebuild,
    result_files,
    targets,
    what_is_locked,
)

acts, begins, builds, schemas = Acts("acts"), Acts("begins"), Acts("builds"), Acts("schemas")

CIS = ("github", "gitlab", "tekton", "argo", "kubernetes")
"""Those that `cogpack.commands.init` knows, which is imported when it is run."""


def add_projects(top: Grammar) -> None:
    """Add the commands on a project."""
    begin = top.command(
        "init",
        "Write a project to begin with, and what a CI needs to push it.",
        begins.init,
        example="cogpack init model --ci github",
        minor=True,
    )
    begin.add_argument("place", nargs="?", type=place, default=Path(), metavar="DIR", help="where to [.]")
    begin.add_argument(
        "--ci", action="append", default=[], choices=CIS, metavar="NAME", help=f"{', '.join(CIS)}; repeatable"
    )
    text = "a Deployment and a Service, for the directories that sources write"
    begin.add_argument("--kubernetes", action="store_true", help=text)
    begin.add_argument("-t", "--tag", metavar="HOST/NAME", help="where the image is to go")
    begin.share(OUTPUT)

    push = top.command("push", "Build what is missing and push the image.", acts.push, example=f"cogpack push {PUSHED}")
    push.set_defaults(goes_on=True)
    targets(push)
    push.add_argument("--dry-run", action="store_true", help="say what would move, as `cogpack plan` does")
    rebuild(push)
    no_tag_cache(push)
    push.add_argument("--weights-only", action="store_true", help="push an image of the weights and nothing else")
    push.add_argument(
        "--publish-layers", action="store_true", help="let other models have them (cogpack.shared_layers)"
    )
    text = "lock and SBOM: attach what is gone, too; or none"
    push.add_argument("--attach", action=argparse.BooleanOptionalAction, help=text)
    push.add_argument("--create-repository", action="store_true", help="make the repository first (Amazon ECR)")
    result_files(push)
    cog_options(push, OF_BUILDS)
    push.share(PROJECT, IMAGE, OUTPUT, CONNECTION)

    plan = top.command(
        "plan", "Show the layers, their bytes, and what a push would move.", acts.plan,
        example=f"cogpack plan {PUSHED}",
    )  # fmt: skip
    targets(plan)
    plan.add_argument("--files", action="store_true", help="list the files of the project's own layer, too")
    as_page(plan)
    no_tag_cache(plan)
    plan.share(PROJECT, IMAGE, OUTPUT, CONNECTION)

    build = top.command(
        "build",
        "Build into an OCI layout, a docker archive (FILE.tar) or Docker.",
        builds.build,
        example="cogpack build -o image.tar",
    )
    build.add_argument(
        "-o", "--output", type=place, metavar="DIR|FILE.tar",
        help="an OCI layout, or an archive for docker load [Docker, if it answers, else a layout]",
    )  # fmt: skip
    image_names(build)
    rebuild(build)
    result_files(build)
    cog_options(build, OF_BUILDS)
    build.share(PROJECT, IMAGE, OUTPUT, CONNECTION)

    load = top.command(
        "load", "Load the image into the local Docker.", builds.load, example="docker run -p 5000:5000 $(cogpack load)"
    )
    image_names(load)
    result_files(load)
    load.share(PROJECT, IMAGE, OUTPUT, CONNECTION, without=("--annotation",))

    fetch = top.command(
        "fetch",
        "Bring all that the lock names into a directory, for --offline.",
        acts.fetch,
        example="cogpack fetch -o depot",
        minor=True,
    )
    fetch.add_argument("-o", "--output", type=place, required=True, metavar="DIR", help="where to, an OCI layout")
    fetch.add_argument("--weights", action="store_true", help="managed weights, too [only what else the lock names]")
    fetch.share(
        PROJECT,
        IMAGE,
        OUTPUT,
        CONNECTION,
        without=("--offline", "--label", "--annotation", "--git", "--openapi-schema"),
    )

    lock = top.command("lock", "Resolve everything and write cogpack.lock.", acts.lock, example="cogpack lock")
    lock.set_defaults(locks=True)  # what $CI keeps the other commands from
    what_is_locked(lock)
    lock.share(
        PROJECT,
        IMAGE,
        OUTPUT,
        CONNECTION,
        without=("--locked", "--offline", "--paranoid", "--label", "--annotation", "--git"),
    )

    export = top.command(
        "export",
        "Print the lock's wheels for pip and uv.",
        acts.export,
        example="cogpack export > pylock.toml",
        minor=True,
    )
    export.add_argument(
        "--format", dest="form", choices=("pylock.toml", "requirements.txt"), default="pylock.toml",
        metavar="FORM", help="pylock.toml (PEP 751) or requirements.txt, with hashes [pylock.toml]",
    )  # fmt: skip
    export.share(
        PROJECT, IMAGE, OUTPUT, CONNECTION, without=("--offline", "--json", "--label", "--annotation", "--git")
    )

    sbom = top.command(
        "sbom",
        "Print what is in the project's image, or in one that was pushed.",
        acts.sbom,
        example="cogpack sbom > image.spdx.json",
        minor=True,
    )
    sbom.add_argument(
        "target", nargs="?", metavar="REF|DIR", help=f"{STORED}: what is attached to it [what the lock has]"
    )
    sbom.add_argument(
        "--format", dest="form", choices=("spdx", "cyclonedx"), default="spdx",
        metavar="FORM", help="spdx (2.3) or cyclonedx (1.5) [spdx]",
    )  # fmt: skip
    sbom.share(
        PROJECT,
        IMAGE,
        OUTPUT,
        CONNECTION,
        without=(
            *("--jobs", "--paranoid", "--json", "--label", "--annotation", "--git"),
            *("--openapi-schema", "--isolation", "--secret"),
        ),
    )

    schema = top.command(
        "schema",
        "Print the model's OpenAPI document.",
        schemas.schema,
        example="cogpack schema > schema.json",
        minor=True,
    )
    shape = schema.add_mutually_exclusive_group()
    shape.add_argument("--compact", action="store_true", help="in one line [indented on a terminal]")
    shape.add_argument(
        "--check", type=place, metavar="FILE", help="say what differs from that document; exit code 3 if calls break"
    )
    schema.add_argument(
        "--openapi-schema", type=place, metavar="FILE", help="check and print this one [$COG_OPENAPI_SCHEMA]"
    )
    schema.share(PROJECT, OUTPUT, without=("--jobs", "--locked", "--offline", "--paranoid", "--cache-dir", "--json"))

    verify = top.command(
        "verify", "Rebuild from the lock and compare with an image.", acts.verify,
        example=f"cogpack verify {PUSHED}",
    )  # fmt: skip
    verify.add_argument("target", metavar="REF|DIR", help=STORED)
    verify.add_argument("--run-steps", action="store_true", help="run the commands of build.run anew, too")
    verify.share(PROJECT, IMAGE, OUTPUT, CONNECTION, without=("--locked",))
