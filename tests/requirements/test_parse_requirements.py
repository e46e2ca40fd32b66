"""Requirements files: pip's language with Cog's additions."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from cogpack.errors import InputError
from cogpack.requirements.model import Include, Options
from cogpack.requirements.parse import parse_requirements

SHA = "sha256:" + "a" * 64


def lines(text: str) -> tuple[str, ...]:
    return parse_requirements(text, path="requirements.txt").lines


def options(text: str) -> Options:
    return parse_requirements(text, path="requirements.txt").options


def fault(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_requirements(text, path="requirements.txt")
    assert caught.value.next_step
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("  Torch >= 2.0 , <3 # why\n", "torch<3,>=2.0"),
        ("ruamel.yaml==0.18.6", "ruamel-yaml==0.18.6"),
        ("x==1 ; sys_platform=='linux'", 'x==1 ; sys_platform == "linux"'),
        ("a[Z,y]==1", "a[y,z]==1"),
        ("transformers ~= 4.40", "transformers~=4.40"),
        (f"a==1 --hash={SHA}", f"a==1 --hash={SHA}"),
        (f"a==1 \\\r\n    --hash {SHA} \\\r\n    --hash={SHA}\r\n", f"a==1 --hash={SHA}"),
        (
            "pkg @ https://h/p/pkg-1.0-py3-none-any.whl#sha256=" + "b" * 64,
            "pkg @ https://h/p/pkg-1.0-py3-none-any.whl#sha256=" + "b" * 64,
        ),
        ("https://h/pkg-1.0-py3-none-any.whl", "pkg @ https://h/pkg-1.0-py3-none-any.whl"),
        ("https://h/pkg-1.0%2Bcu1-py3-none-any.whl", "pkg @ https://h/pkg-1.0%2Bcu1-py3-none-any.whl"),
        (
            "https://h/pkg-1.0-py3-none-any.whl ; python_version < '3.12'",
            'pkg @ https://h/pkg-1.0-py3-none-any.whl ; python_version < "3.12"',
        ),
        ("./wheels/my pkg/pkg-1.0-py3-none-any.whl", "././wheels/my pkg/pkg-1.0-py3-none-any.whl"),
        ("pkg-1.0-py3-none-any.whl", "./pkg-1.0-py3-none-any.whl"),
        ("# only\n\n   \n a==1", "a==1"),
    ],
)
def test_a_requirement_gets_one_spelling(text: str, line: str) -> None:
    assert lines(text) == (line,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-i https://h/simple", Options(index_url="https://h/simple")),
        ("--index-url=https://h/simple", Options(index_url="https://h/simple")),
        ("-ihttps://h/simple", Options(index_url="https://h/simple")),
        (
            "--extra-index-url https://a/ --extra-index-url=https://b/",
            Options(extra_index_urls=("https://a/", "https://b/")),
        ),
        ("torch==2.0.1 --extra-index-url=https://w/cu118", Options(extra_index_urls=("https://w/cu118",))),
        ("torch==2.0.1 --extra-index-url https://w/cu118", Options(extra_index_urls=("https://w/cu118",))),
        (
            "-f https://h/links.html\n--find-links=https://h/b",
            Options(find_links=("https://h/links.html", "https://h/b")),
        ),
        ("--pre\n--no-index\n--require-hashes\n--prefer-binary", Options(pre=True, no_index=True, require_hashes=True)),
        ("--only-binary :all:\n--no-binary=:none:", Options()),
        ("-i https://a/\n-i https://b/", Options(index_url="https://b/")),
        ("-i https://${USER}:${TOKEN}@h/s", Options(index_url="https://${USER}:${TOKEN}@h/s")),
    ],
)
def test_index_options_are_read_in_every_spelling(text: str, expected: Options) -> None:
    assert options(text) == expected


def test_a_pin_keeps_its_place_beside_its_own_index() -> None:
    assert lines("torch==2.0.1+cu118 --extra-index-url https://w/cu118") == ("torch==2.0.1+cu118",)


def test_what_is_built_without_isolation_is_one_line_a_package_or_all() -> None:
    text = "a --no-build-isolation\ngit+https://h.io/o/r --no-build-isolation\n--no-build-isolation-package=C_d\nb\n"
    found = parse_requirements(text, path="r.txt")
    assert found.unisolated == ("a", "c-d")
    assert [found.isolates(name) for name in ("a", "b", "c-d")] == [False, True, False]
    assert [line.isolated for line in found.sources] == [False]
    again = parse_requirements(found.normalised(), path="r.txt")
    assert again.normalised() == found.normalised()
    everything = parse_requirements("b\n--no-build-isolation\n", path="r.txt")
    assert not everything.isolates("b")
    assert "--no-build-isolation\n" in everything.normalised()


def test_nested_files_are_named_with_their_lines() -> None:
    found = parse_requirements("a\n-r base.txt\n--constraint='more limits.txt'\n-cc.txt", path="requirements.txt")
    assert found.includes == (
        Include(file="base.txt", constraint=False, path="requirements.txt", line=2),
        Include(file="more limits.txt", constraint=True, path="requirements.txt", line=3),
        Include(file="c.txt", constraint=True, path="requirements.txt", line=4),
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("git+https://h/CLIP.git@main#egg=clip", "clip @ git+https://h/CLIP.git@main"),
        ("Clip[b,A] @ git+https://h/r ; python_version<'4'", 'clip[a,b] @ git+https://h/r ; python_version < "4"'),
        ("thinplate@git+https://h/r", "thinplate @ git+https://h/r"),
        ("git+https://h/NeMo@0bb9e6#egg=nemo_toolkit[all]", "nemo-toolkit[all] @ git+https://h/NeMo@0bb9e6"),
        ("git+https://me:secret@h/r@refs/pull/4/head", "git+https://h/r@refs/pull/4/head"),
        ("git+ssh://git@h/r.git@v1#subdirectory=./a//b", "git+ssh://git@h/r.git@v1#subdirectory=a/b"),
        ("git+ssh://deploy-bot@h/r", "git+ssh://deploy-bot@h/r"),
        ("git+ssh://APKA1.x_Y@h/v1/r", "git+ssh://APKA1.x_Y@h/v1/r"),
        ("git+ssh://me:secret@h/r", "git+ssh://h/r"),
        ("-e git+https://h/r@master#egg=taming-transformers", "-e taming-transformers @ git+https://h/r@master"),
        ("-e ./lib[x]", "-e ./lib[x]"),
        ("--editable=lib", "-e ./lib"),
        ("./lib[b, a] ; python_version>'3'", './lib[a,b] ; python_version > "3"'),
        ("lib/", "./lib"),
        ("x-1.0.zip", "./x-1.0.zip"),
        (f"./x.tar.gz --hash={SHA}", f"./x.tar.gz --hash={SHA}"),
        ("https://h/o/r/archive/main.zip", "https://h/o/r/archive/main.zip"),
        ("x @ https://me:secret@h/x-1.tgz#sha256=" + "a" * 64, f"x @ https://h/x-1.tgz --hash={SHA}"),
    ],
)
def test_what_names_source_code_gets_one_spelling_without_a_login(text: str, written: str) -> None:
    found = parse_requirements(text, path="r.txt")
    assert [str(line) for line in found.sources] == [written]
    assert not found.lines
    assert f"{written}\n" in found.normalised()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("my wheels/x-1-py3-none-any.whl", "./my wheels/x-1-py3-none-any.whl"),
        ("x-1-py3-none-any.whl;python_version>'3'", 'x @ ./x-1-py3-none-any.whl ; python_version > "3"'),
        ("a b/X-1-py3-none-any.whl[C, b_a]", "x[b-a,c] @ ./a%20b/X-1-py3-none-any.whl"),
        (
            f"x-1-py3-none-any.whl --hash=sha256:{'A' * 64}",
            f"x @ ./x-1-py3-none-any.whl --hash={SHA}",
        ),
        (
            "X[b] @ file:x-1-py3-none-any.whl ; python_version>'3'",
            'x[b] @ ././x-1-py3-none-any.whl ; python_version > "3"',
        ),
        ("x @ file:w/x-1-py3-none-any.whl", "././w/x-1-py3-none-any.whl"),
        ("x@file:///srv/a%20b/x-1%2Bcpu-py3-none-any.whl", ".//srv/a b/x-1+cpu-py3-none-any.whl"),
        ("file://localhost/srv/x-1-py3-none-any.whl", ".//srv/x-1-py3-none-any.whl"),
        ("x @ file://${PROJECT_ROOT}/x-1-py3-none-any.whl", "././x-1-py3-none-any.whl"),
        ("x @ file:///${PROJECT_ROOT}/x-1-py3-none-any.whl", "././x-1-py3-none-any.whl"),
        ("${PROJECT_ROOT}/x-1-py3-none-any.whl", "././x-1-py3-none-any.whl"),
        ("${BASE}/x-1-py3-none-any.whl ; os_name=='nt'", 'x @ ${BASE}/x-1-py3-none-any.whl ; os_name == "nt"'),
        ("x-1-py3-none-any.whl ;", "./x-1-py3-none-any.whl"),
    ],
)
def test_what_names_a_wheel_of_the_project_gets_one_spelling(text: str, written: str) -> None:
    assert lines(text) == (written,)


def test_paths_of_sources_are_read_in_every_spelling() -> None:
    text = "a @ file:lib\nb[x] @ file:///srv/b.zip ; python_version > '3'\n-e file:./c#egg=c\n-e file:d[e]\nf @ ./f\n"
    found = parse_requirements(text, path="r.txt")
    assert [str(line) for line in found.sources] == [
        "a @ ./lib",
        'b[x] @ .//srv/b.zip ; python_version > "3"',
        "-e ./c",
        "-e ./d[e]",
        "f @ ./f",
    ]


def test_a_hash_and_an_empty_marker_are_read_as_pip_reads_them() -> None:
    assert lines(f"a==1; --hash=sha256:{'A' * 64}\nb;\n") == (f"a==1 --hash={SHA}", "b")


def test_variables_of_a_source_are_kept_for_who_knows_the_environment() -> None:
    found = parse_requirements("git+https://${TOKEN}@h/r\nhttps://${TOKEN}@h/x.zip", path="r.txt")
    assert [address.text for address in found.addresses] == ["https://${TOKEN}@h/r", "https://${TOKEN}@h/x.zip"]
    assert "TOKEN" not in found.normalised()


@pytest.mark.parametrize(
    "line",
    [
        "cog",
        "cog==0.9.4",
        "Cog[tracing]>=0.1",
        "coglet",
        "cog @ https://h/cog-0.9-py3-none-any.whl",
        "cog @ git+https://github.com/replicate/cog",
        "cog-0.9-py3-none-any.whl",
    ],
)
def test_the_sdk_is_left_out_with_a_warning(line: str) -> None:
    found = parse_requirements(f"a==1\n{line}\n", path="r.txt")
    assert found.lines == ("a==1",)
    assert len(found.notes) == 1
    assert found.notes[0].text.startswith("r.txt:2: cog")


def test_packages_that_only_begin_like_the_sdk_stay() -> None:
    assert lines("cogapp==3.4.1\ncoglet-extra") == ("cogapp==3.4.1", "coglet-extra")


def test_the_project_itself_is_left_out_with_a_warning() -> None:
    found = parse_requirements("-e .\n--trusted-host h\n", path="r.txt")
    assert found.lines == ()
    assert [note.text.split(" ", 1)[0] for note in found.notes] == ["r.txt:1:", "r.txt:2:"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a==1\n\n-e https://h/x.zip", "requirements.txt:3: -e https://h/x.zip names no directory and no repository"),
        ("hg+https://me:secret@h/x", "hg+https://h/x is a repository that is not fetched: only git's are"),
        ("git@github.com:o/r.git", "is a repository that is not fetched"),
        ("./x-1-py3-none-any.whl[bad#x y]", "'bad#x y' is no extra's name"),
        ("x[a b] @ ./d", "'a b' is no extra's name"),
        ("./d[a b]", "'a b' is no extra's name"),
        ("git+file:///srv/r", "is a repository that is not fetched"),
        ("git+https://h/r@-x", "'-x' is no commit, tag or branch"),
        ("git+https:///r", "is no address of a repository"),
        ("git+https://h/r#subdirectory=../x", "#subdirectory=../x leads out of the source"),
        ("x @ https://h/x-1", "is not the address of a wheel or of an archive"),
        ("https://h\\a/x-1-py3-none-any.whl", "holds a backslash"),
        ("x @ https://h/bad.whl", "bad.whl is not a wheel's name"),
        ("x @ https://h/y-1-py3-none-any.whl", "x names a wheel of y"),
        ("x @ file://other/x-1-py3-none-any.whl", "is a file of another machine"),
        ("x @ file:///${PLACE}/x-1-py3-none-any.whl", "${PLACE} is not read in a path"),
        ("-e file:./${PLACE}", "${PLACE} is not read in a path"),
        ("x @ ./y-1-py3-none-any.whl", "x names a wheel of y"),
        (".", ". is the project itself, or what lies around it"),
        (".[extra]", ".[extra] is the project itself"),
        ("-e ..", ".. is the project itself, or what lies around it"),
        ("lib\\x", "backslash in a path"),
        ("./lib ; maybe", "maybe is no environment marker"),
        (f"./lib --hash={SHA}", "--hash is of a file"),
        ("./x.zip --hash=sha512:" + "a" * 128, "only sha256 is compared of source code"),
        ("./x-1-py3-none-any.whl ; maybe", "maybe is no environment marker"),
        ("./x-1-py3-none-any.whl --pre", "--pre can't follow a requirement"),
        ("./x-1-py3-none-any.whl --hash=md5:1", "expected sha256:"),
        ("./x.whl", "x.whl is not a wheel's name"),
        ("--no-binary :all:", "--no-binary asks for a build from source"),
        ("--frob", "--frob is not known"),
        ("a==1 --frob", "--frob is not known"),
        ("a==1 --no-index", "--no-index can't follow a requirement"),
        ("a==1 --hash=md5:1", "expected sha256:"),
        ("--hash=" + SHA, "--hash without a requirement"),
        ("-i", "--index-url needs a value"),
        ("-i ./local", "expected an http or https address"),
        ("-f ftp://h/wheels", "expected an http or https address"),
        ("-i https://", "expected an http or https address"),
        ("-i 'https://[::1'", "expected an http or https address"),
        ("-r https://h/r.txt", "names a file of the network"),
        ("-r ${A}/r.txt", "--requirement: ${A} is not read in a path"),
        ("-r 'a", "a quote is not closed"),
        ("--pre b", "b follows an option"),
        ("a = 1", "is no requirement"),
        ("a==1 \\ ", "there is a space behind the backslash at its end"),
        ("a==${A}", "${A} is read in addresses alone"),
        ("a\u00a0==\u00a01", "it has the character U+00A0"),
        ("a==1 ; python_version >= \u201c3.8\u201d", "it has the character U+201C"),
        ("a==1 b==2", "is no requirement"),
        ("a ; " + "(" * 5000, "is no requirement"),
        ("a" * 70_000, "more than 65536 characters in one line"),
    ],
)
def test_what_cant_be_installed_is_named_by_line(text: str, message: str) -> None:
    assert message in fault(text)
    assert fault(text).startswith("requirements.txt:")


def test_secrets_are_not_shown() -> None:
    for text in ("x @ git+https://me:secret@h/r@-", "-i ftp://me:secret@h/", "https://me:secret@h/x"):
        assert "secret" not in fault(text)


def test_the_line_of_a_continued_requirement_is_its_first() -> None:
    assert fault("a==1\n\n\\\nb \\\n  = 1").startswith("requirements.txt:")
    assert fault("a==1\nb \\\n  = 1").startswith("requirements.txt:2:")


def test_comments_and_layout_do_not_change_the_normal_form() -> None:
    one = parse_requirements(f"a==1 --hash={SHA}\n-i https://u:p@h/s\nB_c>=1,<2\ncog\n-r x.txt\n", path="r.txt")
    two = parse_requirements(
        f"# top\n\nA == 1 \\\n   --hash {SHA}\nb-c <2,>=1 # why\n-r   x.txt\n--index-url=https://h/s", path="r.txt"
    )
    assert one.normalised() == two.normalised()


@pytest.mark.parametrize(
    "other", ["a==2", "a==1\nb", f"a==1 --hash={SHA}", "a==1\n-i https://h/", "a==1 ; os_name=='x'"]
)
def test_a_change_of_meaning_changes_the_normal_form(other: str) -> None:
    one, two = (parse_requirements(text, path="r.txt").normalised() for text in ("a==1", other))
    assert one != two


@given(st.text(max_size=200))
def test_any_text_is_read_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_requirements(text, path="r.txt")


PIECES = st.sampled_from(
    [
        *"a == 1 ; [ ] ( ) @ , \\ # - ' . / ~".split(),  # noqa: SIM905
        "\n",
        " ",
        "-r",
        "-e",
        "--hash=",
        "https://h/a-1-py3-none-any.whl",
        ".whl",
    ]
)


@given(st.lists(PIECES, max_size=30))
def test_what_is_read_is_valid_and_reads_the_same_again(pieces: list[str]) -> None:
    try:
        found = parse_requirements("".join(pieces), path="r.txt")
    except InputError:
        return
    for line in found.required:
        Requirement(line.text)
    again = parse_requirements("\n".join(map(str, found.required)), path="r.txt")
    assert [line.text for line in again.required] == [line.text for line in found.required]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 60_000 + "b",
        "a[" + " " * 60_000,
        "a==" + "1." * 30_000 + "x",
        "a ; " + "not " * 15_000,
        "a" + "==1," * 15_000 + "!",
        "\\\n" * 500_000,
        "a \\\n" * 500_000,
        "-" * 60_000,
        " #" * 30_000,
        "a @ " * 15_000,
        "a ; '" + " ;" * 30_000,
    ],
    ids=range(11),
)
def test_hostile_lines_take_bounded_time(text: str) -> None:
    start = time.process_time()
    with contextlib.suppress(InputError):
        parse_requirements(text, path="r.txt")
    assert time.process_time() - start < 5


def test_what_is_written_twice_is_there_twice() -> None:
    """Which is what locks that there are were made from."""
    found = parse_requirements("a\na\n", path="cog.yaml", lines=[1, 1])
    assert found.normalised() == "a\na\n"


def test_a_comment_is_one_in_a_last_line_that_is_continued_by_none_too() -> None:
    assert lines("a==1  # newest \\") == ("a==1",)
    assert lines("# nothing \\") == ()


def test_a_file_of_many_lines_takes_the_time_of_its_length() -> None:
    """Each line took that of all before it, half a minute for 80,000."""
    began = time.process_time()
    assert len(parse_requirements("a==1\n" * 1_000 + "--find-links ./a\n" * 79_000, path="r.txt").local_links) == 79_000
    assert time.process_time() - began < 5
