"""A company's proxy reads along with an authority of its own: commands and containers reach the outside by it alone."""

from pathlib import Path

import pytest
import trustme
from integration.conftest import Project
from support.proxy import proxying
from support.sockets import answer, server_tls, talking

pytestmark = pytest.mark.integration

_URL = "https://inside.example/file"
_PYTHON = f"import urllib.request as u; print(u.urlopen('{_URL}').read())"
_STEPS = f"""
  run:
    - "wget -qO- {_URL} > /wget && curl -sSf {_URL} > /curl"
    - "python -c \\"{_PYTHON}\\" > /python"
    - "git ls-remote {_URL} > /git 2>&1; cat /git; ! grep -i 'certificate\\\\|resolve\\\\|not found' /git"
    - "echo 'deb [trusted=yes] https://inside.example/debian x main' > /etc/apt/sources.list.d/inside.list"
    - "apt-get update > /apt 2>&1; rm /etc/apt/sources.list.d/inside.list; ! grep -i certificate /apt"
  system_packages: [wget, curl, git, ca-certificates]"""


def test_commands_and_containers_reach_the_outside_by_it(hello: Project, tmp_path: Path) -> None:
    """Names are found by the proxy alone; wget and apt are told in ways of their own."""
    company = trustme.CA()
    company.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    tls = server_tls(company, "inside.example")
    with (
        talking(lambda connection, _: answer(connection, body=b"ok"), tls) as server,
        proxying({"inside.example": server.port}) as proxy,
    ):
        hello.environment |= {"COG_CA_CERT": str(tmp_path / "company.pem"), "NO_PROXY": ".org,.debian.org"}
        hello.environment["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.port}"
        config = (hello.root / "cog.yaml").read_text()
        assert "build:\n" in config
        (hello.root / "cog.yaml").write_text(config.replace("build:\n", f"build:{_STEPS}\n", 1))
        hello.cogpack("lock", "--run")
        done = hello.cogpack("exec", "sh", "-c", f'cat /wget /curl /python; python -c "{_PYTHON}"')
    assert done.stdout == "okokb'ok'\nb'ok'\n"
