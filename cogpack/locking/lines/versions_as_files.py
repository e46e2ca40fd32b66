"""A version behind a > that nobody quoted (`pip install a>=1`) is a file to the shell, and no limit to pip."""

from collections.abc import Iterator

from cogpack.config import Config
from cogpack.lockfile import Decisions
from cogpack.locking.lines.read import locked_lines
from cogpack.notes import Code, Note
from cogpack.run_lines import PipInstall, PipUninstall, WriteText


def versions_as_files(config: Config, decisions: Decisions) -> Iterator[Note]:
    """Give a note of each, as far as the line is known."""
    lines = locked_lines(config, decisions)
    installing = {step for kind in (PipInstall, PipUninstall) for step, _ in lines.of(kind)}
    for step, written in lines.of(WriteText):
        name = written.path.rpartition("/")[2]
        if step in installing and name.startswith("=") and not written.text:
            place = config.where(f"build.run[{step}]")
            text = f"the shell reads >{name} as a file, which it makes: {written.path}, and no version is asked for"
            yield Note(Code.VERSION_AS_FILE, f"{place}: {text}; quote it")
