"""Two real wheels of one module in a real container: `import cv2` gives the file of the one that counts."""

import pytest
from integration.conftest import Project
from support.dockerd import Docker
from support.wheels import make_wheel
from support.world import noise

pytestmark = pytest.mark.integration

BODY = noise(4_100_000)
"""So large that each wheel is a layer of its own."""


@pytest.mark.parametrize("needed", [False, True], ids=["winner's layer below", "winner's layer above"])
def test_import_gives_the_winners_bytes_in_both_orders_of_the_layers(
    hello: Project, docker: Docker, needed: bool
) -> None:
    for name in ("acv", "zcv"):
        files = {"cv2/__init__.py": f"WHO = {name!r}\n".encode(), "cv2/lib.so": name.encode(), f"{name}.bin": BODY}
        make_wheel(hello.root / "wheels", name, requires=("acv",) if needed and name == "zcv" else (), files=files)
    config = hello.root / "cog.yaml"
    packages = "  python_requirements: requirements.txt\n"
    config.write_text(config.read_text().replace("build:\n", f"build:\n{packages}"))
    lines = [f"./wheels/{name}-1.0-py3-none-any.whl\n" for name in ("acv", "zcv")]
    (hello.root / "requirements.txt").write_text("".join(lines))
    image = hello.cogpack("load", "-t", f"one-path:{needed}".lower(), DOCKER_HOST=docker.host).stdout.strip()
    code = "import cv2, pathlib; print(cv2.WHO, pathlib.Path(cv2.__file__).with_name('lib.so').read_text())"
    try:
        shown = docker("run", "--rm", "--network", "none", image, "python", "-B", "-c", code)
    finally:
        docker("rmi", "-f", image)
    assert shown == ("zcv zcv" if needed else "acv acv")
