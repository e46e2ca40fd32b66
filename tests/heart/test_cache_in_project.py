"""The cache that a run uses is never part of the project, whatever its name and however it is reached."""

import pytest
from support.world import World, noise, ok

pytestmark = pytest.mark.slow

TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"


def pushed(world: World, project_name: str) -> set[str]:
    return {path for path in world.files("me/" + project_name, "v1") if path.startswith("src/")}


WAYS = {
    "XDG below": (lambda root: {"XDG_CACHE_HOME": f"{root}/.cache"}, ".cache"),
    "XDG deeper": (lambda root: {"XDG_CACHE_HOME": f"{root}/a/b/c"}, "a"),
    "named": (lambda root: {"COGPACK_CACHE_DIR": f"{root}/c"}, "c"),
    "named, relative": (lambda root: {"COGPACK_CACHE_DIR": "model/c"}, "model/c"),
    "named, with detours": (lambda root: {"COGPACK_CACHE_DIR": f"{root}/./x/../c"}, "c"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_cache_below_the_project_gives_one_digest_each_time(world: World, way: str) -> None:
    settings, place = WAYS[way]
    project = world.project(files={"model/w.pt": noise(2_000_000)})
    elsewhere = ok(project.cogpack("push", project.target()))
    variables = {"COGPACK_CACHE_DIR": ""} | settings(project.root)
    digests = [ok(project.cogpack("push", project.target(), **variables)).digest for _ in range(3)]
    assert digests == [elsewhere.digest] * 3
    assert (project.root / place).is_dir()
    assert not [path for path in pushed(world, "model") if "artifacts" in path or "facts" in path]


def test_an_option_names_the_cache_as_well(world: World) -> None:
    project = world.project()
    first, second = (ok(project.cogpack("push", "--cache-dir", "c", project.target())) for _ in range(2))
    assert first.digest == second.digest
    assert not (project.root / "c" / "c").exists()


def test_a_cache_behind_links_is_no_part_of_the_project_either(world: World) -> None:
    project = world.project()
    plain = ok(project.cogpack("push", project.target())).digest
    (project.root / "real").mkdir()
    (project.root / "inner").symlink_to("real")
    (project.root / "into").symlink_to("real/artifacts")
    for _ in range(2):
        assert ok(project.cogpack("push", project.target(), COGPACK_CACHE_DIR=f"{project.root}/inner")).code == 0
        assert not {path for path in pushed(world, "model") if path.rpartition("/")[2] in ("real", "inner", "into")}
        (project.root / "into").unlink(missing_ok=True)
    (project.root / "inner").unlink()
    outside = (project.root / "real").rename(world.directory / "outside")
    (project.root / "outer").symlink_to(outside)
    done = ok(project.cogpack("push", project.target(), XDG_CACHE_HOME=f"{project.root}/outer", COGPACK_CACHE_DIR=""))
    assert done.digest == plain


def test_a_relative_xdg_directory_counts_for_nothing(world: World) -> None:
    project = world.project()
    plain = ok(project.cogpack("push", project.target())).digest
    done = ok(project.cogpack("push", project.target(), XDG_CACHE_HOME="relcache", COGPACK_CACHE_DIR=""))
    assert done.digest == plain
    assert "note: XDG_CACHE_HOME: relcache is no absolute path" in done.err
    assert not (project.root / "relcache").exists()
    assert (world.directory / "home" / ".cache" / "cogpack" / "CACHEDIR.TAG").is_file()


def test_the_project_itself_is_no_cache(world: World) -> None:
    project = world.project()
    done = project.cogpack("plan", "--cache-dir", ".")
    assert (done.code, done.out) == (2, "")
    assert "the cache is the project itself" in done.err
    assert not (project.root / "CACHEDIR.TAG").exists()


def test_what_else_lies_in_the_cache_is_told(world: World) -> None:
    project = world.project(files={"store/w.pt": noise(2_000_000)})
    done = ok(project.cogpack("push", "--cache-dir", "store", project.target()))
    assert "note: store: left out, since it is this run's cache, and with it w.pt\n" in done.err
    assert not (project.root / "store" / "CACHEDIR.TAG").exists()


def test_the_cache_is_marked_as_one(world: World) -> None:
    ok(world.project().cogpack("lock"))
    assert (world.directory / "cache" / "CACHEDIR.TAG").read_text().startswith(TAG)


def test_directories_that_are_marked_as_caches_are_left_out(world: World) -> None:
    files = {"hub/CACHEDIR.TAG": TAG, "hub/deep/w.pt": noise(2_000_000), "out/only/CACHEDIR.TAG": TAG + "# mine\n"}
    files |= {
        "fake/CACHEDIR.TAG": "no signature\n",
        "link/x": "1",
        "code/CACHEDIR.TAG": TAG,
        "code/config.json": "{}",
    }
    project = world.project(files=files)
    (project.root / "link" / "CACHEDIR.TAG").symlink_to("../hub/CACHEDIR.TAG")
    done = ok(project.cogpack("push", project.target()))
    names = {path.removeprefix("src/").partition("/")[0] for path in pushed(world, "model")}
    assert names >= {"fake", "link"}
    assert not names & {"hub", "out", "code"}
    (note,) = [line for line in done.err.splitlines() if "CACHEDIR.TAG" in line]
    assert note.startswith(
        "note: hub: left out, since its CACHEDIR.TAG says that it is a cache, and with it hub/deep/w.pt"
    )
    project.write(".dockerignore", "!hub\n")
    done = ok(project.cogpack("push", project.target()))
    assert "src/hub/deep/w.pt" in world.files("me/model", "v1")
    assert "left out" not in done.err


def test_a_file_that_dockerignore_takes_in_is_taken_out_of_a_cache(world: World) -> None:
    project = world.project(files={"hub/CACHEDIR.TAG": TAG, "hub/deep/w.pt": noise(2_000_000), "hub/x": "", "c/x": ""})
    project.write("c/CACHEDIR.TAG", TAG)
    project.write(".dockerignore", "hub\n!hub/deep/w.pt\n*.txt\n!**/y\n")
    ok(project.cogpack("push", project.target()))
    names = {path for path in world.files("me/model", "v1") if path.startswith(("src/hub", "src/c/"))}
    assert names == {"src/hub/deep/w.pt"}


def test_a_predictor_in_a_cache_is_told_as_left_out(world: World) -> None:
    project = world.project(files={"c/CACHEDIR.TAG": TAG, "c/predict.py": "x = 1\n"})
    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("predict.py:", "c/predict.py:"))
    done = project.cogpack("schema")
    assert done.code == 2
    assert "c/predict.py" in done.err


def test_managed_weights_beside_the_cache_do_not_bring_it_along(world: World) -> None:
    source = world.directory / "source"
    source.mkdir()
    (source / "w.bin").write_bytes(noise(2_000_000))
    config = f"weights:\n  - name: w\n    target: /weights\n    source:\n      uri: {source}\n"
    project = world.project(config=f"model: {world.registry}/me/model\n{config}")
    for _ in range(2):
        ok(project.cogpack("push", project.target(), COGPACK_CACHE_DIR=f"{source}/c"))
        assert {path for path in world.files("me/model", "v1") if path.startswith("weights/")} == {"weights/w.bin"}
