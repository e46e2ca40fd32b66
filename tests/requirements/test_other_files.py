"""pyproject.toml, pylock.toml and uv.lock say the same as a requirements file would."""

from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.requirements.files import parse_file
from cogpack.requirements.model import Requirements, Selection

PYPI, OURS = "https://pypi.org/simple", "https://ours.test/simple"
A, B, C = (letter * 64 for letter in "abc")

PYPROJECT = """\
[project]
name = "my-model"
requires-python = ">=3.11"
dependencies = [
    "requests[socks] >= 2",
    "colorama; sys_platform == 'win32'",
    "cog",
]

[project.optional-dependencies]
GPU = ["torch==2.1.0"]
all = ["my_model[gpu]", "six"]

[dependency-groups]
Serve_Fast = ["idna", {include-group = "more"}]
more = ["packaging"]
"""


def read(text: str, path: str = "pyproject.toml", **selected: tuple[str, ...]) -> Requirements:
    faults: list[InputError] = []
    found = parse_file(text, path=path, selection=Selection(python="3.13", **selected), faults=faults)  # type: ignore[arg-type]
    assert not faults
    return found


def failure(text: str, path: str = "pyproject.toml", **selected: tuple[str, ...]) -> str:
    with pytest.raises(InputError) as caught:
        read(text, path, **selected)
    return str(caught.value)


def test_pyproject_requires_its_dependencies_and_names_their_lines() -> None:
    found = read(PYPROJECT)
    assert [(line.text, line.line) for line in found.required] == [
        ("requests[socks]>=2", 5),
        ('colorama ; sys_platform == "win32"', 6),
    ]
    assert [note.text for note in found.notes] == [
        "pyproject.toml:7: cog left out; build.sdk_version chooses the SDK",
    ]


def test_extras_and_groups_that_are_asked_for_count_in_any_spelling() -> None:
    found = read(PYPROJECT, extras=("all",), groups=("serve-fast",))
    assert [line.text for line in found.required][2:] == ["six", "torch==2.1.0", "idna", "packaging"]
    groups = "[dependency-groups]\nmodel = ['six']\n"
    assert [line.text for line in read(groups, groups=("model",)).required] == ["six"]


@pytest.mark.parametrize(
    ("text", "selected", "message"),
    [
        (PYPROJECT, {"extras": ("cpu",)}, "pyproject.toml: cogpack.extras: cpu is not there; it has all, gpu"),
        (
            PYPROJECT,
            {"groups": ("x",)},
            "cogpack.dependency_groups: x is not there; it has more, serve-fast",
        ),
        (PYPROJECT.replace(">=3.11", "<3.13"), {}, "requires-python is <3.13, and the image has Python 3.13"),
        (
            '[project]\nname = "a"\ndynamic = ["dependencies"]\n',
            {},
            "toml:3: project.dependencies is dynamic",
        ),
        ("[tool.poetry]\n", {}, "pyproject.toml: it has no [project] table"),
        ("[project]\ndependencies = [1]\n", {}, "Expected `str`, got `int`"),
        ('[project]\ndependencies = ["-r x"]\n', {}, "pyproject.toml:2: -r x is no requirement"),
        ("[project\n", {}, "pyproject.toml: not valid TOML"),
        ('[dependency-groups]\na = [{include-group = "a"}]\n', {"groups": ("a",)}, "dependency-groups.a: "),
    ],
)
def test_what_is_wrong_with_a_pyproject_is_told(text: str, selected: dict[str, tuple[str, ...]], message: str) -> None:
    assert message in failure(text, **selected)


UV_SETTINGS = """\
[project]
name = "m"
dependencies = ["torch", "six"]
[project.optional-dependencies]
cpu = []
[[tool.uv.index]]
name = "ours"
url = "https://ours.test/simple"
[[tool.uv.index]]
name = "pt"
url = "https://download.pytorch.org/whl/cu121"
explicit = true
[[tool.uv.index]]
name = "other"
url = "https://other.test/simple"
explicit = true
[tool.uv.sources]
torch = [{ index = "pt", marker = "sys_platform == 'linux'" }, { index = "other", extra = "cpu" }]
"""


def test_the_indexes_of_uvs_settings_count_where_uv_would_ask_them() -> None:
    ours, pytorch = "https://ours.test/simple", "https://download.pytorch.org/whl/cu121"
    assert read(UV_SETTINGS).options.extra_index_urls == (ours, pytorch)
    assert len(read(UV_SETTINGS, extras=("cpu",)).options.extra_index_urls) == 3
    default = UV_SETTINGS.replace('simple"\n', 'simple"\ndefault = true\n', 1)
    assert read(default).options.index_url == ours


