"""What a line is known to do is what its programs do; of the rest it is said why not."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogpack.requirements.model import Options
from cogpack.run_lines import (
    Clone,
    Effect,
    Fetch,
    HubDownload,
    KnownStep,
    Link,
    MakeDirectories,
    PipInstall,
    PipRequirement,
    PipUninstall,
    SetMode,
    Surroundings,
    WriteText,
    told,
)
from cogpack.run_lines.known import UnknownStep, meaning
from cogpack.run_lines.site import Site

SITE = Site(surroundings=Surroundings(python="3.12"))
URL = "https://host.example/tool"
PIP_1 = PipInstall(requirements=(PipRequirement("a"),))


def pip(*requirements: str, **fields: object) -> PipInstall:
    return PipInstall(requirements=tuple(map(PipRequirement, requirements)), **fields)  # type: ignore[arg-type]


KNOWN: dict[str, tuple[Effect, ...]] = {
    # curl
    f"curl -o /bin/tool -L {URL}": (Fetch(url=URL, path="/bin/tool"),),
    f"curl -fsSL {URL} -o/opt/tool": (Fetch(url=URL, path="/opt/tool"),),
    f"curl --location --output /opt/tool {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"curl -Lo tool {URL}": (Fetch(url=URL, path="/tool"),),
    f"curl -o /opt/tool {URL}": (Fetch(url=URL, path="/opt/tool", redirects=False),),
    f"curl -L --create-dirs -o /opt/a/tool {URL}": (Fetch(url=URL, path="/opt/a/tool"),),
    f"cd /opt && curl -LO {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"curl -L --output-dir /opt -O {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"curl -L {URL}?a=b -o /opt//./tool": (Fetch(url=f"{URL}?a=b", path="/opt/tool"),),
    f"curl -Lo /opt/tool {URL} && chmod +x /opt/tool": (Fetch(url=URL, path="/opt/tool", mode=0o755),),
    f"curl -Lo /opt/tool {URL} && chmod 700 /opt/tool": (Fetch(url=URL, path="/opt/tool", mode=0o700),),
    f'/usr/bin/curl -o /opt/tool -L "{URL}_$(uname -s)_$(uname -m)"': (
        Fetch(url=f"{URL}_Linux_x86_64", path="/opt/tool"),
    ),
    # wget, pget
    f"wget -O /opt/tool {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"wget -qO/opt/tool {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"wget -nv --output-document=/opt/tool {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"wget -q {URL} {URL}2 -P /opt": (
        Fetch(url=URL, path="/opt/tool", parents=True),
        Fetch(url=f"{URL}2", path="/opt/tool2", parents=True),
    ),
    f"cd /opt && wget {URL}": (Fetch(url=URL, path="/opt/tool"),),
    f"pget {URL} /opt/tool": (Fetch(url=URL, path="/opt/tool", parents=True),),
    # variables that end with their line
    "export PATH=/usr/local/cuda/bin:$PATH && export LD_LIBRARY_PATH=$CUDA_HOME/lib64:$LD_LIBRARY_PATH": (),
    'A="8.6 9.0" && export LIST="$A;$MORE" CUDA=$HOME/cuda': (),
    # files
    "mkdir -p /a/b /c": (MakeDirectories(paths=("/a/b", "/c"), parents=True),),
    "mkdir -p /weights && ln -s a /b && ln -sf c /b": (
        MakeDirectories(paths=("/weights",), parents=True),
        Link(target="a", path="/b"),
        Link(target="c", path="/b", replace=True),
    ),
    "mkdir /a": (MakeDirectories(paths=("/a",)),),
    "echo a 'b  c' > /etc/x": (WriteText(path="/etc/x", text="a b  c\n"),),
    "echo -n a >> ~/x": (WriteText(path="/root/x", text="a", append=True),),
    "printf '%s=%s\\n' a 1 b 2 > /x && chmod u+x,o-r /x": (WriteText(path="/x", text="a=1\nb=2\n", mode=0o740),),
    "echo a > /dev/null; true; : b": (),
    "ln -s /usr/lib/a.so.1 /usr/lib/a.so": (Link(target="/usr/lib/a.so.1", path="/usr/lib/a.so"),),
    "ln -sf ../a /usr/bin/": (Link(target="../a", path="/usr/bin/a", replace=True, inside=False),),
    "ln -sfnT a /usr/b": (Link(target="a", path="/usr/b", replace=True, inside=False),),
    "mkdir /d && ln -s /a/b /d": (MakeDirectories(paths=("/d",)), Link(target="/a/b", path="/d/b", inside=False)),
    "pip install a>=1 b>=2.0": (
        WriteText(path="/=1", text=""),
        WriteText(path="/=2.0", text=""),
        PipInstall(requirements=(PipRequirement("a"), PipRequirement("b"))),
    ),
    "python -m pip install a > /dev/null": (PipInstall(requirements=(PipRequirement("a"),)),),
    # git
    "git clone https://h.example/o/name.git /x": (Clone(url="https://h.example/o/name.git", directory="/x"),),
    "git clone https://h.example/o/n && pip install -r n/r.txt -c /n/c.txt -r q.txt": (
        Clone(url="https://h.example/o/n", directory="/n"),
        PipInstall(files=("/n/r.txt", "/src/q.txt"), constraints=("/n/c.txt",)),
    ),
    "cd /opt && git clone -q -b v1 --depth=1 --recursive https://h.example/o/name.git/": (
        Clone(
            url="https://h.example/o/name.git/",
            directory="/opt/name",
            branch="v1",
            depth=1,
            single_branch=True,
            submodules=True,
        ),
    ),
    "git clone --depth 2 --no-single-branch --recursive --shallow-submodules https://h.example/o/n /x": (
        Clone(url="https://h.example/o/n", directory="/x", depth=2, submodules=True, shallow_submodules=True),
    ),
    "git clone https://h.example/o/n /x && cd /x && git checkout -q 0a1b": (
        Clone(url="https://h.example/o/n", directory="/x", revision="0a1b"),
    ),
    "git clone https://h.example/o/n /x; git -C /x reset --hard v2; git -C /x submodule update --init --recursive": (
        Clone(url="https://h.example/o/n", directory="/x", revision="v2", moved=True, submodules=True),
    ),
    "GIT_LFS_SKIP_SMUDGE=1 git clone https://h.example/o/n /x": (
        Clone(url="https://h.example/o/n", directory="/x", large_files=False),
    ),
    # the hub
    "python -c \"from huggingface_hub import snapshot_download as s; s('o/m', revision='v1')\"": (
        HubDownload(repository="o/m", revision="v1", cache="/root/.cache/huggingface/hub"),
    ),
    'HF_HOME=/hf python3 -c \'import huggingface_hub; print(huggingface_hub.hf_hub_download("o/m", "a/b"))\'': (
        HubDownload(repository="o/m", files=("a/b",), cache="/hf/hub"),
    ),
    "python -c 'import huggingface_hub'": (),
    "huggingface-cli download --repo-type dataset o/m a.bin --local-dir /opt/m --quiet": (
        HubDownload(repository="o/m", kind="dataset", files=("a.bin",), directory="/opt/m"),
    ),
    "hf download o/m a.bin b/": (
        HubDownload(repository="o/m", include=("a.bin", "b/"), cache="/root/.cache/huggingface/hub"),
    ),
    "hf download o/m --include '*.json' --revision=r": (
        HubDownload(repository="o/m", include=("*.json",), revision="r", cache="/root/.cache/huggingface/hub"),
    ),
    # pip
    "pip install a": (PIP_1,),
    "pip3 -q install --no-cache-dir a": (PIP_1,),
    "pip3.12 install a": (PIP_1,),
    "python3 -m pip install -q --root-user-action=ignore a": (PIP_1,),
    "PIP_NO_CACHE_DIR=1 pip install a": (pip("a", environment=(("PIP_NO_CACHE_DIR", "1"),)),),
    "--mount=type=cache,target=/root/.cache/pip pip install a": (PIP_1,),
    "uv pip install --system a": (pip("a", installer="uv"),),
    "mim install 'a>=1'": (pip("a>=1", installer="mim"),),
    "X=1 pip install -U 'a[b]==1' c --no-deps --no-build-isolation --force-reinstall --pre": (
        pip(
            "a[b]==1",
            "c",
            upgrade=True,
            dependencies=False,
            build_isolation=False,
            force_reinstall=True,
            options=Options(pre=True),
            environment=(("X", "1"),),
        ),
    ),
    "pip install -i https://i.example --extra-index-url https://e.example -f https://f.example/x.html -r r/a.txt": (
        PipInstall(
            files=("/src/r/a.txt",),
            options=Options(
                index_url="https://i.example",
                extra_index_urls=("https://e.example",),
                find_links=("https://f.example/x.html",),
            ),
        ),
    ),
    "pip install git+https://h.example/o/n@v1 https://h.example/a-1-py3-none-any.whl https://h.example/a.tar.gz": (
        PipInstall(
            requirements=(
                PipRequirement("git+https://h.example/o/n@v1", "git"),
                PipRequirement("https://h.example/a-1-py3-none-any.whl", "wheel"),
                PipRequirement("https://h.example/a.tar.gz", "archive"),
            )
        ),
    ),
    "pip install 'a @ git+https://h.example/o/n'": (
        PipInstall(requirements=(PipRequirement("a @ git+https://h.example/o/n", "git"),)),
    ),
    "curl -LO --output-dir /tmp https://h.example/a-1-py3-none-any.whl && pip install /tmp/a-1-py3-none-any.whl": (
        Fetch(url="https://h.example/a-1-py3-none-any.whl", path="/tmp/a-1-py3-none-any.whl"),
        PipInstall(requirements=(PipRequirement("https://h.example/a-1-py3-none-any.whl", "wheel"),)),
    ),
    "pip install -e git+https://h.example/o/n@v1#egg=n a": (
        PipInstall(
            requirements=(
                PipRequirement("a"),
                PipRequirement("git+https://h.example/o/n@v1#egg=n", "editable git"),
            )
        ),
    ),
    "git clone https://h.example/o/n && cd n && pip install -e '.[x, y]' ./sub": (
        Clone(url="https://h.example/o/n", directory="/n"),
        PipInstall(requirements=(PipRequirement("/n/sub", "tree"), PipRequirement("/n[x, y]", "editable tree"))),
    ),
    "pip uninstall -y A_b c": (PipUninstall(names=("a-b", "c")),),
}


@pytest.mark.parametrize("line", KNOWN)
def test_a_known_line_does_what_its_programs_do(line: str) -> None:
    assert meaning(line, SITE) == KnownStep(KNOWN[line])


UNKNOWN = {
    f"curl {URL}": "curl is known only with one file to write, by -o PATH or -O",
    f"curl -kLo /x {URL}": "-k of curl: the server is not asked who it is",
    f"curl -H 'a: b' -o /x {URL}": "-H of curl: the request has headers of its own",
    f"curl --output=/x {URL}": "--output=/x of curl is not known here",
    f"curl -o /x --new-option {URL}": "--new-option of curl is not known here",
    "curl -o /x ftp://h.example/a": "ftp://h.example/a is no address of http or https",
    "curl -o /x https://u:p@h.example/a": "the address has a login in it",
    "curl -o /x 'https://h.example/a?api_key=abc'": "the address has what looks like a secret in it",
    "curl -o /x 'https://h.example/{a,b}'": "curl makes several addresses of one with braces or brackets",
    f"curl -o src/tool {URL}": "/src/tool lies in /src, where the project comes",
    f"curl -o ../tool {URL}": "../tool has .. in it, which leads where links do",
    f"curl -o /proc/x {URL}": "/proc/x is no part of an image",
    f"curl -o /opt/ {URL}": "/opt/ is a directory",
    f"mkdir /opt && curl -o /opt {URL}": "/opt is a directory",
    f"ln -s /a /b && curl -LTo /b/x {URL}": "-T of curl is not known here",
    f"ln -s /a /b && curl -Lo /b {URL}": "/b leads through a link, /b",
    f"curl -Lo /b {URL} && ln -sf /a /b && chmod +x /b": "/b leads through a link, /b",
    f"ln -s /a /b && curl -Lo /b/x {URL}": "/b/x leads through a link, /b",
    f"http_proxy=x curl -o /x {URL}": "http_proxy is set, which may change what curl does",
    f"wget -P /opt {URL}?a=b": f"which name the file of {URL}?a=b gets is not sure",
    f"cd /opt && wget {URL} {URL}": "wget gives another name to a file where /opt/tool is already",
    f"wget -O - {URL}": "wget writes to its output, not to a file",
    f"wget --no-check-certificate -O /x {URL}": "--no-check-certificate of wget: the server is not asked who it is",
    "chmod +x /usr/bin/python3": "no known line before it has made /usr/bin/python3",
    "echo a > src/b": "/src/b lies in /src, where the project comes",
    "echo 'a\\n' > /b": "echo of a backslash is not the same in all shells",
    "echo -e a > /b": "echo -e is not the same in all shells",
    "printf '%d' 1 > /b": "of printf's formats only %s, %%, \\n, \\t and \\\\ are known",
    "mkdir -m 700 /x": "-m of mkdir: the mode is not the usual one",
    "ln /a /b": "a hard link",
    "git clone git@h.example:o/n /x": "git@h.example:o/n is no address of http or https",
    "git clone https://h.example/o/n?a /x": "https://h.example/o/n?a is no address of a repository alone",
    "git clone https://h.example/o/n /src/n": "/src/n lies in /src, where the project comes",
    "git clone --single-branch --no-single-branch https://h.example/o/n /x": (
        "--single-branch and --no-single-branch at once"
    ),
    "git -C /x checkout a": "no known line before it has cloned /x",
    "export PATH=/x && true": "a variable that changes how the shell works, or none: 'PATH' at character 1",
    "export A='a b' B=$A": "a variable whose value is known only where the line runs: '$A' at character 16",
    "A='a b' && export B=\"$A\" && export C=$B": "the shell splits this value, or drops it: '$B' at character 36",
    "export A=$UNSET B*=1": "a variable whose value is known only where the line runs: '$UNSET' at character 8",
    "git clone https://h.example/o/n; git -C n reset --hard a; git -C n checkout b": "its branch was moved before",
    "git clone https://h.example/o/n; git -C n checkout b; git -C n reset --hard a": (
        "a branch is moved that was checked out before"
    ),
    "git clone https://h.example/o/n && pip install -r n/r.txt && git -C n checkout b": (
        "a line before it reads files of the clone at /n"
    ),
    "git clone https://h.example/o/n && pip install ./n && git -C n checkout b": (
        "a line before it reads files of the clone at /n"
    ),
    "git clone https://h.example/o/n && echo a > /n/setup.cfg && pip install ./n": (
        "/n is a source tree into which files were put before"
    ),
    "mkdir /n && pip install /n": "/n is a source tree, which pip would build",
    "cd /opt && uv pip install a": "uv reads settings of a project in /opt or above",
    "git clone --recursive https://h.example/o/n /x; git -C /x checkout v1": "its submodules stay as they were before",
    "git clone https://h.example/o/n /x && git -C /x submodule update --init": (
        "without --recursive, submodules of submodules stay away"
    ),
    "git lfs install": "git lfs is not known here",
    f"git clone --depth {'9' * 5000} https://h.example/o/n": f"--depth {'9' * 80} is no number of commits",
    "python -c 'import os; os.remove(\"/x\")'": "Python that does more than download from the hub: import os",
    'python -c "from huggingface_hub import snapshot_download; snapshot_download(x)"': (
        "repo_id of snapshot_download is no constant"
    ),
    "python -c \"from huggingface_hub import snapshot_download as s; s('o/m', token='t')\"": (
        "token of a download from the hub is not known here"
    ),
    "python -c \"from huggingface_hub import snapshot_download as s; s('o/m', files=['f'])\"": (
        "files of a download from the hub is not known here"
    ),
    "python -c \"from huggingface_hub import snapshot_download as s; s('o/m', local_dir='/src/x')\"": (
        "/src/x lies in /src, where the project comes"
    ),
    "hf download o/m --include a b": "files by name and by pattern",
    "hf download o/m --include a --include b": ("--include twice, of which versions of the tool take the last or both"),
    "HF_TOKEN=t hf download o/m": "HF_TOKEN is set, which changes what the hub answers",
    "python setup.py install": "what a program of Python does is not known here",
    "python3.9 -m pip install a": "Python 3.9, which may be another than the image's",
    "pip install a > /log": "the shell writes its output into the file /log",
    "pip install -e .": "-e . of pip install leads to a source tree that is not known here",
    "pip install -e https://h.example/a.zip": (
        "-e https://h.example/a.zip of pip install leads to a source tree that is not known here"
    ),
    "pip install --target /x a": "--target of pip install: it goes elsewhere",
    "pip install ./a": "/a is no file that a known line has fetched",
    "pip install 'a=1'": "a=1 is no requirement",
    "pip install": "pip install names no package",
    "pip install -r /x/r.txt": "/x/r.txt is a requirements file that is neither the project's nor a clone's",
    "pip install -i https://u:p@i.example a": "the address has a login in it",
    "PIP_INDEX_URL=x pip install a": "PIP_INDEX_URL is set, which changes what pip does",
    "pip download a": "pip download is not known here",
    "apt-get update": "what apt-get does is not known here",
    "./a": "./a is no program of the image that is known here",
    f"echo -L > /root/.curlrc && curl -o /x {URL}": "/root/.curlrc may change what curl does",
    "printf x > /root/.gitconfig && git clone https://h.example/o/n /x": "/root/.gitconfig may change what git does",
    "mkdir -p /h && echo t > /h/token && HF_HOME=/h hf download o/m": "/h/token may be the hub's login",
    "echo a > /x && git clone https://h.example/o/n /x": "/x is not empty",
    f"curl -Lo /usr/local/bin/pip {URL} && pip install a": "/usr/local/bin/pip may be another pip",
    "--mount=type=secret,id=a pip install a": "a flag of Dockerfile's RUN that is more than a cache",
    '["pip", "install", "a"]': "a list of words, which Dockerfile's RUN starts without a shell",
    "[ -e /x ] && pip install a": "the command's name is known only where it runs: '[' at character 1",
    "--mount=type=cache,target=/c  pip install a | tee /x": "pipes and || are not read here: '|' at character 45",
    "git clone https://h.example/o/nb && pip install n[b]": (
        "a pattern, for which the shell looks among the files: 'n[b]' at character 49"
    ),
    "pip install a | tee /x": "pipes and || are not read here: '|' at character 15",
}


@pytest.mark.parametrize("line", UNKNOWN)
def test_an_unknown_line_is_told_why(line: str) -> None:
    found = meaning(line, SITE)
    assert isinstance(found, UnknownStep)
    assert found.why == UNKNOWN[line]


TOLD: dict[str, str] = {
    f"curl -Lo /x {URL} && chmod +x /x": f"fetch {URL} as /x, executable",
    "mkdir -p /a /b": "make /a and /b",
    "echo a > /x; echo b >> /x": "write /x; append to /x",
    "ln -s a /b": "link /b to a",
    "git clone -b v1 https://h.example/o/n /x": "clone https://h.example/o/n at v1 into /x",
    "hf download o/m a": "download a of o/m into /root/.cache/huggingface/hub",
    "pip install a 'b>=1' -r r.txt": "install a, b>=1, -r /src/r.txt",
    "pip install -e git+https://h.example/o/n a": "install a, -e git+https://h.example/o/n",
    "pip uninstall -y a": "uninstall a",
    "true": "",
}


@pytest.mark.parametrize("line", TOLD)
def test_what_a_line_does_is_told_in_a_few_words(line: str) -> None:
    found = meaning(line, SITE)
    assert isinstance(found, KnownStep)
    assert "; ".join(map(told, found.effects)) == TOLD[line]


def test_a_line_is_known_as_a_whole_or_not_at_all() -> None:
    assert isinstance(meaning("mkdir /a && nonesuch", SITE), UnknownStep)
    assert isinstance(meaning("mkdir /a && echo b | c", SITE), UnknownStep)


def test_a_file_keeps_the_mode_that_it_was_given_when_it_is_fetched_again() -> None:
    site = SITE
    for effect in (Fetch(url=URL, path="/x"), SetMode(path="/x", mode=0o711), Fetch(url=URL, path="/x")):
        site = site.after(effect)
    assert site.files == {"/x": 0o711}


@given(
    before=st.integers(0, 0o777),
    mode=st.one_of(
        st.integers(0, 0o777).map("{:03o}".format),
        st.lists(
            st.from_regex(r"[ugoa]{0,2}[+-][rwx]{1,3}|[ugoa]{1,2}=[rwx]{1,3}", fullmatch=True), min_size=1, max_size=2
        )
        .map(",".join)
        .filter(lambda mode: not mode.startswith("-")),
    ),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_modes_change_as_chmod_changes_them(tmp_path: Path, before: int, mode: str) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(before)
    subprocess.run(["sh", "-c", f"umask 022; chmod {mode} '{file}'"], check=True, capture_output=True)
    site = Site(surroundings=Surroundings(), files={"/x": before})
    found = meaning(f"chmod {mode} /x", site)
    assert found == KnownStep((SetMode(path="/x", mode=stat.S_IMODE(file.stat().st_mode)),))


@given(
    program=st.sampled_from(["echo", "echo -n", "printf '%s\\n'", "printf 'a%%%s\\t%s'", "printf 'a\\\\b'"]),
    words=st.lists(st.text("ab c-%", max_size=4), max_size=4),
)
def test_text_is_written_as_a_real_shell_writes_it(program: str, words: list[str]) -> None:
    line = " ".join([program, *(f"'{word}'" for word in words)])
    found = meaning(f"{line} > /x", SITE)
    if isinstance(found, UnknownStep):
        return
    for shell in filter(shutil.which, ("dash", "bash")):
        written = subprocess.run([shell, "-c", line], check=True, capture_output=True, text=True).stdout
        assert found == KnownStep((WriteText(path="/x", text=written),)), shell


PROGRAMS = ["curl", "wget", "pget", "pip install", "uv pip install", "git clone", "git checkout", "hf download"]
PROGRAMS += ["python -c", "python -m", "chmod", "mkdir", "ln -s", "echo", "printf", "cd", "pip uninstall"]
OPTIONS = ["-o", "-O", "-L", "-r", "-i", "-f", "-b", "-C", "-c", "-m", "-P", "-q", "-qO-", "-", "--", "--x=", "--depth"]
OPERANDS = [
    "'a b'",
    "''",
    "http://[",
    "https://h/a",
    "https://h",
    "git+https://h/a@b",
    "https://h/a.whl",
    "http://a@b/c",
]
OPERANDS += [
    "/x",
    "/src/y",
    "../z",
    "a==1",
    "'a>='",
    "a[b]",
    "%s",
    "'%'",
    "+x",
    "u=",
    "~",
    ".",
    "/",
    "//",
    "pip",
    "install",
]
OPERANDS += ["'import os'", "'from huggingface_hub import snapshot_download as s;s(\"a/b\",x=1)'", "'\"\\d\"'", "'f('"]
WORDS = st.sampled_from([*OPTIONS, *OPERANDS, *OPERANDS, "> /x", ">> a", "&&", ";", "A=1"])


@given(st.sampled_from(PROGRAMS), st.lists(WORDS, max_size=5))
def test_any_line_has_a_meaning_or_a_reason_for_none(program: str, words: list[str]) -> None:
    found = meaning(" ".join([program, *words]), SITE)
    assert isinstance(found, KnownStep) or found.why
