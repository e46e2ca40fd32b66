"""-v, -vv and COGPACK_LOG over whole commands."""

import pytest
from support.world import World, noise, ok

FILES = {"model/w.pt": noise(100_000)}


@pytest.mark.slow
def test_nothing_is_told_that_nobody_asked_for(world: World) -> None:
    project = world.project(files=FILES)
    assert "debug:" not in ok(project.cogpack("push", project.target())).err


@pytest.mark.slow
def test_v_tells_why_a_layer_moves_or_does_not(world: World) -> None:
    project = world.project(files=FILES)
    first = ok(project.cogpack("push", "-v", project.target())).err
    assert "lacks it\n" in first
    assert "debug: cogpack.lock was made from these inputs" not in first
    project.write("predict.py", (project.root / "predict.py").read_text() + "# changed\n")
    second = ok(project.cogpack("push", "-v", project.target())).err
    assert "debug: cogpack.lock was made from these inputs: nothing is resolved\n" in second
    assert f"): {world.registry}/me/model has it\n" in second
    assert f"debug: arguments: push -v {project.target()}\n" in second
    assert "debug: GET" not in second


@pytest.mark.slow
def test_vv_tells_every_request_with_status_bytes_and_time(world: World) -> None:
    project = world.project(files=FILES)
    err = ok(project.cogpack("push", "-q", "-vv", project.target())).err
    told = [line for line in err.splitlines() if " ms" in line and line.startswith("debug: ") and "://" in line]
    uploads = [path for method, path in world.requests if "/me/model/" in path]
    assert len([line for line in told if "/me/model/" in line]) == len(uploads)
    assert any("/blobs/uploads/" in line and "sent 1" in line and " 20" in line for line in told)
    assert all("?" not in line.replace("?...", "") for line in told), "queries may hold signatures"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cogpack.log", "logs/of-today"])
def test_a_log_in_the_project_is_no_part_of_it(world: World, name: str) -> None:
    project = world.project(files=FILES)
    project.write("logs/kept", "kept")
    first = ok(project.cogpack("push", project.target()))
    second = ok(project.cogpack("push", project.target("v2"), COGPACK_LOG=name))
    assert second.digest == first.digest
    assert "manifests/v2: 201" in (project.root / name).read_text()
    assert f"src/{name}" not in world.files("me/model", "v2")


def test_an_error_stands_in_the_log(world: World) -> None:
    project = world.project()
    project.write("predict.py", "nonsense\n")
    assert project.cogpack("push", project.target(), COGPACK_LOG="../log").code == 2
    assert " error: " in (world.directory / "log").read_text()
