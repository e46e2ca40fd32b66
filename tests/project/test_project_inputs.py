"""Finding a project, its requirements, and what its lock depends on."""

import os
from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.project import Project, find_project
from cogpack.project.inputs import read_key
from cogpack.requirements.model import Options

CONFIG = "build:\n  python_version: '3.13'\n  python_requirements: requirements.txt\n"


def project(root: Path, files: dict[str, str], config: str = CONFIG) -> Project:
    for name, content in {"cog.yaml": config, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return find_project(root)


def fault(root: Path, files: dict[str, str], config: str = CONFIG) -> str:
    with pytest.raises(InputError) as caught:
        project(root, files, config).inputs()
    assert caught.value.next_step
    return caught.value.message


def test_the_config_is_found_upward(tmp_path: Path) -> None:
    project(tmp_path, {"a/b/x": ""}, "predict: p.py:P")
    (tmp_path / "link").symlink_to("a/b")
    for start in (tmp_path, tmp_path / "a/b", tmp_path / "link"):
        found = find_project(start)
        assert found.root == Path(os.path.realpath(tmp_path))
        assert found.config.predict == "p.py:P"
        assert found.config_path == found.root / "cog.yaml"


def test_the_nearest_config_wins(tmp_path: Path) -> None:
    project(tmp_path, {"a/cog.yaml": "predict: near.py:P", "a/b/x": ""}, "predict: far.py:P")
    assert find_project(tmp_path / "a/b").config.predict == "near.py:P"


def test_another_name_is_looked_for_and_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    project(tmp_path, {"dev.yaml": "predict: dev.py:P", "a/x": ""})
    assert find_project(tmp_path / "a", "dev.yaml").config.predict == "dev.py:P"
    assert find_project(tmp_path / "a", "../dev.yaml").root == Path(os.path.realpath(tmp_path))
    with pytest.raises(InputError, match=r"no \./dev\.yaml in"):
        find_project(tmp_path / "a", "./dev.yaml")


def test_no_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no never\.yaml in .* or any directory above"):
        find_project(tmp_path, "never.yaml")


def test_a_config_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cog.yaml")
    with pytest.raises(InputError, match="not a regular file"):
        find_project(tmp_path)
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(InputError, match=r"a\.yaml: not a regular file"):
        find_project(tmp_path, "a.yaml")


def test_a_config_error_names_the_file_asked_for(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text("predict: x")
    with pytest.raises(InputError, match=r"^dev\.yaml:1:10: predict:"):
        find_project(tmp_path, "dev.yaml")


def test_requirements_are_merged_with_all_that_they_name(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        {
            "requirements.txt": "-r req/base.txt\n-c limits.txt\na==1\n-i https://one/\ncog\n",
            "req/base.txt": "b==2\n-r more.txt\n-f https://links/\n-r ../limits-not.txt\n./w/x-1-py3-none-any.whl\n",
            "req/more.txt": "c==3\n",
            "req/w/x-1-py3-none-any.whl": "wheel",
            "limits-not.txt": "d\n-r req/more.txt\n",
            "limits.txt": "e<5\n-r req/more.txt\n",
        },
    ).requirements()
    assert found.lines == ("a==1", "b==2", "c==3", "d", "./req/w/x-1-py3-none-any.whl")
    assert found.constraints == ("e<5", "c==3")
    assert found.options == Options(index_url="https://one/", find_links=("https://links/",))
    [note] = found.notes
    assert note.text == "requirements.txt:5: cog left out; build.sdk_version chooses the SDK"


def test_paths_begin_at_the_project_as_with_pip_and_else_beside_the_file_that_names_them(tmp_path: Path) -> None:
    wheel, other = "x-1-py3-none-any.whl", "y-1-py3-none-any.whl"
    lines = [
        f"./w/{wheel}",
        f"y[e] @ file:w/{other}",
        f"file://{tmp_path}/w/{wheel}",
        "-f w",
        "-f v",
        "./lib",
        "../lib",
    ]
    found = project(
        tmp_path,
        {
            "requirements.txt": "-r req/base.txt\n",
            "req/base.txt": "\n".join(lines),
            f"w/{wheel}": "root",
            f"req/w/{wheel}": "beside",
            f"req/w/{other}": "beside",
            "v/x": "",
            "req/lib/setup.py": "",
            "lib/setup.py": "",
        },
    ).requirements()
    assert found.lines == (f"./w/{wheel}", f"y[e] @ ./req/w/{other}", f"./w/{wheel}")
    assert [link.directory for link in found.local_links] == [str(tmp_path / "req/w"), str(tmp_path / "v")]
    assert [str(line) for line in found.sources] == ["./lib", "./lib"]


@pytest.mark.parametrize("line", ["-r ../reqs.txt", "-c ../reqs.txt"])
def test_a_file_outside_of_the_project_that_is_no_package_is_to_be_copied(line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^requirements.txt:1: ../reqs.txt is outside the project$") as told:
        project(tmp_path, {"requirements.txt": line}).inputs()
    assert told.value.next_step == "put a copy into the project"


def test_what_conda_writes_of_its_own_machine_is_told_with_what_to_write(tmp_path: Path) -> None:
    lines = "attrs @ file:///home/conda/feedstock_root/build_artifacts/attrs_1/work\n"
    with pytest.raises(InputError, match=r"requirements.txt:1: /home/conda/.* is outside the project") as told:
        project(tmp_path, {"requirements.txt": lines}).inputs()
    assert told.value.next_step.startswith("put a copy into the project, or name a repository")
    assert told.value.next_step.endswith(", or write attrs==VERSION")


def test_packages_of_the_config_are_requirements_too(tmp_path: Path) -> None:
    config = "build: {python_version: '3.13', python_packages: [numpy==2.0.0, 'torch --extra-index-url https://w/']}"
    found = project(tmp_path, {}, config)
    assert found.requirements().lines == ("numpy==2.0.0", "torch")
    assert found.requirements().options.extra_index_urls == ("https://w/",)
    assert list(found.inputs()) == ["cog.yaml"]


def test_a_project_without_packages_depends_on_its_config_alone(tmp_path: Path) -> None:
    found = project(tmp_path, {}, "predict: p.py:P")
    assert found.requirements().lines == ()
    assert list(found.inputs()) == ["cog.yaml"]


def test_every_file_that_decides_is_an_input(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        {
            "requirements.txt": "-r a/b.txt\n-c c.txt\n./x-1-py3-none-any.whl",
            "a/b.txt": "",
            "c.txt": "",
            "x-1-py3-none-any.whl": "w",
        },
    )
    assert list(found.inputs()) == ["a/b.txt", "c.txt", "cog.yaml", "requirements.txt", "x-1-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"requirements.txt": "a==2\n-c c.txt\n./x-1-py3-none-any.whl"}, "requirements.txt"),
        ({"c.txt": "b<3"}, "c.txt"),
        ({"x-1-py3-none-any.whl": "other"}, "x-1-py3-none-any.whl"),
        ({"cog.yaml": CONFIG + "  system_packages: [ffmpeg]\n"}, "cog.yaml"),
        ({"cog.yaml": CONFIG + "  gpu: true\n"}, "cog.yaml"),
        ({"cog.yaml": CONFIG + "cogpack: {base: localhost/x}\n"}, "cog.yaml"),
        ({"cog.yaml": CONFIG + "cogpack: {compiler: false}\n"}, "cog.yaml"),
        ({"cog.yaml": CONFIG + "cogpack: {exclude_newer: 2026-01-01T00:00:00Z}\n"}, "cog.yaml"),
    ],
)
def test_a_change_of_one_input_changes_that_input_alone(tmp_path: Path, change: dict[str, str], name: str) -> None:
    files = {"requirements.txt": "a==1\n-c c.txt\n./x-1-py3-none-any.whl", "c.txt": "b<2", "x-1-py3-none-any.whl": "w"}
    before = project(tmp_path, files).inputs()
    after = project(tmp_path, {**files, **change}).inputs() if "cog.yaml" not in change else None
    if after is None:
        (tmp_path / "cog.yaml").write_text(change["cog.yaml"])
        after = find_project(tmp_path).inputs()
    assert [key for key in before if before[key] != after[key]] == [name]


def test_what_decides_nothing_changes_no_input(tmp_path: Path) -> None:
    before = project(tmp_path, {"requirements.txt": "a==1\nb\n"}).inputs()
    config = (
        "# comment\nimage: example.com/x\npredict: p.py:P\nenvironment: [A=1]\nconcurrency: {max: 3}\n"
        "build: {python_requirements: requirements.txt, python_version: 3.13}\n"
        "cogpack: {compression: zstd, compiler: auto, weights: {min_size: 1}}\n"
    )
    after = project(
        tmp_path, {"requirements.txt": "# why\nA == 1\n\nb # c\ncog==0.1\n", "predict.py": "x"}, config
    ).inputs()
    assert before == after


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "cog.yaml:3:24: build.python_requirements: requirements.txt: No such file or directory"),
        ({"requirements.txt": "a\n-r b.txt"}, "requirements.txt:2: b.txt: No such file or directory"),
        ({"requirements.txt": "-r ../b.txt"}, "requirements.txt:1: ../b.txt is outside the project"),
        ({"requirements.txt": "-r /etc/hosts"}, "requirements.txt:1: /etc/hosts is outside the project"),
        ({"requirements.txt": "-r requirements.txt"}, "requirements.txt:1: requirements.txt leads back to itself"),
        (
            {"requirements.txt": "-r a/b.txt", "a/b.txt": "-c ../requirements.txt"},
            "a/b.txt:1: requirements.txt leads back to itself",
        ),
        ({"requirements.txt": "-r a", "a/x": ""}, "requirements.txt:1: a: not a regular file"),
        ({"requirements.txt": "\n./x-1-py3-none-any.whl"}, "requirements.txt:2: x-1-py3-none-any.whl: No such file"),
        ({"requirements.txt": "../x-1-py3-none-any.whl"}, "requirements.txt:1: ../x-1-py3-none-any.whl is outside"),
        (
            {"requirements.txt": "-c c.txt", "c.txt": "./x-1-py3-none-any.whl"},
            "c.txt:1: a wheel's path is no constraint",
        ),
        ({"requirements.txt": "-r 'a\0b'"}, "a NUL character in a path"),
        (
            {f"r{n}.txt": f"-r r{n + 1}.txt" for n in range(100)} | {"requirements.txt": "-r r0.txt"},
            "leads back to itself",
        ),
    ],
)
def test_a_file_that_cant_be_read_is_named_with_the_line_that_asks(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    assert message in fault(tmp_path, files)


def test_a_requirements_file_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    config = CONFIG.replace("requirements.txt", "reqs.txt")
    with pytest.raises(InputError) as told:
        project(tmp_path, {"uv.lock": "", "requirements.txt": ""}, config).inputs()
    assert told.value.next_step == "name uv.lock or requirements.txt, or add the file"


def test_a_requirements_file_that_is_a_link_outward_or_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("secret")
    root = tmp_path / "p"
    root.mkdir()
    (root / "requirements.txt").symlink_to("../out.txt")
    assert "is outside the project" in fault(root, {})
    (root / "requirements.txt").unlink()
    os.mkfifo(root / "requirements.txt")
    assert "not a regular file" in fault(root, {})


def test_text_that_is_not_utf8_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"a\nb\n\xff")
    assert fault(tmp_path, {}) == "requirements.txt:3: not UTF-8 text"


