"""What reads wheels is loaded by threads: two that begin at once, each with another module, get both."""

import re
import subprocess
import sys
from pathlib import Path

import cogpack

_PROGRAM = """
import sys, threading, time
other = threading.Thread(target=__import__, args=("cogpack.layers.wheels.wheel",))

class Between:
    def find_spec(self, name, path=None, target=None):
        if name == "installer._core":  # the package is half there
            other.start()
            time.sleep(0.5)

sys.meta_path.insert(0, Between())
import cogpack.layers.wheels.order
other.join()
print("cogpack.layers.wheels.wheel" in sys.modules)
"""


def test_two_threads_load_parts_of_one_package() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_no_module_loads_a_part_of_it_alone() -> None:
    part = re.compile(r"^\s*(?:from|import) installer\.", re.MULTILINE)
    assert [path for path in Path(cogpack.__file__).parent.rglob("*.py") if part.search(path.read_text())] == []
