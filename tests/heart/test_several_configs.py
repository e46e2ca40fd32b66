"""Two configs of one directory have a lock each: neither makes that of the other anew, nor is made of it."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.wheels import make_wheel
from support.world import Project, World, ok

from cogpack.config.model import configs_of, is_lock, lock_name
from cogpack.lockfile import encode_lock, parse_lock

NAMES = ("blur", "sharpen")


@pytest.fixture
def project(world: World) -> Project:
    """Two models that want another version of one wheel, and no cog.yaml beside them."""
    for version in ("1.0", "2.0"):
        make_wheel(world.wheels, "numbers", version)
    made = world.project()
    config = (made.root / "cog.yaml").read_text()
    (made.root / "cog.yaml").unlink()
    for name, version in zip(NAMES, ("1.0", "2.0"), strict=True):
        made.write(f"{name}.yaml", config.replace("requirements.txt", f"{name}.txt"))
        made.write(f"{name}.txt", f"--no-index\nnumbers=={version}\n")
    return made


def locks(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir() if is_lock(path.name)}


@pytest.mark.parametrize(
    ("config", "lock"),
    [
        ("cog.yaml", "cogpack.lock"),
        ("blur.yaml", "cogpack.blur.lock"),
        ("cog-gpu.yml", "cogpack.cog-gpu.yml.lock"),
        ("cog.yml", "cogpack.cog.yml.lock"),
        ("cog.gpu.yaml", "cogpack.cog.gpu.lock"),
        ("model", "cogpack.model.lock"),
        ("model.json", "cogpack.model.json.lock"),
        (".yaml", "cogpack..lock"),
        ("lock.yaml", "cogpack.lock.lock"),
    ],
)
def test_a_lock_is_called_as_its_config(config: str, lock: str) -> None:
    assert (lock_name(config), is_lock(lock), config in configs_of(lock)) == (lock, True, True)


@pytest.mark.parametrize("name", ["cogpack.toml", "uv.lock", "cogpacklock", "sub/cogpack.lock", "cogpack.d/uv.lock"])
def test_other_files_are_no_locks(name: str) -> None:
    assert not is_lock(name)


def test_two_configs_are_pushed_in_turn_under_ci_and_no_lock_moves(project: Project) -> None:
    for name in NAMES:
        ok(project.cogpack("push", "-f", f"{name}.yaml", project.target(name)))
    made = locks(project.root)
    assert made.keys() == {"cogpack.blur.lock", "cogpack.sharpen.lock"}
    assert b"from blur.yaml and" in made["cogpack.blur.lock"].splitlines()[0]
    assert (b"numbers-1.0" in made["cogpack.blur.lock"], b"numbers-2.0" in made["cogpack.sharpen.lock"]) == (True, True)
    digests = [ok(project.cogpack("push", "-f", f"{name}.yaml", project.target(name), CI="true")).out for name in NAMES]
    again = [ok(project.cogpack("push", "-f", f"{name}.yaml", project.target(name))).out for name in NAMES]
    assert (again, locks(project.root)) == (digests, made)
    assert not [path for path in project.world.files("me/model", "blur") if is_lock(path.rpartition("/")[2])]


VERBS = [
    ["lock"],
    ["lock", "--check"],
    ["lock", "--upgrade-format"],
    ["plan"],
    ["plan", "TARGET"],
    ["push", "TARGET"],
    ["push", "--dry-run", "TARGET"],
    ["push", "--locked", "TARGET"],
    ["build", "-o", "../out"],
    ["verify", "TARGET"],
    ["fetch", "-o", "../depot"],
    ["export"],
    ["sbom"],
    ["schema"],
    ["weights", "ls"],
    ["doctor"],
]


@pytest.mark.slow
def test_no_verb_moves_the_lock_of_another_config(project: Project) -> None:
    for name in NAMES:
        ok(project.cogpack("push", "-f", f"{name}.yaml", project.target(name)))
    made = locks(project.root)
    for verb in VERBS:
        for name in NAMES:
            words = [project.target(name) if word == "TARGET" else word for word in verb]
            done = project.cogpack(*words, "-f", f"{name}.yaml", CI="true")
            assert done.code == 0 or verb == ["doctor"], (verb, done.err)
            assert "stale" not in done.err + done.out, (verb, done.err)
            assert locks(project.root) == made, (verb, name)
            if verb == ["export"]:
                assert ("numbers-1.0" in done.out) == (name == "blur")
            if verb == ["doctor"]:
                assert f"cogpack.{name}.lock was made from what is here" in done.out


def test_a_lock_of_before_is_moved_by_its_user_and_nothing_else_is_made_of_it(project: Project) -> None:
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    (project.root / "cogpack.blur.lock").rename(project.root / "cogpack.lock")
    before = locks(project.root)
    for verb in (["lock"], ["lock", "--check"], ["push", project.target()], ["plan"], ["verify", project.target()]):
        for more in ({}, {"CI": "true"}):
            done = project.cogpack(*verb, "-f", "blur.yaml", **more)
            told = "error: cogpack.lock was made from blur.yaml, whose lock is cogpack.blur.lock\n"
            told += "next: mv cogpack.lock cogpack.blur.lock\n"
            assert (done.code, told in done.err) == (3, True), (verb, done.err)
            assert locks(project.root) == before
    doctor = project.cogpack("doctor", "-f", "blur.yaml")
    assert "mv cogpack.lock cogpack.blur.lock" in doctor.out
    schema = ok(project.cogpack("schema", "-f", "blur.yaml"))
    told = "cogpack.lock was made from blur.yaml, whose lock is cogpack.blur.lock: the schema is made without it; "
    assert f"{told}mv cogpack.lock cogpack.blur.lock" in schema.err
    ok(project.cogpack("lock", "-f", "sharpen.yaml"))  # which it says nothing of
    shutil.move(project.root / "cogpack.lock", project.root / "cogpack.blur.lock")
    ok(project.cogpack("lock", "--check", "-f", "blur.yaml", CI="true"))


def test_the_lock_of_another_config_is_not_taken_for_that_of_cog_yaml(project: Project) -> None:
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    shutil.copy(project.root / "blur.yaml", project.root / "cog.yaml")
    shutil.copy(project.root / "cogpack.blur.lock", project.root / "cogpack.lock")
    done = project.cogpack("lock")
    assert (done.code, "next: rm cogpack.lock\n" in done.err) == (3, True), done.err
    (project.root / "cogpack.blur.lock").unlink()
    done = project.cogpack("push", project.target())
    assert (done.code, "next: mv cogpack.lock cogpack.blur.lock\n" in done.err) == (3, True), done.err


def test_a_lock_that_is_missing_or_stale_is_told_by_its_name_and_how_it_is_made(project: Project) -> None:
    done = project.cogpack("lock", "--check", "-f", "blur.yaml")
    assert f"error: {project.root}/cogpack.blur.lock: there is no lock\n" in done.err
    assert "next: run cogpack lock -f blur.yaml and commit it\n" in done.err
    planned = ok(project.cogpack("plan", "-f", "blur.yaml")).err
    assert "cogpack.blur.lock is not there: resolved for this run only, cogpack lock -f blur.yaml writes it" in planned
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    project.write("blur.txt", "--no-index\npip\n")
    done = project.cogpack("push", "-f", "blur.yaml", project.target(), CI="true")
    assert (done.code, "cogpack.blur.lock was made from another blur.txt\n" in done.err) == (3, True), done.err
    assert "next: run cogpack lock -f blur.yaml and commit cogpack.blur.lock\n" in done.err
    (project.root / "cogpack.blur.lock").write_text("<<<<<<< ours\n")
    done = project.cogpack("push", "-f", "blur.yaml", project.target())
    assert (done.code, "cogpack.blur.lock:1: a merge has left its conflict markers" in done.err) == (2, True)


def test_a_copied_lock_gives_its_versions_to_the_lock_of_another_config(project: Project) -> None:
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    shutil.copy(project.root / "cogpack.blur.lock", project.root / "cogpack.sharpen.lock")
    project.write("sharpen.txt", "--no-index\nnumbers\n")
    done = project.cogpack("lock", "--check", "-f", "sharpen.yaml")
    told = "cogpack.sharpen.lock was made from blur.yaml, and this is sharpen.yaml\n"
    assert (done.code, told in done.err) == (3, True), done.err
    ok(project.cogpack("lock", "-f", "sharpen.yaml"))
    assert b"numbers-1.0" in locks(project.root)["cogpack.sharpen.lock"]


def test_a_config_takes_the_versions_of_the_lock_beside_its_own(project: Project) -> None:
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    config = (project.root / "sharpen.yaml").read_text()
    project.write("sharpen.yaml", f"{config}  constraints_from: cogpack.blur.lock\n")
    project.write("sharpen.txt", "--no-index\nnumbers\n")
    ok(project.cogpack("lock", "-f", "sharpen.yaml"))
    assert b"numbers-1.0" in locks(project.root)["cogpack.sharpen.lock"]


def test_the_lock_lies_beside_its_config_wherever_that_is(project: Project, tmp_path: Path) -> None:
    for place in ("sub", "sub/below"):
        (project.root / place).mkdir()
    for name in ("blur.yaml", "blur.txt", "predict.py"):
        (project.root / name).rename(project.root / "sub" / name)
    ok(project.cogpack("lock", "-f", "sub/blur.yaml"))
    ok(project.world.cogpack("lock", "--check", "-f", "../blur.yaml", directory=project.root / "sub/below"))
    ok(project.world.cogpack("lock", "--check", "-f", "blur.yaml", directory=project.root / "sub/below"))
    assert (locks(project.root), [*locks(project.root / "sub")]) == ({}, ["cogpack.blur.lock"])


def test_who_inspects_is_told_by_the_lock_of_the_image(project: Project) -> None:
    for name in NAMES:
        ok(project.cogpack("push", "-f", f"{name}.yaml", project.target(name)))
    elsewhere = str(project.world.directory / "another cache")
    for name in NAMES:
        target = project.target(name)
        found = ok(project.cogpack("inspect", target, "--json", COGPACK_CACHE_DIR=elsewhere)).json
        assert "lock" in [layer["origin"] for layer in found["layers"] if layer["name"].startswith("wheels")], found


def test_the_lock_of_another_config_makes_no_tree_dirty(project: Project) -> None:
    def git(*words: str) -> None:
        line = " ".join(("git -c user.name=me -c user.email=me@example.com", *words))
        assert os.system(f"cd {project.root} && {line} >/dev/null 2>&1") == 0, line

    for name in NAMES:
        ok(project.cogpack("lock", "-f", f"{name}.yaml"))
    for words in (("init",), ("add", "."), ("commit", "-m", "one")):
        git(*words)
    ok(project.cogpack("push", "-f", "sharpen.yaml", project.target("sharpen")))  # which writes results
    (project.root / "cogpack.sharpen.lock").write_bytes(b"# of another model\n")
    done = ok(project.cogpack("push", "--git", "-f", "blur.yaml", project.target("blur")))
    assert "dirty" not in done.err
    (project.root / "predict.py").write_bytes((project.root / "predict.py").read_bytes() + b"# x\n")
    assert (
        "-dirty: these differ from the commit: predict.py"
        in ok(project.cogpack("push", "--git", "-f", "blur.yaml", project.target("blur"))).err
    )


@pytest.mark.parametrize("way", ["-f", "-C", "below"])
def test_the_move_is_told_as_one_types_it_where_one_stands(project: Project, way: str) -> None:
    (project.root / "sub/below").mkdir(parents=True)
    for name in ("blur.yaml", "blur.txt", "predict.py"):
        (project.root / name).rename(project.root / "sub" / name)
    words = {"-f": ("-f", "sub/blur.yaml"), "-C": ("-C", "sub", "-f", "blur.yaml"), "below": ("-f", "blur.yaml")}[way]
    stands, seen = (project.root / "sub/below", "../") if way == "below" else (project.root, "sub/")
    ok(project.world.cogpack("lock", *words, directory=stands))
    (project.root / "sub/cogpack.blur.lock").rename(project.root / "sub/cogpack.lock")
    done = project.world.cogpack("lock", "--check", *words, directory=stands)
    told = f"error: {seen}cogpack.lock was made from blur.yaml, whose lock is {seen}cogpack.blur.lock\n"
    told += f"next: mv {seen}cogpack.lock {seen}cogpack.blur.lock\n"
    assert (done.code, told in done.err) == (3, True), done.err


def test_whose_lock_it_is_says_the_lock_and_no_ending(project: Project) -> None:
    (project.root / "blur.yaml").rename(project.root / "cog.gpu")
    project.write("blur.txt", "--no-index\nnumbers==1.0\n-r a.txt\n")
    project.write("a.txt", "# nothing but comments, which is YAML, too\n")
    project.write("sharpen.txt", "--no-index\nnumbers==2.0\n-r a.txt\n")
    ok(project.cogpack("lock", "-f", "cog.gpu"))
    made = (project.root / "cogpack.cog.gpu.lock").read_bytes()
    (project.root / "cogpack.cog.gpu.lock").unlink()
    project.write("cogpack.lock", encode_lock(parse_lock(made)))  # as it was written before: "from cog.yaml"
    (project.root / "sharpen.yaml").rename(project.root / "cog.yaml")
    for config in ("cog.yaml", "cog.gpu"):
        done = project.cogpack("lock", "-f", config)
        assert (done.code, "next: mv cogpack.lock cogpack.cog.gpu.lock\n" in done.err) == (3, True), done.err


@pytest.mark.parametrize("what", ["<<<<<<< ours\n", "version = 99\n", None])
def test_a_shared_lock_that_cannot_be_read_stops_no_other_config(project: Project, what: str | None) -> None:
    if what is None:
        (project.root / "cogpack.lock").mkdir()
    else:
        project.write("cogpack.lock", what)
    ok(project.cogpack("lock", "-f", "sharpen.yaml"))
    ok(project.cogpack("lock", "--check", "-f", "sharpen.yaml"))


@pytest.mark.parametrize(("old", "new"), [("cog.yaml", "sharpen.yaml"), ("blur.yaml", "cog.yaml"), ("a.yaml", "b.yml")])
def test_a_config_with_a_new_name_does_not_lose_its_lock(project: Project, old: str, new: str) -> None:
    (project.root / "sharpen.yaml").unlink()
    (project.root / "blur.yaml").rename(project.root / old)
    ok(project.cogpack("lock", "-f", old))
    (project.root / old).rename(project.root / new)
    before, after = lock_name(old), lock_name(new)
    for verb in (["lock"], ["lock", "--check"], ["push", project.target()], ["plan"]):
        done = project.cogpack(*verb, "-f", new, CI="true")
        told = f"error: {before} was made from {old}, which is not there, and {new} has no lock\n"
        told += f"next: mv {before} {after}; or, to begin anew, rm {before}\n"
        assert (done.code, told in done.err) == (3, True), done.err
    (project.root / before).rename(project.root / after)
    project.write("blur.txt", "--no-index\nnumbers\n")
    ok(project.cogpack("lock", "-f", new))
    assert b"numbers-1.0" in (project.root / after).read_bytes()


def test_a_lock_whose_config_is_gone_stops_no_config_that_is_not_it(project: Project) -> None:
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    (project.root / "blur.yaml").unlink()
    left = (project.root / "cogpack.blur.lock").read_bytes()
    told = "note: cogpack.blur.lock was made from blur.yaml, which is not there: nothing is taken of it; "
    told += "if sharpen.yaml is that one, mv cogpack.blur.lock cogpack.sharpen.lock keeps its versions\n"
    for verb in (["plan"], ["push", project.target()]):
        assert ok(project.cogpack(*verb, "-f", "sharpen.yaml")).err.count(told) == 1, verb
    again = ok(project.cogpack("push", project.target(), "-f", "sharpen.yaml", CI="true"))
    assert "blur" not in again.err
    assert locks(project.root)["cogpack.blur.lock"] == left
    assert b"numbers-2.0" in locks(project.root)["cogpack.sharpen.lock"]
    (project.root / "cogpack.sharpen.lock").unlink()
    denied = project.cogpack("lock", "-f", "sharpen.yaml", "--deny", "lock-left")
    assert (denied.code, locks(project.root).keys()) == (2, {"cogpack.blur.lock"})
    assert ok(project.cogpack("lock", "-f", "sharpen.yaml")).err.count(told) == 1


def test_where_no_lock_is_left_inputs_are_not_read_to_look_for_one(project: Project) -> None:
    (project.root / "blur.txt").unlink()
    told = ok(project.cogpack("schema", "-f", "blur.yaml")).err
    assert "lock" not in told


@pytest.mark.parametrize("place", ["-x", "-x/-y"])
def test_what_moves_a_lock_is_no_option_where_a_name_begins_with_a_dash(project: Project, place: str) -> None:
    below = project.root / place
    below.mkdir(parents=True)
    for name in ("blur.yaml", "blur.txt", "predict.py"):
        (project.root / name).rename(below / name)
    ok(project.world.cogpack("lock", f"-C={place}", "-f", "blur.yaml", directory=project.root))
    (below / "blur.yaml").rename(below / "-b.yaml")
    done = project.world.cogpack("lock", f"-C={place}", "-f=-b.yaml", directory=project.root)
    (move,) = re.findall(r"^next: (mv .*); or, to begin anew, rm \./", done.err, re.MULTILINE)
    subprocess.run(shlex.split(move), cwd=project.root, check=True)
    failed = project.world.cogpack("lock", "--check", f"-C={place}", "-f=-b.yaml", directory=project.root)
    (words,) = re.findall(r"^next: run cogpack (lock .*) and commit", failed.err, re.MULTILINE)
    assert words == f"lock -C={place} -f=-b.yaml"
    ok(project.world.cogpack(*shlex.split(words), directory=project.root))
    ok(project.world.cogpack("lock", "--check", f"-C={place}", "-f=-b.yaml", directory=project.root))


def test_what_is_known_is_by_the_name_of_the_config_s_lock(project: Project) -> None:
    words = ("push", "-f", "blur.yaml", project.target())
    ok(project.cogpack(*words))
    other = ("push", "-f", "blur.yaml", project.target("v2"))
    again = ok(project.cogpack(*other, "--json", COGPACK_CACHE_DIR=str(project.world.directory / "other"))).json
    assert "cogpack.blur.lock" in {layer["vouched"] for layer in again["layers"]}
    planned = ok(project.cogpack("plan", "-f", "blur.yaml", COGPACK_CACHE_DIR=str(project.world.directory / "third")))
    assert "by cogpack" not in planned.out


def test_of_several_locks_that_were_left_the_likest_is_told(project: Project) -> None:
    for name in NAMES:
        ok(project.cogpack("lock", "-f", f"{name}.yaml"))
    for name in NAMES:
        (project.root / f"{name}.yaml").rename(project.root / f"new-{name}.yaml")
    for name in NAMES:
        done = project.cogpack("lock", "-f", f"new-{name}.yaml")
        assert f"next: mv cogpack.{name}.lock cogpack.new-{name}.lock; or" in done.err


def test_two_configs_that_would_have_one_lock_are_told_so(project: Project) -> None:
    (project.root / "sharpen.yaml").rename(project.root / "blur")
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    before = locks(project.root)
    done = project.cogpack("lock", "-f", "blur")
    told = "error: cogpack.blur.lock is the lock of blur.yaml, which is here, and that of blur, too\n"
    assert (done.code, told in done.err, locks(project.root)) == (3, True, before), done.err
    (project.root / "blur").rename(project.root / "blur.yml")
    ok(project.cogpack("lock", "-f", "blur.yml"))
    assert locks(project.root).keys() == {"cogpack.blur.lock", "cogpack.blur.yml.lock"}


def test_only_the_lock_of_a_config_that_is_here_stays_out_of_the_image(project: Project) -> None:
    project.write("cogpack.w.lock/m.bin", "weights")
    project.write("cogpack.x.lock", "a file of the model")
    project.write("cogpack.sharpen.lock", "a lock")
    ok(project.cogpack("push", "-f", "blur.yaml", project.target()))
    found = {path.rpartition("src/")[2] for path in project.world.files("me/model", "v1") if "cogpack." in path}
    assert {one for one in found if ".lock" in one} == {"cogpack.w.lock/m.bin", "cogpack.x.lock"}


@pytest.mark.parametrize("sign", ["\n", "\r", "\x01"])
def test_a_config_with_any_name_has_a_lock_that_can_be_read(project: Project, sign: str) -> None:
    name = f"a{sign}b.yaml"
    (project.root / "blur.yaml").rename(project.root / name)
    ok(project.cogpack("lock", "-f", name))
    ok(project.cogpack("lock", "--check", "-f", name))


def test_a_config_whose_lock_can_have_no_name_is_told_by_its_own(project: Project) -> None:
    name = "a" * 250
    (project.root / "blur.yaml").rename(project.root / name)
    done = project.cogpack("lock", "-f", name)
    assert f"error: {name}: the config's name is too long: its lock would be cogpack.{name}.lock" in done.err
    assert (done.code, "next: give the config a shorter name\n" in done.err) == (2, True)
