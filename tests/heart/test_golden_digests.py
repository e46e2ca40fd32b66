"""Each released image format makes the bytes that it made when it was released: by a lock and digests written down.

The projects are small and of all kinds of layers: Debian's packages, wheels large, small and clashing, weights split in
each way, files equal, linked and executable. Their lock, `format_N.lock`, is never written again once its format is
released, and then no digest here may change; CONTRIBUTING.md says what to do when one does. Format 2 is not released.
"""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_STORED

import pytest
from support import gguf_files, safetensors_files
from support.debs import deb, member
from support.fake_http import Answer, Request, serving
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.formats import FORMATS, MiB
from cogpack.lockfile import encode_lock, parse_lock

HERE = Path(__file__).parent
EXPECTED = {
    (2, "gzip"): {
        "manifest": "988ae1f1be8ecf3b21335f53be105296d3fbee013fd267db91256ec342d744ec",
        "config": "8f5080638ffc91815f7099930959cf668ded5a45231f56c43b5be93583cb8cb2",
        "debian: trixie, 1 package": "40c2f833f21eda7c4b118aa3e50ec557ad6c685ec5363ace85b06a868060b056",
        "package: large 1": "57299dabe3586036b3456669c41260f1bb9725b14f3cc67809fb1e4af6f8b7d5",
        "packages: tool": "710f796b00b4f5346c4cad5f29bf2c80119e51b908184b66286312f1401a5c81",
        "venv: Python 3.13": "612a1c99746ff770b7ab9ffaa2d7eaee4f2de855102c385c91dd729e36b8eb4e",
        "wheels: large 1.0": "48211809d743a86a200f85fddb5e987ba02bd2080c21c6b58c44de0f353f2fcf",
        "weights: w/model-00002-of-00004.gguf": "4157668e0f752110bf07a3a810e859e31ed24a70a67dadb72f44f2ef3a6313e4",
        "weights: w/model-00003-of-00004.gguf": "be58cffc2706484ec075126995e7d7c73f771e9575b3c5df7be80cd2b06442af",
        "weights: w/model-00004-of-00004.gguf": "0e750ca6305b0f1c0cb4bbe6aa115458b08695d57d492c9bf9a70d9ed00cc279",
        "weights: w/model-a-5e6c50aa.safetensors": "713925efa3541cfbad3501dc927e0003b62b6f2bc84169a20ee3c0ee8d805a9d",
        "weights: w/model-b-72325754.safetensors": "84bdd7a637c4c523a86239e9cf5b93f763da755356d41ec53b8c4eb7ebf95e32",
        "weights: w/model-c-0167d4a1.safetensors": "2d60f02691f30b6d5190597ec331726e3a657cb5a6a471df530b48b8049100f0",
        "weights: w/whole.bin part 1": "a0e93224399a0767795c3d9e8aceaa8eb7c5ae9fc052920eaf57797bf9653849",
        "weights: w/whole.bin part 2": "df2135596b3e2c6492789cadb3a7937e1cbd7594ebacb59d4c4a49ddad1b3f25",
        "weights: w/whole.bin part 3": "268cace1a3722a47ac9f095db1661315c7e24eb547f4bfb40701543de5f7f5c6",
        "weights: w/ones.pt": "ab25204923cb059f209a3799f01adc4f56103bce67183e32c257dca940057d7d",
        "weights: 2 indexes and tiny shards": "ae67cf78635e64c739b5544105502e55c59a84c8aa3db90e2e78b03f8055b1af",
        "weights: joined at start": "1a89ad80ec4d21c1a83e1576901ed9009060cd3c50d21a1ff944f5a3770715f4",
        "wheels: 5 small ones": "83afcdfc7bac0f1fd792e0c1a765154882825862ae59bc160aa1533be8c11eae",
        "clashes": "a5e30e11806069098f4f3376088c0cc954fabe7883541d5d9d53148d9abc3690",
        "project": "f32f3ad759bb60f9b01371aa18ba8fe69159a2420b020063212178c91eb00f01",
    },
    (2, "zstd"): {
        "manifest": "1908ff47740db8e85a31378ffb589c8b42b1bbfcd26f548f78000ec46e17a2f1",
        "config": "624472a00298c641b3324a4d244e2d93d273fefcab2e1adf3fe526395cd17f8d",
        "debian: trixie, 1 package": "e32566ae2d585f3a30f4ad4c74450f67619fa981feb6af72be0afb957e3f3de5",
        "package: large 1": "71a5a31bcc30cb7f3c32211db4c7e7c6fe6bf449b163ca8e8b2fd598563d7695",
        "packages: tool": "1f83101b2950d1b1423e8d4a7abcb0c7875a848f67428e88fb3323b9c79748c1",
        "venv: Python 3.13": "f551311227db041032a33aefcf832dfb703e97ca4953159deb65d6286b00cf3c",
        "wheels: large 1.0": "2c1f8f50a625612814cb47eda726ee279318daa25d54e6ddad5c31ed10a5caf1",
        "weights: 4 files below 64 MiB": "4d844733f7097a937210fb14abb17dc0d641a213f349a1af86e5433462fcb62b",
        "wheels: 5 small ones": "315c881a4844c41fd5f334acfb8f2b7d1eefac660eee3efcacd6b4674c608a34",
        "clashes": "576abb50af8cdd1bc5ffc7ab8f9f06b7f7dc087e8ecfe0c6134558178367f8c9",
        "project": "652f406f005869a65614a193df3f8f1bea8dc93f48d4fcb8c8a3df2c1ba110ed",
    },
}
"""By format and kind of project: sha256 of the manifest, the image config, and each layer by its name."""