def test_a_source_that_only_uv_knows_is_refused() -> None:
    text = UV_SETTINGS + 'six = { git = "https://h.test/six" }\n'
    assert "pyproject.toml:3: tool.uv.sources: six comes from no index" in failure(text)


PYLOCK = f"""\
lock-version = "1.0"
requires-python = ">=3.10"
extras = ["gpu"]
dependency-groups = ["serve"]
created-by = "x"

[[packages]]
name = "one"
version = "1.0"
index = "https://ours.test/simple"
wheels = [
    {{ url = "https://ours.test/one-1.0-cp313-cp313-linux_x86_64.whl", hashes = {{ sha256 = "{A}" }} }},
    {{ url = "https://ours.test/one-1.0-py3-none-any.whl", hashes = {{ sha256 = "{B}", md5 = "0" }} }},
]

[[packages]]
name = "win"
version = "1"
marker = "sys_platform == 'win32'"
wheels = [{{ url = "https://ours.test/win-1-py3-none-any.whl", hashes = {{ sha256 = "{C}" }} }}]

[[packages]]
name = "fast"
version = "1"
marker = "'gpu' in extras or 'serve' in dependency_groups"
sdist = {{ url = "https://ours.test/fast-1.tar.gz", hashes = {{ sha256 = "{C}" }} }}

[[packages]]
name = "far"
archive = {{ url = "https://h.test/far-1-py3-none-any.whl", hashes = {{ sha256 = "{C}" }} }}

[[packages]]
name = "near"
archive = {{ path = "wheels/near-1-py3-none-any.whl", hashes = {{ sha256 = "{C}" }} }}

[[packages]]
name = "my-model"
directory = {{ path = "." }}
"""


@pytest.mark.parametrize("path", ["pylock.toml", "locks/pylock.gpu.toml"])
def test_pylock_holds_versions_and_hashes_of_what_is_for_the_image(path: str) -> None:
    found = read(PYLOCK, path)
    assert [(str(line), line.line) for line in found.required] == [
        (f"one==1.0 --hash=sha256:{A} --hash=sha256:{B}", 8),
        (f"far @ https://h.test/far-1-py3-none-any.whl --hash=sha256:{C}", 29),
    ]
    assert [(wheel.file, wheel.hashes) for wheel in found.local_wheels] == [
        ("./wheels/near-1-py3-none-any.whl", (f"sha256:{C}",))
    ]
    assert found.options.extra_index_urls == ("https://ours.test/simple",)


@pytest.mark.parametrize("selected", [{"extras": ("gpu",)}, {"groups": ("serve",)}])
def test_extras_and_groups_of_a_pylock_count_where_they_are_asked_for(selected: dict[str, tuple[str, ...]]) -> None:
    assert f"fast==1 --hash=sha256:{C}" in map(str, read(PYLOCK, "pylock.toml", **selected).required)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"1.0"', '"9.0"', "pylock.toml: no lock as PEP 751 has it: "),
        ('">=3.10"', '"==3.11.*"', "requires-python is ==3.11.*, and the image has Python 3.13"),
        (
            "created-by",
            "environments = [\"sys_platform == 'win32'\"]\ncreated-by",
            "it is for none of Python 3.13 on linux",
        ),
    ],
)
def test_a_pylock_for_something_else_is_refused(old: str, new: str, message: str) -> None:
    assert message in failure(PYLOCK.replace(old, new, 1), "pylock.toml")


UV_LOCK = f"""\
version = 1
requires-python = ">=3.11"

[[package]]
name = "m"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "one", extra = ["more"] }},
    {{ name = "forked", version = "1.0", source = {{ registry = "{PYPI}" }}, marker = "python_full_version < '3.12'" }},
    {{ name = "forked", version = "2.0", source = {{ registry = "{OURS}" }}, marker = "python_version >= '3.12'" }},
    {{ name = "win", marker = "sys_platform == 'win32'" }},
]
[package.optional-dependencies]
gpu = [{{ name = "torch" }}]
[package.dev-dependencies]
Dev = [{{ name = "lint" }}]

[[package]]
name = "one"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "below" }}, {{ name = "m" }}]
wheels = [
    {{ url = "https://x.test/one-1.0-cp313-cp313-win_amd64.whl", hash = "sha256:{A}" }},
    {{ url = "https://x.test/one-1.0-py3-none-any.whl", hash = "sha256:{B}" }},
]
[package.optional-dependencies]
more = [{{ name = "extra-of-one" }}]

[[package]]
name = "below"
version = "1"
source = {{ url = "https://h.test/below-1-py3-none-any.whl" }}
wheels = [{{ url = "https://h.test/below-1-py3-none-any.whl", hash = "sha256:{C}" }}]

[[package]]
name = "extra-of-one"
version = "3"
source = {{ path = "wheels/extra_of_one-3-py3-none-any.whl" }}
wheels = [{{ filename = "extra_of_one-3-py3-none-any.whl", hash = "sha256:{C}" }}]

[[package]]
name = "forked"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}

[[package]]
name = "forked"
version = "2.0"
source = {{ registry = "https://ours.test/simple" }}

[[package]]
name = "win"
version = "1"
source = {{ registry = "https://pypi.org/simple" }}

[[package]]
name = "torch"
version = "2.1.0+cpu"
source = {{ registry = "https://download.pytorch.org/whl/cpu" }}

[[package]]
name = "lint"
version = "1"
source = {{ registry = "https://pypi.org/simple" }}
"""


