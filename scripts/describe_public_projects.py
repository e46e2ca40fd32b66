"""Describes the models of Cog projects as they are, and counts what becomes of them: a schema, or why there is none.

    python scripts/describe_public_projects.py DIR > table.md     # each cog.yaml below DIR that names a predictor

Nothing of a project is run, nothing fetched. Of repositories there need be their Python files and cog.yaml only.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cogpack.errors import InputError
from cogpack.planning.describing import describe_project
from cogpack.project import Project, find_project


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    root: Path = parser.parse_args().directory
    told = Counter[str]()
    refused: list[tuple[str, str, str]] = []
    for project in sorted(found.parent for found in root.rglob("cog.yaml")):
        name = project.relative_to(root).as_posix()
        for note_or_error in _described(project):
            match note_or_error:
                case InputError() as error:
                    told["refused"] += 1
                    refused.append((name, error.message, error.next_step))
                case str() as code:
                    told[code] += 1
    print("\n".join(_table(told, refused)))


def _described(directory: Path) -> Iterator[InputError | str]:
    """Give the error, else `described` and the code of each kind of note that comes with the schema."""
    try:
        project: Project = find_project(directory, "cog.yaml")
        if project.config.predict is None and project.config.train is None:
            yield "without a predictor"
            return
        found = describe_project(project, sdk_version="0.23.1", python=project.config.python_minor)
    except InputError as error:
        yield error
        return
    yield "described"
    yield from sorted({note.code.value for note in found.notes})


def _table(told: Counter[str], refused: list[tuple[str, str, str]]) -> Iterator[str]:
    yield "| what became of it | projects |"
    yield "|---|---|"
    yield from (f"| {what} | {count} |" for what, count in told.most_common())
    yield ""
    yield "| project | why it has no schema | what to do |"
    yield "|---|---|---|"
    yield from (f"| {name} | {_cell(why)} | {_cell(step)} |" for name, why, step in refused)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
