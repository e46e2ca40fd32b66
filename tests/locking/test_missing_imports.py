"""A module that sources import and nothing in the image has is a note with its place, and no note is wrong."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from locking.test_decide_base import requested
from locking.test_deviations import base as registry_base
from locking.test_deviations import wheel
from support.wheels import make_wheel

from cogpack.errors import UnavailableError
from cogpack.layers.wheels.modules import SiteModules
from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.missing_imports import Looked, look_at_imports, read_modules
from cogpack.locking.wheels.outlines import Outlines, local_reader
from cogpack.notes import Code
from cogpack.project import find_project
from cogpack.session import Session
from cogpack.settings import Settings

NOTHING = ", which nothing in the image has"
OUT = " is left out of the image: add the line"


def site(directory: Path, *wheels: Mapping[str, str]) -> SiteModules:
    """The modules of `wheels`, each by the files in it."""
    outlines = []
    for number, files in enumerate(wheels):
        made = make_wheel(directory, f"w{number}", files={path: text.encode() for path, text in files.items()})
        outlines.append(Outline(made.name, *local_reader(made)))
    return SiteModules(outlines)


def looked(
    root: Path,
    source: str,
    *wheels: Mapping[str, str],
    more: Mapping[str, str] = {},
    config: str = "",
    names: tuple[str, ...] = ("cog",),
    upon: Base | None = None,
    sdk: str = "0.23.1",
) -> Looked:
    project = root / "project"
    for path, text in {"cog.yaml": f"predict: predict.py:P\n{config}", "predict.py": source, **more}.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    modules = site(root / "wheels", {"cog/__init__.py": ""}, *wheels)
    wheels_of = tuple(wheel(name, sdk if name == "cog" else "1") for name in names)
    decisions = Decisions(base=upon or requested("libc6"), wheels=wheels_of, clashes=())
    found = look_at_imports(find_project(project), decisions, lambda _: modules)
    assert all(note.code is Code.MISSING_IMPORT for note in found.notes)
    return found


def told(
    root: Path, source: str, *wheels: Mapping[str, str], more: Mapping[str, str] = {}, config: str = ""
) -> list[str]:
    found = looked(root, source, *wheels, more=more, config=config)
    assert not found.unseen
    return [note.text for note in found.notes]


def test_a_module_that_nothing_has_is_told_once_with_what_brings_it_and_where_to_write_that(tmp_path: Path) -> None:
    source = "import os\nimport cv2\nfrom cog import BasePredictor\nimport near\nfrom strange.part import x\n"
    more = {"near.py": "import cv2.dnn\nimport cv2\n", "requirements.txt": ""}
    config = "build:\n  python_requirements: requirements.txt\n"
    assert told(tmp_path, source, more=more, config=config) == [
        f"predict.py:2:8: imports cv2 (as do 2 more lines){NOTHING}: add opencv-python-headless to requirements.txt",
        f"predict.py:5:1: imports strange{NOTHING}: add the package that has it to requirements.txt",
    ]
    (no_file, *_) = told(tmp_path, "import yaml\n")
    assert no_file.endswith("add pyyaml to build.python_packages")


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("import a", {"a.py": ""}),
        ("import a.b.c", {"a/__init__.py": ""}),  # which may make up b.c
        ("import a", {"a.cpython-313-x86_64-linux-gnu.so": ""}),
        ("import a", {"a/__init__.cpython-313-x86_64-linux-gnu.so": ""}),
        ("import a", {"w1-1.0.data/purelib/a/__init__.py": ""}),
        ("import a", {"inner/a.py": "", "w1.pth": "# comment\ninner\n"}),
        ("import a.b", {"a/b.py": ""}),
        ("from a import b", {"a/b/__init__.py": ""}),
        ("from a.b import c", {"a/b/c.so": ""}),
        ("import a", {"a/data.txt": ""}),
    ],
)
def test_what_a_wheel_has_is_not_told(tmp_path: Path, line: str, files: dict[str, str]) -> None:
    assert told(tmp_path, line, files) == []
    assert len(told(tmp_path, line)) == 1


@pytest.mark.parametrize(("sdk", "count"), [("0.16.11", 0), ("0.17.0", 1), ("0.23.1", 1)])
def test_a_name_that_cog_has_no_more_is_told_as_that(tmp_path: Path, sdk: str, count: int) -> None:
    source = "from cog import BasePredictor\nfrom cog.types import ExperimentalFeatureWarning, Path\n"
    text = (
        "predict.py:2:1: imports ExperimentalFeatureWarning of cog.types, which has it no more since 0.17: leave it out"
    )
    assert [note.text for note in looked(tmp_path, source, sdk=sdk).notes] == [text] * count


def test_of_a_directory_that_several_wheels_share_each_part_is_looked_for(tmp_path: Path) -> None:
    source = "from google import protobuf\nfrom google import genai\nimport google.cloud.storage\n"
    assert [text.partition(", ")[0] for text in told(tmp_path, source, {"google/protobuf/__init__.py": ""})] == [
        "predict.py:2:1: imports google.genai",
        "predict.py:3:8: imports google.cloud.storage",
    ]
    assert told(tmp_path, source, {"google/__init__.py": ""}) == []


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("import a.b", {"a/b.py": ""}),
        ("import a", {"a/data/x.txt": ""}),
        ("import a.b", {"a/__init__.py": "", "a/b.cpython-313-x86_64-linux-gnu.so": ""}),
        ("from a.b import c", {"a/__init__.py": "from .d import e\n", "a/b/c.py": "", "a/d/x": ""}),
        ("sys.path.append('lib')\nimport a", {"lib/a/x.txt": ""}),
    ],
)
def test_what_the_project_has_is_not_told(tmp_path: Path, line: str, files: dict[str, str]) -> None:
    assert told(tmp_path, f"import sys\n{line}\n", more=files) == []


def test_what_the_project_lacks_or_leaves_out_is_told_as_that(tmp_path: Path) -> None:
    more = {
        "models/__init__.py": "from .gone import x\n",
        "models/net.py": "",
        "hidden/__init__.py": "",
        ".dockerignore": "models/net.py\nhidden\n",
    }
    assert told(tmp_path, "import models.net\nimport models.other\nimport hidden\n", more=more) == [
        f"predict.py:1:8: imports models.net, and models/net.py{OUT} !models/net.py at the end of .dockerignore",
        "predict.py:2:8: imports models.other, which no file of the project is: correct the name, or add the file",
        f"predict.py:3:8: imports hidden, and hidden{OUT} !hidden at the end of .dockerignore",
        "models/__init__.py:1:1: imports .gone, which no file of the project is: correct the name, or add the file",
    ]


def test_what_lies_beside_an_importing_file_is_told_as_that(tmp_path: Path) -> None:
    (found,) = told(tmp_path, "import lib.main\n", more={"lib/main.py": "import helper\n", "lib/helper.py": ""})
    text = "lib/main.py:1:8: imports helper, which lies in lib/, where Python does not look: "
    assert found == f"{text}it looks in the project's root"


def test_a_directory_on_the_path_that_nothing_brings_is_named(tmp_path: Path) -> None:
    source = "import sys\nsys.path.append('./later')\nimport a\nimport cv2\n"
    add = "add the package that has it to build.python_packages, or the files of later"
    assert told(tmp_path, source) == [
        f"predict.py:3:8: imports a{NOTHING}: {add}, which sources put on Python's path, to the project",
        f"predict.py:4:8: imports cv2{NOTHING}: add opencv-python-headless to build.python_packages",
    ]
    assert told(tmp_path, source, {"a.py": "", "cv2/__init__.py": ""}) == []


FETCHES = [
    "os.system('pget -x https://x.test/a repo')",
    "os.system(f'pget -x {URL} /src/repo/lib')",
    "os.system('mkdir x && tar xf x.tar --directory=./repo')",
    "os.system('tar xf repo.tar.gz')",
    "subprocess.run(['pget', '-x', URL, 'repo'])",
    "command = ['pget', '-x', URL, 'repo']\nsubprocess.run(command)",
    "snapshot_download('x/y', local_dir='repo')",
    "def fetch(to='repo'):\n    snapshot_download('x/y', local_dir=to)\nfetch()",
    "WHERE = 'repo'\nsnapshot_download('x/y', local_dir=WHERE)",
    "git.Repo.clone_from(URL, 'repo')",
    "git.Repo.clone_from(URL, Path(HERE) / 'repo')",
    "git.Repo.clone_from('https://x.test/repo.git')",
    "zip.extractall('repo')",
    "if not os.path.isdir('repo'):\n    fetch()",
]


@pytest.mark.parametrize("put", ["sys.path.append('repo')", "sys.path.insert(0, os.path.join('repo', 'lib'))"])
@pytest.mark.parametrize("fetch", FETCHES)
def test_a_directory_on_the_path_that_a_call_names_may_have_all(tmp_path: Path, fetch: str, put: str) -> None:
    found = looked(tmp_path, f"{fetch}\n{put}\nimport foo\n")
    assert found.notes == ()
    assert found.unseen.startswith("predict.py:")
    assert " may bring repo" in found.unseen
    more = {"near.py": f"{fetch}\n"}
    assert looked(tmp_path, f"import near\n{put}\nimport foo\n", more=more).unseen.startswith("near.py:")


@pytest.mark.parametrize(
    "source",
    [
        "os.system('pget -x https://x.test/a others')\nsys.path.append('repo')",
        "sys.path += [os.path.join(os.getcwd(), 'repo')]",
        "WHERE = os.path.join(os.getcwd(), 'repo')\nsys.path.insert(0, WHERE)",
        "if os.path.abspath('repo') not in sys.path:\n    sys.path.append(os.path.abspath('repo'))",
        "site.addsitedir('repo')\nload('weights/repo.json', 'reports')",
        "sys.path.append('repo')\nprint('the repo is on the path')\nInput(description='of the repo')",
        "sys.path.append('repo')\nraise ValueError('no repo')",
        "sys.path.append('repo')\nload('\\ud800 \\0/')",
        "sys.path.append('repo')\nclass P:\n    def setup(self):\n        os.chdir('./repo')",
    ],
)
def test_a_directory_on_the_path_that_nothing_else_names_hides_nothing(tmp_path: Path, source: str) -> None:
    (found,) = told(tmp_path, f"import foo\n{source}\n")
    assert found.endswith("or the files of repo, which sources put on Python's path, to the project")


def test_a_module_that_this_python_has_no_more_is_told_as_that(tmp_path: Path) -> None:
    (found,) = told(tmp_path, "import cgi\nimport tomllib\n")
    text = "predict.py:1:8: imports cgi, which Python has no more since 3.13: "
    assert found == f"{text}ask for an older build.python_version"
    assert len(told(tmp_path, "import distutils.util\n")) == 1
    assert looked(tmp_path, "import distutils.util\n", names=("cog", "setuptools")) == Looked()


@pytest.mark.parametrize(
    ("source", "config", "why"),
    [
        ("import sys\nsys.path.append(x)\n", "", "predict.py:2 puts a directory on Python's path"),
        ("import sys\nsys.path.append('/opt/x')\n", "", "sources put /opt/x on Python's path"),
        (
            "import sys\nsys.path.append('later')\n",
            "build: {run: ['git clone https://x.test/a /src/later']}\n",
            "cog.yaml:2:15: build.run[0]: a command that is run may",
        ),
        ("", "build: {run: [python setup.py install]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        ("", "build: {run: ['curl x | sh']}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        (
            "",
            "build: {run: ['curl -o /opt/venv/lib/python3.13/site-packages/a.py -L https://x.test/a']}\n",
            "cog.yaml:2:15: build.run[0]: ",
        ),
        ("", "build: {run: [cat /x > a.pth]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        ("", "build: {run: [echo $(pip install a)]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        ("", "build: {run: [echo `pip install a`]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        ("", "build: {run: [echo & pip install a]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        ("", "build: {run: [echo x=1 > /src/a.py]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
        ("", "build: {run: [touch a.py]}\n", "cog.yaml:2:15: build.run[0]: a command that is run may"),
    ],
)
def test_where_modules_may_lie_that_nobody_looked_into_nothing_is_told(
    tmp_path: Path, source: str, config: str, why: str
) -> None:
    found = looked(tmp_path, f"{source}import a\n", config=config)
    assert found.notes == ()
    assert found.unseen.startswith(why)


def test_commands_that_bring_no_module_leave_nothing_open(tmp_path: Path) -> None:
    run = "build: {run: ['apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*', 'ldconfig']}\n"
    assert len(told(tmp_path, "import a\n", config=run)) == 1
    quiet = "build: {run: ['apt-get update >/dev/null 2>&1 && apt-get install -y a 2> /dev/null']}\n"
    assert len(told(tmp_path, "import a\n", config=quiet)) == 1


def test_what_managed_weights_lay_into_the_project_is_there(tmp_path: Path) -> None:
    weights = "model: r8.im/a/b\nweights: [{name: c, target: /src/c, source: {uri: 'hf://x/y'}}]\n"
    (found,) = told(tmp_path, "import c.y\nimport d\n", config=weights)
    assert found.startswith("predict.py:2:8: imports d, ")


def test_a_base_that_names_places_for_modules_leaves_them_open(tmp_path: Path) -> None:
    found = looked(tmp_path, "import a\n", upon=registry_base("PYTHONPATH=/opt/x"))
    assert found == Looked(unseen="the base sets PYTHONPATH")
    assert len(looked(tmp_path, "import a\n", upon=registry_base("PATH=/bin")).notes) == 1


def test_an_editable_package_of_the_project_is_there(tmp_path: Path) -> None:
    more = {"pkg/a/__init__.py": ""}
    assert told(tmp_path, "import a\n", {"x.pth": "/src/pkg\n"}, more=more) == []
    found = looked(tmp_path, "import a\n", {"x.pth": "/opt/clone\n"}, more=more)
    assert found == Looked(unseen="a wheel puts /opt/clone on Python's path")


def test_wheels_are_looked_into_only_where_that_answers_something(tmp_path: Path) -> None:
    def ask(_: object) -> SiteModules | None:
        raise UnavailableError("index.test: refused", next_step="")

    (tmp_path / "cog.yaml").write_text("predict: predict.py:P\n")
    (tmp_path / "predict.py").write_text("import os\nimport near\n")
    (tmp_path / "near.py").write_text("")
    decisions = Decisions(base=requested("libc6"), wheels=(wheel("cog", "1"),), clashes=())
    assert look_at_imports(find_project(tmp_path), decisions, ask) == Looked()
    (tmp_path / "near.py").write_text("import cv2, PIL.Image, pkg_resources\nfrom hf_transfer import x\n")
    named = ("cog", "opencv-contrib-python", "pillow", "setuptools", "hf-transfer")
    wheels = tuple(wheel(name, "1") for name in named)
    assert look_at_imports(find_project(tmp_path), msgspec.structs.replace(decisions, wheels=wheels), ask) == Looked()
    (tmp_path / "near.py").write_text("import a\n")
    assert look_at_imports(find_project(tmp_path), decisions, ask) == Looked(unseen="index.test: refused")
    assert look_at_imports(find_project(tmp_path), decisions, lambda _: None).unseen == "some wheels are not here"
    trained = msgspec.structs.replace(find_project(tmp_path).config, predict=None, train="near.py:train")
    project = msgspec.structs.replace(find_project(tmp_path), config=trained)
    assert len(look_at_imports(project, decisions, lambda _: SiteModules([])).notes) == 1


def test_wheels_that_can_not_be_read_end_no_more_than_the_look(tmp_path: Path) -> None:
    """The lock that was looked at for them was taken for interrupted."""

    def refuse(_: object) -> str:
        raise UnavailableError("index.test: refused", next_step="")

    (tmp_path / "cog.yaml").write_text("predict: predict.py:P\n")
    (tmp_path / "predict.py").write_text("import a\n")
    project = find_project(tmp_path)
    decisions = Decisions(base=requested("libc6"), wheels=(wheel("cog", "1"), wheel("b", "1")), clashes=())
    settings = Settings(directory=tmp_path, cache=tmp_path / "cache", environment={})
    with Session(settings) as session:
        modules_of = read_modules(Outlines(session, project, refuse), session)
        assert look_at_imports(project, decisions, modules_of) == Looked(unseen="index.test: refused")
        session.cancellation.check()