def test_a_lock_of_uv_holds_versions_and_hashes_of_what_the_project_requires_in_the_image() -> None:
    found = read(UV_LOCK, "uv.lock")
    assert [(str(line), line.line) for line in found.required] == [
        (f"below @ https://h.test/below-1-py3-none-any.whl --hash=sha256:{C}", 31),
        ("forked==2.0", 48),
        (f"one==1.0 --hash=sha256:{A} --hash=sha256:{B}", 19),
    ]
    assert [(wheel.file, wheel.hashes) for wheel in found.local_wheels] == [
        ("./wheels/extra_of_one-3-py3-none-any.whl", (f"sha256:{C}",))
    ]
    assert found.options.extra_index_urls == ("https://ours.test/simple",)
    more = read(UV_LOCK, "uv.lock", extras=("gpu",), groups=("dev",))
    assert {"torch==2.1.0+cpu", "lint==1"} <= {line.text for line in more.required}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1\n", "version = 2\n", "uv.lock: lock version 2 is not known"),
        ('virtual = "."', 'virtual = "other"', "uv.lock: no package of it lies in its own directory"),
        ('name = "one", extra', 'name = "gone", extra', "uv.lock: gone is not one package"),
        ("python_full_version <", "extra == 'extra-1-m-cpu' and python_full_version <", "which exclude each other"),
        (
            'dependencies = [{ name = "below" }',
            'dependencies = [{ nome = "below" }',
            "uv.lock: no lock as uv writes it",
        ),
    ],
)
def test_a_lock_of_uv_that_is_not_understood_is_refused(old: str, new: str, message: str) -> None:
    assert message.replace("which", "or groups that") in failure(UV_LOCK.replace(old, new, 1), "uv.lock")


@pytest.mark.parametrize(
    ("text", "old", "new", "path"),
    [
        (PYLOCK, f'index = "{OURS}"', 'index = "http://[x"', "pylock.toml"),
        (UV_LOCK, f'registry = "{OURS}"', 'registry = "http://[x"', "uv.lock"),
        (PYPROJECT.replace('name = "my-model"', ""), '"torch==2.1.0"', '"==1"', "pyproject.toml"),
    ],
)
def test_what_is_no_address_or_requirement_is_a_fault_of_its_line(text: str, old: str, new: str, path: str) -> None:
    faults: list[InputError] = []
    extras = ("gpu",) if path == "pyproject.toml" else ()
    selection = Selection(python="3.13", extras=extras)
    parse_file(text.replace(old, new), path=path, selection=selection, faults=faults)
    assert faults
    assert all(str(fault).startswith(f"{path}:") for fault in faults)


def test_any_other_name_is_a_requirements_file(tmp_path: Path) -> None:
    assert [line.text for line in read("six==1\n", "requirements.toml").required] == ["six==1"]


@pytest.mark.parametrize("name", ["a\\n--index-url https://h.example/", "a\\r", "a\\\\"])
def test_what_would_be_lines_of_its_own_is_none(name: str) -> None:
    """It was options that the file does not have, or an error within."""
    text = f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "d"\ndirectory = {{ path = "{name}" }}\n'
    assert "pylock.toml:4: " in failure(text, "pylock.toml")
    assert "is no line of requirements" in failure(text, "pylock.toml")


def test_a_key_of_many_parts_is_refused_at_once() -> None:
    """40 kB of one took ten seconds, and a file may have 16 MB."""
    with pytest.raises(InputError, match=r"uv\.lock: not valid TOML: a key of more than 16 parts"):
        read(".".join(["a"] * 20_000) + " = 1", "uv.lock")
