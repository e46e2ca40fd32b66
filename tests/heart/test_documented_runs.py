"""What README and docs have in blocks of `sh` is typed into a shell, over a base of this machine's programs.

Registries that the documents name are ours, on loopback. What wants Docker, a GPU, an account or the package index is
named below, and only read by the parser (`tests/cli/test_documented_commands.py`);
`tests/integration/test_documents_for_real.py` types what is marked so.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.documents import DOCUMENTS, ROOT, blocks, commands, lines
from support.programs_base import PROGRAMS, SERVER, programs_base
from support.typist import program, typed
from support.world import Project, World, ok, push_image

REGISTRIES = re.compile(r"(?:ghcr\.io|registry\.(?:example\.com|internal|gitlab\.com))(?=/(?:me|mirror|team)/)")
NOT_TYPED = {
    "docker": "for real",
    "curl": "for real: it asks what Docker runs",
    "pip": "for real: the package index",
    "uv": "for real: the package index",
    "cd examples/gpu-trial": "a GPU",
    "cogpack exec --gpus": "a GPU",
    "cogpack exec -f ./nvcc.yaml --gpus": "a GPU",
    "cogpack run --gpus": "a GPU",
    "kubectl": "a cluster",
    "cogpack bench pull": "measures for a minute: tests/heart/test_bench_pull.py",
    "cogpack bench push": "measures for a minute: tests/heart/test_bench_push.py",
    "cogpack login --token-stdin": "an account: tests/heart/test_replicate.py",
}
ELSEWHERE = {ROOT / "docs/api.md", ROOT / "docs/run.md"}
"""Ask models: `tests/integration/test_api_document.py` types the one, `test_documents_for_real.py` the other."""
PAGES = [str(path.relative_to(ROOT)) for path in DOCUMENTS if blocks(path, "sh") and path not in ELSEWHERE]
SMALL = """
from pathlib import Path

for path in Path().glob("**/cog.yaml"):
    if "cogpack:" not in (text := path.read_text()):
        path.write_text(text + "\\ncogpack:\\n  base: REGISTRY/base/programs:v1\\n")
        (path.parent / "requirements.txt").write_text("--no-index\\n")
"""
"""Has a new project stand on our base, without an index."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return programs_base(tmp_path_factory.mktemp("programs"), (*PROGRAMS, "perl"), python=SERVER)


@pytest.fixture
def keys() -> Iterator[Path]:
    """Where gpg keeps keys: below a path that its sockets can have."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        yield Path(short)


def pushed_before(world: World, page: Path) -> Project:
    """Images that documents name, and the project of which they are."""
    project = world.project(config="")
    config = f"image: {world.registry}/me/model\n{(project.root / 'cog.yaml').read_text()}"
    project.write("cog.yaml", config.replace("base/python", "base/programs"))
    for tag in ("v1", "v2"):
        ok(project.cogpack("push", project.target(tag)))
    project.write("schema.json", ok(project.cogpack("schema")).out)
    for block in blocks(page, "yaml"):
        if "shared_layers:" in block:
            more = REGISTRIES.sub(world.registry, block).removeprefix("cogpack:\n")
            project.write("cog.yaml", (project.root / "cog.yaml").read_text() + more)
    return project


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_document_says_to_type_works(page: str, world: World, programs: bytes, keys: Path) -> None:
    text = "\n".join(blocks(ROOT / page, "sh"))
    if missing := [name for name in ("gpg", "jq") if re.search(rf"\b{name} ", text) and shutil.which(name) is None]:
        pytest.skip(f"no {', '.join(missing)} here, which the document starts")
    push_image(world.registry, "base/programs:v1", [programs])
    of_a_project = not re.search(r"^(?:mkdir .*|cogpack init hello && cd hello)$", text, re.MULTILINE)
    directory = pushed_before(world, ROOT / page).root if of_a_project else world.directory / "empty"
    directory.mkdir(exist_ok=True)
    copy = world.directory / "page.md"
    copy.write_text(REGISTRIES.sub(world.registry, (ROOT / page).read_text()))
    found = program(world.directory / "bin", SMALL.replace("REGISTRY", world.registry))
    given = {
        **world.environment,
        "PATH": f"{found}:/usr/local/bin:/usr/bin:/bin",
        "GNUPGHOME": str(keys),
        "REGISTRY": f"{world.registry}/me",
        "COMMIT": "0123abc",
        "IMAGE": f"{world.registry}/me/model:v3",
        "REGISTRY_PASSWORD": "not-a-secret-of-anybody",
    }
    typed(copy, directory, given, left_out=NOT_TYPED)


def test_what_is_not_typed_is_said_somewhere() -> None:
    text = "\n".join(block for path in DOCUMENTS for block in blocks(path, "sh"))
    assert [one for one in NOT_TYPED if not re.search(rf"(?:^|\| ){re.escape(one)}(?: |$)", text, re.MULTILINE)] == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_line_with_a_command_of_ours_is_in_a_block_that_is_typed(page: Path) -> None:
    typing = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    assert [line for line in lines(page) if list(commands(line)) and line not in typing] == []