def test_an_absolute_path_into_the_project_is_taken(tmp_path: Path) -> None:
    config = f"build: {{python_version: '3.13', python_requirements: {tmp_path}/r.txt}}"
    assert list(project(tmp_path, {"r.txt": "a"}, config).inputs()) == ["cog.yaml", "r.txt"]


def test_sources_are_read_as_the_image_will_have_them(tmp_path: Path) -> None:
    found = project(
        tmp_path, {"p.py": "1", "lib/m.py": "2", "out.py": "3", ".dockerignore": "out.py"}, "predict: p.py:P"
    )
    (tmp_path / "pkg").symlink_to("lib")
    source = found.source
    assert source.read("p.py") == b"1"
    assert source.read("pkg/m.py") == b"2"
    for path in ("out.py", "none.py", "lib", "../x", "/etc/hosts", "a\0b"):
        assert source.read(path) is None


def test_a_predictor_that_is_left_out_is_named(tmp_path: Path) -> None:
    found = project(tmp_path, {"p.py": "1", ".dockerignore": "*.py"}, "predict: p.py:P")
    with pytest.raises(InputError, match=r"^cog\.yaml:1:10: predict: p\.py: left out by \.dockerignore"):
        _ = found.source


def test_packages_of_the_config_are_named_by_its_lines(tmp_path: Path) -> None:
    config = (
        "predict: p.py:P\nbuild:\n  python_version: '3.13'\n  python_packages:\n    - numpy\n\n    - cog\n    - 'a b'\n"
    )
    assert fault(tmp_path, {}, config).startswith("cog.yaml:8: a b is no requirement")
    config = config.replace("'a b'", "torch")
    found = project(tmp_path, {}, config).requirements()
    assert found.notes[0].text.startswith("cog.yaml:7: cog left out")
    assert found.places("torch and numpy") == ("cog.yaml:5", "cog.yaml:8")
    assert fault(tmp_path, {}, config.replace("torch", "-r x.txt")).startswith("cog.yaml:8: x.txt: No such file")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_files_are_read_by_their_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    """PowerShell 5 writes UTF-16 for `pip freeze > requirements.txt`."""
    mark = "" if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    (tmp_path / "cog.yaml").write_bytes((mark + CONFIG).encode(encoding))
    (tmp_path / "requirements.txt").write_bytes(f"{mark}six  # é\r\nnumpy\r\n".encode(encoding))
    (tmp_path / ".dockerignore").write_bytes(f"{mark}out\r\n".encode(encoding))
    (tmp_path / "out").write_text("")
    found = find_project(tmp_path)
    assert found.requirements().lines == ("six", "numpy")
    assert "out" not in [file.path for file in found.files()]


@pytest.mark.parametrize(("data", "line"), [(b"six\n\xff", 2), ("\ufeffsix\n\n".encode("utf-16-le") + b"x", 3)])
def test_a_file_in_no_encoding_is_an_error_with_its_line(tmp_path: Path, data: bytes, line: int) -> None:
    project(tmp_path, {})
    (tmp_path / "requirements.txt").write_bytes(data)
    with pytest.raises(InputError, match=rf"^requirements\.txt:{line}: not UTF-8 text"):
        find_project(tmp_path).inputs()


def test_a_key_that_is_larger_than_any_is_told_and_not_cut(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(1024 * 1024))
    assert len(read_key(tmp_path, "key", "cog.yaml:3")[1]) == 1024 * 1024
    (tmp_path / "key").write_bytes(bytes(1024 * 1024 + 1))
    with pytest.raises(InputError, match=r"cog\.yaml:3: key: more than 1048576 bytes"):
        read_key(tmp_path, "key", "cog.yaml:3")
