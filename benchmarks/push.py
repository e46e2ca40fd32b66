"""What a push of a project takes, from nothing and after each kind of change, beside `docker build` and `docker push`.

    python benchmarks/push.py [PROJECT] [--runs 3] [--docker] [--scratch DIR] [--json FILE]

Needs Debian's docker-registry; --docker root and docker.io. PROJECT is examples/hello, if it is not named. `first` has
the downloads and an empty repository, and nothing else; `empty machine` has the project and its lock and nothing else.
Docker's side has a Dockerfile as one would write it: a base with pip, requirements, sources; pip takes the same wheels
from a directory. Its caches are there, but for `first`;
the base is in its store and in the registry always, where `first` of cogpack makes and sends it.
"""

import json
import os
import shutil
import statistics
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measuring import COGPACK, ROOT, Figures, clocked, measure, scratch_directory
from report import Measured, Row, Table, options
from servers import Docker, docker_registry, dockerd

FIRST, NOTHING, LINE, DEPENDENCY, EMPTY = "first", "nothing changed", "one line", "one dependency", "empty machine"
NOTES = {
    FIRST: "cogpack makes and sends Debian, too; of Docker's image that is there: on the machine, and in the registry.",
    NOTHING: "Docker's daemon runs, and has read and hashed the project's files before.",
}
DEPENDENCIES = ("six==1.16.0", "six==1.17.0")


class Ours:
    """A project that is pushed with a cache of its own."""

    def __init__(self, project: Path, cache: Path) -> None:
        self.project, self.cache = project, cache
        self.sent: dict[str, list[Mapping[str, Any]]] = {}

    def push(self, case: str, target: str, cache: Path | None = None) -> Figures:
        out = self.project.parent / "result.json"
        kept = {name: value for name, value in os.environ.items() if name != "CI"}
        environment = kept | {"COGPACK_CACHE_DIR": str(cache or self.cache)}
        command = ["sh", "-c", '"$@" >"$0"', str(out), *COGPACK, "push", target, "--json", "-q"]
        figures = measure(command, cwd=self.project, environment=environment)
        self.sent.setdefault(case, []).append(json.loads(out.read_text()))
        return figures

    def forget(self) -> None:
        """Forget all that was learnt of layers; what was fetched stays."""
        lock = self.project / "cogpack.lock"
        lock.write_text(lock.read_text().partition("[results]")[0])
        shutil.rmtree(self.cache / "facts", ignore_errors=True)
        self.forget_files()

    def forget_files(self) -> None:
        """Forget what files of projects were."""
        shutil.rmtree(self.cache / "fingerprints", ignore_errors=True)


class Theirs:
    """The same by a Dockerfile."""

    def __init__(self, docker: Docker, project: Path, base: str, wheels: Path) -> None:
        self.docker, self.project = docker, project
        shutil.copytree(wheels, project / "wheels")
        (project / "Dockerfile").write_text(
            f"FROM {base}\nCOPY wheels /wheels\nCOPY requirements.txt /\n"
            "RUN pip install -q --no-index --find-links /wheels cog -r /requirements.txt\nCOPY predict.py /src/\n"
        )

    def push(self, target: str, *, anew: bool = False) -> Figures:
        if anew and self.docker.buildkit:  # which else knows each dependency again of the run before
            self.docker.run("builder", "prune", "--all", "--force")

        def work() -> None:
            caching = ["--no-cache"] if anew else []
            self.docker.run("build", "-q", *caching, "--network", "host", "-t", target, str(self.project), seconds=1800)
            self.docker.run("push", "-q", target, seconds=1800)

        return clocked(work)


def change_a_line(project: Path) -> None:
    with (project / "predict.py").open("a") as source:
        source.write(f"# {uuid.uuid4()}\n")


def change_a_dependency(project: Path, number: int) -> None:
    (project / "requirements.txt").write_text(f"{DEPENDENCIES[number % 2]}\n")


