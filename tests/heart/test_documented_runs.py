"""What README and docs have in blocks of `sh` is run, line by line, over a base of this machine's programs.

Registries that the documents name are ours, on loopback. What wants Docker, an account or the package index is named
below, and only read by the parser (`tests/cli/test_documented_commands.py`).
"""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.documents import DOCUMENTS, ROOT, blocks
from support.programs_base import PROGRAMS, SERVER, programs_base
from support.world import World, ok, push_image

REGISTRIES = re.compile(
    r"localhost:5000|(?:ghcr\.io|registry\.(?:example\.com|internal|gitlab\.com))(?=/(?:me|mirror)/)"
)
NOT_RUN = {
    "docker": "an engine",
    "curl": "asks what Docker runs",
    "kill": "ends a job of the reader's shell",
    "pip": "the package index",
    "uv": "the package index",
    "uvx": "the package index",
    "gpg": "makes a key of the reader's",
    "cogpack registry serve": "the registry is there already",
    "cogpack login": "an account",
    "cogpack bench pull": "measures for a minute",
    "cogpack bench push": "measures for a minute",
    "digest=$(cogpack": "jq",
    "COGPACK_SIGNING_KEY_FILE=secret.asc cogpack": "a key",
}
OF_A_MODEL = ROOT / "docs/api.md"
"""Its blocks ask a model that is there: `tests/integration/test_api_document.py` does."""
PAGES = [str(path.relative_to(ROOT)) for path in DOCUMENTS if blocks(path, "sh") and path != OF_A_MODEL]
CONFIG = """build:
  python_requirements: requirements.txt
run: "predict.py:Predictor"
"""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return programs_base(tmp_path_factory.mktemp("programs"), (*PROGRAMS, "perl"), python=SERVER)


class Reader:
    """Types the lines of one document: `directory` and `environment` are those of the shell."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.directory = directory
        self.environment: dict[str, str] = {}
        self.ran = 0

    def types(self, line: str) -> None:
        line = REGISTRIES.sub(self.world.registry, line).removesuffix(" &")
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            if words and not any(part.startswith(f"{name} ") for name in NOT_RUN):
                self.ran += 1
                self._run(words)

    def _run(self, words: list[str]) -> None:
        match words:
            case ["cogpack", *arguments]:
                to = Path(os.devnull)
                if ">" in arguments:
                    to = self.directory / arguments[arguments.index(">") + 1]
                    arguments = arguments[: arguments.index(">")]
                done = ok(self.world.cogpack(*arguments, directory=self.directory, **self.environment))
                to.write_text(done.out)
                for path in self.directory.glob("**/cog.yaml"):
                    self.make_small(path)
            case ["cd", place]:
                self.directory = (self.directory / place).resolve()
            case ["export", setting]:
                name, given, value = setting.partition("=")
                assert given
                self.environment[name] = value
            case _:
                environment = os.environ | self.environment | {"HOME": str(self.world.directory / "home")}
                subprocess.run(words, cwd=self.directory, env=environment, check=True)

    def make_small(self, config: Path) -> None:
        """Have a project stand on our base, without an index."""
        text = config.read_text()
        if "cogpack:" not in text:
            config.write_text(f"{text}\ncogpack:\n  base: {self.world.registry}/base/programs:v1\n")
            (config.parent / "requirements.txt").write_text("--no-index\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_document_says_to_type_works(page: str, world: World, programs: bytes) -> None:
    push_image(world.registry, "base/programs:v1", [programs])
    reader = Reader(world, world.directory)
    if not any("cogpack init" in block and "cd hello" in block for block in blocks(ROOT / page, "sh")):
        project = world.project(config="")
        project.write("cog.yaml", f"image: {world.registry}/me/model\n{CONFIG}")
        reader.make_small(project.root / "cog.yaml")
        for tag in ("v1", "v2"):  # images that documents name
            ok(project.cogpack("push", project.target(tag)))
        project.write("schema.json", ok(project.cogpack("schema")).out)
        reader.directory = project.root
    for block in blocks(ROOT / page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            reader.types(line)


def test_what_is_not_run_is_said_somewhere() -> None:
    text = "\n".join(block for path in DOCUMENTS for block in blocks(path, "sh"))
    assert [name for name in NOT_RUN if not re.search(rf"(?:^|&& ){re.escape(name)} ", text, re.MULTILINE)] == []
