"""What describes the whole of an image is right in its highest layer, whoever changed it: asked of the image's own
ldconfig, dpkg and apt; and what public projects often name is usable there.

`COGPACK_SUBSETS=all` asks it of each of the 32 sets of what may change it, which takes some minutes; else of all at
once. What is made up is asked of all sets in `tests/layers/debs/test_whole_of_layers.py`.
"""

import json
import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path

import pytest
from integration.conftest import ROOT, Project

PACKAGES = {
    "packages": ["libsndfile1", "libglib2.0-0", "libsm6", "libxext6", "libmagic1", "sox", "unzip"],
    "compiler": ["tcc"],  # an alternative of cc
    "dpkg": ["libnss-mdns"],  # a library whose scripts nobody stands in for
}
WHEEL = "nvidia-cuda-runtime-cu12==12.4.127"
STEP = "cp /usr/lib/*/libbz2.so.1.0 /opt/libmine.so.1 && echo /opt > /etc/ld.so.conf.d/mine.conf && ldconfig"
PARTS = (*PACKAGES, "cuda", "step")
SUBSETS = list(chain.from_iterable(combinations(PARTS, count) for count in range(len(PARTS) + 1)))
if os.environ.get("COGPACK_SUBSETS") != "all":
    del SUBSETS[:-1]

ASK = """
set -e
ldconfig -p | grep '=>' > /tmp/before
ldconfig
ldconfig -p | grep '=>' > /tmp/after
diff /tmp/before /tmp/after
dpkg --audit
apt-get check -qq
grep -o '^[[:space:]]*lib[a-z0-9_]*' /tmp/after | sort -u
"""
FOUND = {"packages": "libsndfile", "dpkg": "libnss_mdns", "cuda": "libcudart"}


def used(name: str) -> str:
    """How the package is used for docs/packages-tried.md: by a command, or as libraries that ctypes finds and loads."""
    trials = tomllib.loads((ROOT / "scripts/package_trials.toml").read_text())
    if name in trials["runs"]:
        return f"({trials['runs'][name]})"
    load = "import ctypes, ctypes.util, sys; [ctypes.CDLL(ctypes.util.find_library(name)) for name in sys.argv[1:]]"
    return f"python -c {shlex.quote(load)} {trials['loads'][name]}"


@pytest.mark.parametrize("parts", SUBSETS, ids="+".join)
def test_ldconfig_dpkg_and_apt_find_nothing_to_change(
    parts: Sequence[str], tmp_path: Path, clean_environment: Mapping[str, str], locked_hello: Project
) -> None:
    if os.geteuid() != 0:
        pytest.skip("dpkg in the sandbox and ldconfig are run as root here")
    root = locked_hello.fresh(tmp_path / "whole", lock=False).root
    build = {
        "python_version": "3.13",
        "python_requirements": "requirements.txt",
        "system_packages": [*chain.from_iterable(PACKAGES.get(part, ()) for part in parts)],
        "run": [STEP] if "step" in parts else [],
    }
    config = {"build": build, "run": "predict.py:Runner", "cogpack": {"recommends": False}}
    (root / "cog.yaml").write_text(json.dumps(config))
    (root / "requirements.txt").write_text(WHEEL if "cuda" in parts else "")
    project = Project(root, dict(clean_environment))
    project.cogpack("lock", "--run")
    uses = [f"{used(name)} > /dev/null\n" for name in PACKAGES["packages"] if "packages" in parts]
    told = project.cogpack("exec", "sh", "-c", "".join([ASK, *uses])).stdout.split()
    assert {"libc", *(FOUND[part] for part in parts if part in FOUND)} <= {*told}
    assert not [word for word in told if not word.startswith("lib")], "dpkg and apt have something to say"