def fetch_wheels(target: Path) -> None:
    """The wheels that both take, by the pip of this Python."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--python-version", "3.13"]
    for platform in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
        pip += ["--platform", platform]
    for dependency in DEPENDENCIES:
        measure([*pip, "-d", str(target), "cog==0.23.1", dependency])


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("project", type=Path, nargs="?", default=ROOT / "examples/hello")
    parser.add_argument("--docker", action="store_true", help="beside docker build and docker push (as root)")
    arguments = parser.parse_args()
    measured = Measured()
    found: dict[str, dict[str, list[Figures]]] = {}

    def note(case: str, peer: str, figures: Figures) -> None:
        found.setdefault(case, {}).setdefault(peer, []).append(figures)
        print(f"  {case}, {peer}: {figures.seconds:.2f} s", file=sys.stderr, flush=True)

    with scratch_directory(arguments.scratch) as scratch, ExitStack() as opened:
        registry = opened.enter_context(docker_registry(scratch / "registry"))
        project = scratch / "ours" / "project"
        shutil.copytree(arguments.project, project, ignore=shutil.ignore_patterns("cogpack.lock"))
        own = arguments.project == ROOT / "examples/hello"
        if own:
            settings = (project / "cog.yaml").read_text()
            settings = settings.replace("build:\n", "build:\n  python_requirements: requirements.txt\n")
            (project / "cog.yaml").write_text(settings)
            change_a_dependency(project, 0)
        ours = Ours(project, scratch / "cache")
        ours.push("warm", f"{registry}/ours/warm")  # resolves, downloads
        theirs: dict[str, Theirs] = {}
        if arguments.docker and own:
            docker = opened.enter_context(dockerd(scratch / "docker", bridge=False))
            theirs = _theirs(docker, registry, scratch)
        for number in range(arguments.runs):
            target = f"{registry}/ours/run{number}"
            ours.forget()
            steps: list[tuple[str, Callable[[Path], None] | None]] = [
                (FIRST, None),
                (NOTHING, None),
                (LINE, change_a_line),
            ]
            if own:
                steps.append((DEPENDENCY, lambda place, number=number: change_a_dependency(place, number + 1)))  # type: ignore[misc]
            for case, change in steps:
                if change:
                    change(project)
                note(case, "cogpack push", ours.push(case, target))
                for peer, other in theirs.items():
                    if change:
                        change(other.project)
                    place = f"{registry}/{other.project.name}/run{number}:v1"
                    note(case, peer, other.push(place, anew=case == FIRST))
            change_a_line(project)
            with scratch_directory(scratch) as empty:
                note(EMPTY, "cogpack push", ours.push(EMPTY, target, empty))
    tables = [
        Table(
            f"A push: {case}",
            tuple(
                Row(peer, tuple(runs), more=_told(ours.sent[case]) if peer == "cogpack push" else {})
                for peer, runs in peers.items()
            ),
            "cogpack push",
            note=NOTES.get(case, ""),
        )
        for case, peers in found.items()
    ]
    measured.report(tables, arguments.json, ("docker-registry", *(("docker",) if arguments.docker else ())))


def _theirs(docker: Docker, registry: str, scratch: Path) -> dict[str, Theirs]:
    """The base is what cogpack makes of examples/hello: a Debian with Python 3.13 and pip. Docker's older builder, and
    BuildKit where there is a client that has it."""
    plain, wheels = scratch / "plain", scratch / "wheels"
    shutil.copytree(ROOT / "examples/hello", plain)
    base = f"{registry}/base/python:v1"
    measure([*COGPACK, "push", base, "-q"], cwd=plain)
    docker.run("pull", "-q", base)
    fetch_wheels(wheels)
    found: dict[str, Theirs] = {}
    for peer, builder in (("docker build, push", docker), ("docker build by BuildKit, push", docker.with_buildkit())):
        if builder is not None:
            directory = scratch / f"theirs{len(found)}"
            directory.mkdir()
            shutil.copy(ROOT / "examples/hello/predict.py", directory)
            change_a_dependency(directory, 0)
            found[peer] = Theirs(builder, directory, base, wheels)
    return found


def _told(results: list[Mapping[str, Any]]) -> dict[str, float]:
    middle = {key: statistics.median(one[key] for one in results) for key in ("sent", "reused", "requests")}
    return {
        "MB sent": round(middle["sent"] / 1e6, 3),
        "MB there": round(middle["reused"] / 1e6, 1),
        "requests": middle["requests"],
    }


if __name__ == "__main__":
    main()
