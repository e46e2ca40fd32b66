"""`doctor`: what this machine lets us do, and who told us where to look."""

from support.world import CLOSED, World, ok


def test_rungs_and_settings_are_told_with_who_sets_them_and_without_secrets(world: World) -> None:
    machine = world.directory / "machine.toml"
    machine.write_text('url_map = ["https://a.test=https://p.test/a"]\nregistry_mirrors = ["docker.io=m.test"]\n')
    environment = {
        "COGPACK_CONFIG": str(machine),
        "UV_DEFAULT_INDEX": "https://me:hunter2@a.test/simple",
        "HTTPS_PROXY": "http://me:hunter2@proxy.test:3128",
        "UV_PYTHON_INSTALL_MIRROR": "https://me:hunter2@m.test/python",
        "COGPACK_DEPOT": "https://me:hunter2@files.test/depot",
    }
    done = ok(world.cogpack("doctor", **environment))
    lines = done.out.splitlines()
    for line in (
        f"machine's file: {machine}  (COGPACK_CONFIG)",
        f"cache: {world.directory / 'cache'}  (COGPACK_CACHE_DIR)",
        f"url map: https://a.test=https://p.test/a  ({machine}: url_map)",
        f"registry mirror: docker.io=m.test  ({machine})",
        f"Debian mirror: {CLOSED}  (COGPACK_DEBIAN_MIRROR)",
        "mirror of interpreters: https://m.test/python  (UV_PYTHON_INSTALL_MIRROR)",
        "depot: https://files.test/depot  (COGPACK_DEPOT)",
        "package index: https://a.test/simple  (the environment)",
        "proxy for https: http://proxy.test:3128  (the environment)",
    ):
        assert line in lines, done.out
    assert "hunter2" not in done.out
    found = ok(world.cogpack("doctor", "--json", COGPACK_URL_MAP="https://b.test=https://p.test/b")).json
    maps = [one for one in found["settings"] if one["name"] == "url map"]
    assert maps == [{"name": "url map", "value": "https://b.test=https://p.test/b", "source": "COGPACK_URL_MAP"}]
    rungs = {rung["name"]: rung["refused"] for rung in found["rungs"]}
    assert list(rungs) == ["root", "userns", "chroot", "proot"]
    assert found["isolation"] == next((name for name, refused in rungs.items() if refused is None), None)
    assert all(rung["helps"] for rung in found["rungs"] if rung["refused"])