SCRIPTS = "[console_scripts]\nzcv = cv:main\n"


def packages() -> dict[str, bytes]:
    """Stored, not compressed: the bytes are the same by any version of zlib."""
    return {
        "base-files": deb(
            "base-files",
            member("./tmp", mode=0o1777),
            member("./etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            member("./etc/group", "root:x:0:\n"),
            member("./usr/bin/python3.13", "an interpreter", mode=0o755),
            member("./usr/bin/python3", link="python3.13"),
            packer="",
        ),
        "large": deb("large", member("./usr/lib/large", noise(4_000_000, 3)), packer=""),
        "tool": deb("tool", member("./usr/bin/tool", "#!/bin/sh\n", mode=0o4755), packer=""),
    }


def make_wheels(directory: Path) -> None:
    """Stored, too. `zcv` is installed after `acv`, which has a file of the same path."""
    for name, version in (("cog", "0.23.1"), ("coglet", "0.23.1"), ("pip", "26.0")):
        make_wheel(directory, name, version, method=ZIP_STORED)
    make_wheel(directory, "large", files={"large.so": noise(4_100_000)}, method=ZIP_STORED)
    make_wheel(
        directory, "acv", files={"cv.py": b"a", "bin/x": b"x"}, executable=frozenset({"bin/x"}), method=ZIP_STORED
    )
    make_wheel(directory, "zcv", files={"cv.py": b"z"}, requires=("acv",), entry_points=SCRIPTS, method=ZIP_STORED)


TENSORS = [(name, "F32", [700, 1000]) for name in "abc"]
CONFIG = """\
build:
  python_version: "3.13"
  python_requirements: requirements.txt
  system_packages:
    - tool
predict: "predict.py:Predictor"
environment:
  - A=b
cogpack:
"""
KINDS = {
    "gzip": """\
  weights:
    layer_size: 2097152
    split:
      "**/*.bin": opaque
      "**/*.safetensors": tensor
      "**/*.gguf": gguf
""",
    "zstd": """\
  compression: zstd
  weights:
    compression: zstd
""",
}


def write_project(world: World, kind: str) -> Project:
    project = world.project(
        files={
            "cog.yaml": CONFIG + KINDS[kind],
            "requirements.txt": "--no-index\nlarge\nacv\nzcv\n",
            "w/whole.bin": noise(5_000_000, 1),
            "w/model.safetensors": safetensors_files.made(TENSORS),
            "w/model.gguf": gguf_files.made(TENSORS),
            "w/ones.pt": b"\0\0\x80\x3f" * MiB,
            "data/one.dat": noise(1_100_000, 2),
            "data/same.dat": noise(1_100_000, 2),
            "text/ä.txt": "ä\n",
            "run.sh": "#!/bin/sh\n",
        }
    )
    (project.root / "run.sh").chmod(0o755)
    (project.root / "link").symlink_to("text/ä.txt")
    return project


@pytest.fixture
def mirror() -> Iterator[str]:
    made = packages()

    def script(request: Request) -> Answer:
        name = request.path.rpartition("/")[2].partition("_")[0]
        return (200, {}, made[name]) if request.path.startswith("/debian/pool/") else (404, {}, b"")

    with serving(script) as fake:
        yield f"{fake.url}/debian"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", FORMATS)
def test_a_format_makes_the_bytes_that_it_always_made(world: World, mirror: str, number: int, kind: str) -> None:
    make_wheels(world.wheels)
    project = write_project(world, kind)
    project.write("cogpack.lock", (HERE / f"format_{number}.lock").read_bytes())
    options = ("--locked", "--json", "--rebuild")
    built = ok(project.cogpack("build", "-o", "../out", *options, COGPACK_DEBIAN_MIRROR=mirror)).json
    found = {layer["name"]: layer["digest"][7:] for layer in built["layers"]}
    assert {"manifest": built["digest"][7:], "config": built["config"][7:], **found} == EXPECTED[number, kind]


@pytest.mark.parametrize("number", FORMATS)
def test_the_lock_of_a_format_is_read_and_written_as_it_always_was(number: int) -> None:
    data = (HERE / f"format_{number}.lock").read_bytes()
    assert parse_lock(data).format == number
    assert encode_lock(parse_lock(data)) == data
