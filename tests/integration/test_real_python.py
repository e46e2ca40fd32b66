"""A Python that Debian has not runs a model: a stand-in for an archive of python-build-standalone, made of a CPython of
this machine, over the default base."""

import json
import re
from pathlib import Path

import pytest
from integration.conftest import Project
from support.interpreters import archive_from, downloads_list, installed

from cogpack.sandbox.rungs.choice import Rung, probe

pytestmark = pytest.mark.integration

PREDICTOR = '''
import ctypes, json, lzma, os, shlex, sqlite3, ssl, subprocess, sys, sysconfig, zoneinfo
import cog
from cog import BaseRunner

EXTENSION = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "built", 0, -1, 0};
PyMODINIT_FUNC PyInit_built(void) { return PyModule_Create(&module); }
"""

class Runner(BaseRunner):
    def run(self) -> str:
        with open("/tmp/built.c", "w") as file:
            file.write(EXTENSION)
        words = shlex.split(sysconfig.get_config_var("LDSHARED")) + shlex.split(sysconfig.get_config_var("CCSHARED"))
        include = "-I" + sysconfig.get_path("include", vars={"installed_base": sys.base_prefix})
        subprocess.run([*words, include, "/tmp/built.c", "-o", "/tmp/built.so"], check=True)
        sys.path.insert(0, "/tmp")
        import built
        return json.dumps({
            "version": sys.version.split()[0],
            "prefixes": [sys.prefix, sys.base_prefix],
            "authorities": len(ssl.create_default_context().get_ca_certs()) > 100,
            "sqlite": sqlite3.connect(":memory:").execute("select 1").fetchone(),
            "lzma": lzma.decompress(lzma.compress(b"x")).decode(),
            "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
            "ctypes": ctypes.CDLL(None).getpid() > 0,
            "built": built.__file__,
            "compiler": words[0],
            "compiled": [os.path.exists(module.__cached__) for module in (json, cog)],
        })
'''


@pytest.mark.parametrize("minor", ["3.10", "3.12"])
def test_a_model_is_served_by_it_and_an_extension_is_built_for_it(hello: Project, tmp_path: Path, minor: str) -> None:
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS, Rung.CHROOT)):
        pytest.skip("this machine runs no containers without proot")
    root = installed(minor)
    (tmp_path / f"{root.name}.tar.gz").write_bytes(data := archive_from(root, minor))
    (tmp_path / "list.json").write_bytes(downloads_list({root.name: data}, at=tmp_path.as_uri()))
    config = re.sub(r"python_version: .*", f'python_version: "{minor}"', (hello.root / "cog.yaml").read_text())
    (hello.root / "cog.yaml").write_text(config.replace("build:\n", "build:\n  system_packages: [gcc, libc6-dev]\n"))
    (hello.root / "cogpack.lock").unlink(missing_ok=True)
    (hello.root / "predict.py").write_text(PREDICTOR)
    done = hello.cogpack("run", UV_PYTHON_DOWNLOADS_JSON_URL=str(tmp_path / "list.json"))
    assert json.loads(done.stdout) == {
        "version": root.name,
        "prefixes": ["/opt/venv", f"/opt/cpython-{minor}"],
        "authorities": True,
        "sqlite": [1],
        "lzma": "x",
        "zone": "Europe/Berlin",
        "ctypes": True,
        "built": "/tmp/built.so",
        "compiler": "cc",
        "compiled": [True, True],
    }
