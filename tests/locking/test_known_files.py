"""What lines make of files, over what a base has: as system calls would, or left to the sandbox."""

import pytest
from locking.test_decide_base import IMAGE, TRIXIE

from cogpack.config import RunStep
from cogpack.layers.entry import Directory
from cogpack.layers.wheels.venv import local_names
from cogpack.lockfile import LockedPlace, LockedSandboxed
from cogpack.locking.lines.ground import Look, RegistryGround, debian_place, free_local_names, local_looks
from cogpack.locking.lines.known_files import KnownFiles, known_files
from cogpack.run_lines import KnownStep, StepEffect, Surroundings, classify, settled_steps

URL = "https://h.example/tool"
BASE = {
    place.path: place
    for place in (
        *(LockedPlace(path=path) for path in ("usr", "usr/bin", "usr/local", "usr/local/bin", "opt", "var", "data/m")),
        LockedPlace(path="data", mode=0o750, gid=7),
        LockedPlace(path="group", mode=0o2775, gid=7),
        LockedPlace(path="bin", kind="symlink", target="usr/bin"),
        LockedPlace(path="models", kind="symlink", target="/data/m"),
        LockedPlace(path="loop", kind="symlink", target="loop"),
        LockedPlace(path="var/run", kind="symlink", target="/run"),
        LockedPlace(path="usr/bin/sh", kind="file"),
        LockedPlace(path="null", kind="special file"),
    )
}


def base_place(path: str) -> LockedPlace:
    return BASE.get(path, LockedPlace(path=path, kind="absent"))


def made(*lines: str, debian: bool = False) -> KnownFiles | LockedSandboxed:
    decisions = classify([RunStep(command=line) for line in lines], Surroundings())
    effects = []
    for index, one in enumerate(decisions):
        assert isinstance(one, KnownStep), one
        effects += [StepEffect(index, effect) for effect in one.effects]
    return known_files(settled_steps(effects), debian_place if debian else base_place)


def texts(found: KnownFiles | LockedSandboxed) -> dict[str, tuple[str, int]]:
    assert isinstance(found, KnownFiles), found
    return {file.path: (file.url or file.text, file.mode) for file in found.files}


def test_links_of_the_base_are_followed_and_its_directories_keep_mode_and_owner() -> None:
    found = made(f"curl -o /bin/tool {URL}", "chmod 500 /bin/tool", "echo a > /models/a", "mkdir -p /models/b/c")
    assert texts(found) == {"usr/bin/tool": (URL, 0o500), "data/m/a": ("a\n", 0o644)}
    assert isinstance(found, KnownFiles)
    assert found.directories == ("data/m/b", "data/m/b/c")
    assert found.inherited == (Directory("data", 0o750, 0, 7),)


def test_what_is_written_again_keeps_its_mode_and_what_is_appended_comes_last() -> None:
    found = made("echo a > /a && chmod 700 /a", "echo b >> /a", "echo c > /c && chmod +x /c", f"curl -o /c {URL}")
    assert texts(found) == {"a": ("a\nb\n", 0o700), "c": (URL, 0o755)}
    assert texts(made("echo new >> /a")) == {"a": ("new\n", 0o644)}


def test_a_link_lies_in_the_directory_of_its_path_and_replaces_what_it_may() -> None:
    found = made("ln -s /data/m /opt", "echo a > /x && ln -sf /data /x", "mkdir /y && ln -s z /y/")
    assert isinstance(found, KnownFiles)
    assert {link.path: link.target for link in found.links} == {"opt/m": "/data/m", "x": "/data", "y/z": "z"}
    assert found.files == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"curl -o /none/f {URL}", "no known line before it has made the directory /none"),
        (f"wget -P /bin/sh {URL}", "made the directory /usr/bin/sh"),
        (f"curl --create-dirs -o /new/f {URL}", "no known line before it has made the directory /new"),
        ("echo x > /usr/local/bin/pip", "/usr/local/bin/pip is a name of the environment, or below one"),
        ("mkdir -p /usr/local/lib/python3.12/site-packages/a", "is a name of the environment, or below one"),
        (
            "git clone https://h.example/o/n /n && hf download o/m --local-dir /n",
            "a line before makes /n",
        ),
        ("ln -s /opt /x && ln -sf /data /x", "if /x leads to a directory, the link lies in that"),
        (f"curl -o /bin/sh {URL}", "the base has a file at /usr/bin/sh"),
        (f"curl -o /null {URL}", "the base has a special file at /null"),
        (f"curl -o /models {URL}", "the base has a directory at /data/m"),
        ("echo x > /opt/venv/x", "wheels lie in /opt/venv"),
        ("echo x > /tmp/x", "what is left in /tmp is no part of an image"),
        ("echo x > /var/run/x", "/var/run/x is /run/x, which is no part of an image"),
        ("echo x > /loop/x", "/loop/x can't be followed"),
        ("echo x > /group/x", "what is made in /group belongs to its group"),
        ("mkdir /opt", "/opt is there already"),
        ("mkdir /a/b", "made the directory /a"),
        ("mkdir -p /bin/sh/x", "made the directory /usr/bin/sh"),
        ("ln -s /a /bin/sh", "there is a file at /usr/bin/sh already"),
        ("ln -sf /a /bin/sh", "there is a file at /usr/bin/sh already"),
        ("ln -s a /x && ln -s b /x", "there is a symlink at /x already"),
        (f"curl -o /f {URL} && echo x >> /f", "it appends to /f, which is fetched"),
    ],
)
def test_what_can_t_be_known_or_can_t_succeed_is_run(line: str, why: str) -> None:
    found = made("true", line)
    assert isinstance(found, LockedSandboxed), found
    assert (found.step, why in found.why) == (1, True), found.why


