"""What a container is mounted on in a project's directory is there as long as one needs it."""

from pathlib import Path

from cogpack.running.container import _mount_points
from cogpack.sandbox.guest import Bind


def test_who_ends_first_takes_no_mount_from_who_goes_on(tmp_path: Path) -> None:
    project, weights, schema = tmp_path / "project", tmp_path / "weights", tmp_path / "schema"
    for directory in (project, weights):
        directory.mkdir()
    schema.touch()
    binds = [Bind(project, "/src"), Bind(schema, "/src/.cog/schema.json"), Bind(weights, "/src/models/w")]
    first, second = _mount_points(project, binds), _mount_points(project, binds)
    with second:
        with first:
            pass
        assert (project / "models/w").is_dir()
        assert (project / ".cog/schema.json").is_file()
    with _mount_points(project, binds):
        pass
    assert not list(project.iterdir())
