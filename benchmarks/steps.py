"""What the commands of `build.run` cost beside `docker build`, and beside the commands alone.

    python benchmarks/steps.py [--runs 3] [--rungs root userns] [--scratch DIR] [--json FILE]

Needs root, Debian's docker.io and docker-registry, and Debian's archive as apt is configured for it. The project is
examples/hello with `run:` added: nothing at all (`ls`), which is what it costs to lay the tree and to look for
changes; 20,000 small files; and gcc from apt with a C program that it compiles.

Peers, in turns: `cogpack lock --upgrade-run`, once a rung, which ends with the compressed layer in the cache; `docker
build --no-cache` of the same commands over the same image and `docker push`, which compresses it; and `chroot`, the
commands over a tree that is there already, of which nobody makes a layer: the limit.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from measuring import COGPACK, ROOT, Figures, clocked, measure, scratch_directory
from report import Measured, Table, in_turns, options, rows
from servers import Docker, docker_registry, dockerd

from cogpack.resolve.debs.archives.mirror import DebianMirror

CASES = {
    "nothing": ["ls /"],
    "20,000 files": ["mkdir /srv/many && cd /srv/many && seq 20000 | while read n; do echo $n > $n; done"],
    "gcc from apt": [
        "apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev",
        "echo 'int main(void) { return 0; }' > /tmp/main.c && gcc -o /usr/local/bin/nothing /tmp/main.c",
    ],
}
NOTE = "cogpack lays out the image's tree first, and reads what changed in it after; Docker's daemon has both mounted."
ENVIRONMENT = ("DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")


def make_project(directory: Path, commands: Sequence[str]) -> Path:
    shutil.copytree(ROOT / "examples/hello", directory)
    settings = (directory / "cog.yaml").read_text()
    (directory / "cog.yaml").write_text(settings.replace("build:\n", f"build:\n  run: {json.dumps(list(commands))}\n"))
    return directory


def cogpack(directory: Path, *arguments: str) -> Figures:
    return measure([*COGPACK, *arguments, "-q", "-C", str(directory)])


def chroot(tree: Path, commands: Sequence[str]) -> Figures:
    """Run them over a copy of `tree`, with /dev and /proc mounted for nobody else."""
    copy = tree.with_name("copy")
    subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    (copy / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copy("/etc/resolv.conf", copy / "etc/resolv.conf")
    mounts = 'mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" /bin/sh -c "$1"'
    script = " && ".join(f"({each})" for each in commands)
    alone = ("unshare", "--mount", "/bin/sh", "-c", mounts, str(copy), script)
    try:
        return measure(["env", *ENVIRONMENT, *alone])
    finally:
        shutil.rmtree(copy)


def build_and_push(docker: Docker, base: str, target: str, commands: Sequence[str], context: Path) -> Figures:
    lines = [f"FROM {base}", *(f"ENV {each}" for each in ENVIRONMENT), *(f"RUN {each}" for each in commands)]
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text("\n".join(lines))

    def work() -> None:
        docker.run("build", "-q", "--no-cache", "--network", "host", "-t", target, str(context), seconds=1800)
        docker.run("push", "-q", target, seconds=1800)

    return clocked(work)


def exported(docker: Docker, image: str, tree: Path) -> Path:
    """Lay the files of an image into `tree`."""
    tree.mkdir()
    container = docker("create", image)
    export = subprocess.Popen(["docker", "export", container], env=docker.environment, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(tree)], stdin=export.stdout, check=True)
    if export.wait():
        sys.exit(f"docker export of {image} failed")
    docker("rm", container)
    return tree


def with_mirror(docker: Docker, image: str, tree: Path, context: Path) -> str:
    """Have apt ask this machine's mirror, as it does in ours: in `tree`, and in the image whose name is returned."""
    sources = tree / "etc/apt/sources.list.d/debian.sources"
    text = sources.read_text()
    for address, mirror in DebianMirror.choose(None, os.environ).replacements(lambda url: url).items():
        text = text.replace(f"{address}\n", f"{mirror}\n")
    sources.write_text(text)
    context.mkdir()
    shutil.copy(sources, context)
    (context / "Dockerfile").write_text(f"FROM {image}\nCOPY debian.sources /etc/apt/sources.list.d/\n")
    docker.run("build", "-q", "-t", "mirrored:v1", str(context))
    return "mirrored:v1"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rungs", nargs="+", default=["root", "userns"])
    arguments = parser.parse_args()
    measured = Measured()
    os.environ.pop("CI", None)
    tables = []
    with (
        scratch_directory(arguments.scratch) as scratch,
        docker_registry(scratch / "registry") as registry,
        dockerd(scratch / "docker", bridge=False) as docker,
    ):
        base = f"{registry}/steps/base:v1"
        cogpack(make_project(scratch / "plain", ["true"]), "push", base)
        docker.run("pull", "-q", base)
        tree = exported(docker, base, scratch / "tree")
        base = with_mirror(docker, base, tree, scratch / "mirrored")
        for number, (case, commands) in enumerate(CASES.items()):
            directory = make_project(scratch / f"case{number}", commands)
            cogpack(directory, "lock", "--run")  # resolves, downloads
            peers: dict[str, Callable[[], Figures]] = {
                f"cogpack, {rung}": partial(cogpack, directory, "lock", "--upgrade-run", "--isolation", rung)
                for rung in arguments.rungs
            }
            target = f"{registry}/steps/case{number}:v1"
            peers["docker build, push"] = partial(build_and_push, docker, base, target, commands, scratch / "context")
            peers["the commands, chroot"] = partial(chroot, tree, commands)
            found = in_turns(peers, arguments.runs)
            table = Table(f"Commands: {case}", rows(found, ["the commands, chroot"]), next(iter(found)), note=NOTE)
            tables.append(table)
    measured.report(tables, arguments.json, ("docker",))


if __name__ == "__main__":
    main()