def test_a_debian_base_is_known_where_no_package_may_write() -> None:
    lines = [f"curl -o {path}/x {URL}" for path in ("/usr/local/bin", "/root", "/opt", "/srv")]
    found = made(*lines, "mkdir -p /root/.cache/torch /weights/a /usr/local/cuda-x", debian=True)
    assert isinstance(found, KnownFiles)
    assert found.inherited == (Directory("root", 0o700),)
    for path in ("/etc/x", "/bin/x", "/usr/lib/x", "/usr/local/share/ca-certificates/x", "/usr/local/lib/python3.13/x"):
        refused = made(f"curl --create-dirs -o {path} {URL}", debian=True)
        assert isinstance(refused, LockedSandboxed), path
        assert "a Debian package may have something at" in refused.why
    assert isinstance(made("echo x >> /root/.bashrc", debian=True), LockedSandboxed)


def test_a_base_is_listed_only_for_what_the_lock_does_not_say() -> None:
    listed: list[str] = []

    def listing() -> Look:
        listed.append("listed")
        return base_place

    ground = RegistryGround([BASE["usr"], BASE["bin"]], listing)
    assert ground("usr") == BASE["usr"]
    assert not listed
    assert ground("opt") == BASE["opt"]
    assert listed == ["listed"]
    assert sorted(ground.seen) == ["opt", "usr"]


DOWNLOAD = "huggingface-cli download a/b"


def test_what_comes_from_the_hub_goes_to_where_its_directory_really_is() -> None:
    found = made(
        f"{DOWNLOAD} --cache-dir /models/hub",
        "mkdir -p /w",
        f"{DOWNLOAD} --local-dir /w",
        f"{DOWNLOAD} c --local-dir /w",
    )
    assert isinstance(found, KnownFiles), found
    assert [(step, one.cache, one.directory) for step, one in found.downloads] == [
        (0, "/data/m/hub", ""),
        (2, "", "/w"),
        (3, "", "/w"),
    ]
    assert found.directories == ("data/m/hub", "data/m/hub/models--a--b", "w")
    assert found.inherited == (Directory("data", 0o750, 0, 7),)
    assert isinstance(made(DOWNLOAD, debian=True), KnownFiles)


@pytest.mark.parametrize(
    ("lines", "step", "why"),
    [
        ([f"{DOWNLOAD} --local-dir /opt"], 0, "the base has a directory at /opt"),
        ([f"{DOWNLOAD} --local-dir /bin/sh"], 0, "the base has a file at /usr/bin/sh"),
        (["mkdir /w", "echo a > /w/a", f"{DOWNLOAD} --local-dir /w"], 2, "a line before makes /w/a"),
        ([f"{DOWNLOAD} --local-dir /w", "echo a > /w/a"], 1, "/w/a lies among files that a line before downloads"),
        ([f"{DOWNLOAD} --local-dir /w", "ln -s /opt /w/a"], 1, "/w/a lies among files that a line before downloads"),
        ([f"{DOWNLOAD} --local-dir /w", "mkdir /w/a"], 1, "/w/a lies among files that a line before downloads"),
    ],
)
def test_what_would_meet_files_of_the_hub_is_left_to_the_sandbox(lines: list[str], step: int, why: str) -> None:
    found = made(*lines)
    assert isinstance(found, LockedSandboxed), found
    assert (found.step, why in found.why) == (step, True), found.why


@pytest.mark.parametrize(
    ("own", "laid"),
    [
        ([], ["bin/python", "bin/python3", "bin/pip", "lib/python3.13/site-packages"]),
        (
            [LockedPlace(path="usr/local/bin/python3", kind="symlink", target="python3.12")],
            ["bin/python", "bin/pip", "lib/python3.13/site-packages"],
        ),
        ([LockedPlace(path="usr/local/bin", mode=0o775)], ["lib/python3.13/site-packages"]),
        ([LockedPlace(path="usr/local", kind="symlink", target="/opt")], []),
    ],
)
def test_a_python_is_named_below_usr_local_of_an_image_where_that_has_nothing(
    own: list[LockedPlace], laid: list[str]
) -> None:
    looks = local_looks("3.13")
    places = {path: LockedPlace(path=path, kind="absent" if path.count("/") > 2 else "directory") for path in looks}
    places |= {place.path: place for place in own}
    assert free_local_names(IMAGE, places.values(), "3.13") == [f"usr/local/{name}" for name in laid]
    assert free_local_names(IMAGE, (), "3.13") == [], "nobody has looked"


def test_a_debian_base_of_ours_has_all_names() -> None:
    assert free_local_names(TRIXIE, (), "3.13") == local_names("3.13")
