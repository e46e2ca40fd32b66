"""Which modules sources import for sure that are none of the project."""

import time
from collections.abc import Mapping

import pytest

from cogpack.runtime.imports import Imports, is_standard, left_python, read_imports
from cogpack.runtime.imports.of_file import imports_of
from cogpack.runtime.schema.source import MappedSourceFiles

PREDICT = "predict.py"


def read(text: str, more: Mapping[str, str] = {}) -> Imports:
    """`more`: other files, by their paths without `.py`."""
    files = {PREDICT: text.encode()} | {f"{path}.py": data.encode() for path, data in more.items()}
    return read_imports(MappedSourceFiles(files), [PREDICT])


def modules(text: str, more: Mapping[str, str] = {}) -> list[str]:
    return [one.module for one in read(text, more).modules]


def test_an_import_that_runs_in_any_case_is_found_with_its_line() -> None:
    text = "import a\nimport b.c as d, e\nfrom f.g import h\nwith warnings.catch_warnings():\n    import i\n"
    text += "try:\n    import j\nexcept ValueError:\n    pass\nfinally:\n    import k\n"
    found = read(text).modules
    assert [one.module for one in found] == ["a", "b.c", "e", "f.g", "i", "j", "k"]
    assert [one.place for one in found[:3]] == ["predict.py:1:8", "predict.py:2:8", "predict.py:2:18"]
    assert found[3].names == ("h",)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import a\nexcept ImportError:\n    import b\n",
        "try:\n    import a\nexcept (ValueError, ModuleNotFoundError):\n    pass\nelse:\n    import b\n",
        "try:\n    import a\nexcept Exception as error:\n    print(error)\n",
        "try:\n    import a\nexcept:\n    pass\n",
        "try:\n    import a\nexcept errors.Missing:\n    pass\n",
        "if TYPE_CHECKING:\n    import a\n",
        "if sys.platform == 'win32':\n    import a\nelse:\n    import b\n",
        "def setup():\n    import a\n",
        "async def setup():\n    import a\n",
        "class P:\n    import a\n",
        "with suppress(ImportError):\n    import a\n",
        "for x in y:\n    import a\n",
        "x = '''\nimport a\n'''\n",
        'def f():\n    """\nimport a\n    """\n',
        'def f():\n    """\nimport a\n"""\n    return 1\n',
        'class A:\n    """text\n\nfrom a import b\n"""\n\nclass B:\n    """text\nimport c\n"""\n',
    ],
)
def test_an_import_that_may_not_run_or_may_fail_is_none(text: str) -> None:
    assert modules(text) == []


def test_what_is_around_functions_is_found_without_reading_these() -> None:
    text = "@x(\n    1,\n)\ndef f(\n    a,\n):\n    import no\n# here\n    return 1\nimport a\n"
    text += "class B(\n):\n\n    x = 1\nimport b\n"
    assert modules(text) == ["a", "b"]
    assert [one.line for one in read(text).modules] == [10, 15]
    assert modules("import a\ndef f[T: newer](x):\n    y = t'{x}'\n") == ["a"]


def test_files_of_the_project_are_followed_as_python_finds_them() -> None:
    text = "from utils import x\nimport pkg.sub\nfrom pkg import other\nimport space.inner\n"
    more = {
        "utils": "import a\n",
        "pkg/__init__": "from . import near\nfrom .near import y\nimport b\n",
        "pkg/near": "import c\n",
        "pkg/sub": "from ..pkg.near import z\nimport d\n",
        "pkg/other": "import e\n",
        "space/inner": "import f\n",
        "unused": "import no\n",
    }
    found = modules(text, more)
    assert sorted(found) == ["a", "b", "c", "d", "e", "f"]


def test_what_a_file_in_a_guarded_import_wants_is_not_looked_at() -> None:
    assert modules("try:\n    import near\nexcept ImportError:\n    pass\n", {"near": "import a\n"}) == []


def test_a_module_of_the_project_that_is_not_there_is_found() -> None:
    text = "import pkg.sub\nfrom pkg.gone import x\nfrom pkg import name\n"
    found = modules(text, {"pkg/__init__": "from .lost import y\n"})
    assert found == ["pkg.sub", "pkg.gone", ".lost"]


@pytest.mark.parametrize(
    "line",
    [
        "sys.path.append('lib')",
        "sys.path.insert(0, './lib')",
        "sys.path.insert(0, '/src/lib')",
        "sys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))",
        "sys.path.append(os.path.join(os.getcwd(), 'lib/'))",
        "sys.path.append(str(Path(__file__).resolve().parent / 'lib'))",
        "HERE = os.path.dirname(os.path.abspath(__file__))\nsys.path.extend([f'{HERE}/lib'])",
        "HERE: Path = Path(__file__).parent\nsys.path.append(str(HERE / 'lib'))",
        "sys.path += ['lib']",
        "sys.path = ['lib'] + sys.path",
        "sys.path = [*sys.path, 'lib']",
        "sys.path[0:0] = ['lib']",
        "site.addsitedir('lib')",
    ],
)
def test_a_directory_that_sources_put_on_the_path_is_looked_in(line: str) -> None:
    found = read(f"from deep import x\n{line}\nimport other\n", {"lib/deep": "import a\n"})
    assert sorted(one.module for one in found.modules) == ["a", "other"]
    assert found.directories == ("", "lib")
    assert not found.open


def test_a_directory_outside_of_the_project_is_told() -> None:
    assert read("sys.path.append('/opt/other')\nsys.path.append('..')\n").outside == ("/opt/other", "/")


@pytest.mark.parametrize(
    "line",
    [
        "sys.path.append(anything)",
        "sys.path.append(os.environ['X'])",
        "for x in y:\n    sys.path.append(x)",
        "sys.path = anything",
        "path = sys.path",
        "from sys import path",
        "sys.meta_path.append(x)",
        "sys.modules[f(x)] = y",
        "os.system('pip install a')",
        "subprocess.run(['pip', 'install', 'a'])",
        "subprocess.check_call([sys.executable, '-m', 'pip', 'install', *x])",
        "os.system(f'cd /x && git clone {url}')",
        "def f():\n    subprocess.run('git clone https://x.test/y'.split())",
        "command = 'pip install a'\nos.system(command)",
        "command: str = 'pip install a'\nos.system(command)",
        "lib = 'lib'\nlib += '2'\nsys.path.append(lib)",
        "os.system('sh -c \"pip3.11 --quiet install a\"')",
        "os.system('git -C /opt clone x; true')",
        "import sys as s\ns.path.insert(0, 'lib')",
        "s = sys\ns.path.insert(0, 'lib')",
        "getattr(sys, 'path').append('lib')",
        f"os.system({'+'.join(['a'] * 1200)} + 'pip install a')",
        f"sys.path = {'[] + ' * 1200} x",
        "def f(x):\n    sys.path.append(x)",
    ],
)
def test_what_may_bring_any_module_is_told(line: str) -> None:
    assert read(f"import sys, os, subprocess\n{line}\n").open.startswith("predict.py:")


@pytest.mark.parametrize(
    "line",
    [
        "raise ImportError('please pip install a')",
        "# pip install a",
        "print(sys.path)",
        "if x in sys.path: pass",
        "sys.path.remove('x')",
        "import sys as s\nprint(s.argv)",
        "os.system('pip list\\ninstall a')",
        f"os.system({'+'.join(['a'] * 1200)})",
        f"sys.path = ['lib'] + {'[] + ' * 1200} []",
        "sys.modules[__name__] = x",
        "sys.modules['a'] = x",
        "class P:\n    def setup(self):\n        sys.path.append(x)\n        os.system('pip install a')",
    ],
)
def test_what_brings_none_before_the_imports_is_not(line: str) -> None:
    assert not read(f"import sys, os\n{line}\n").open


def test_modules_that_sources_put_in_place_are_known() -> None:
    assert read("sys.modules['a'] = x\nsys.modules.setdefault('b', y)\n").given == {"a", "b"}


def test_pythons_own_modules_are_those_of_its_minor_version() -> None:
    assert is_standard("os", "3.10")
    assert not is_standard("torch", "3.13")
    assert [is_standard("tomllib", minor) for minor in ("3.10", "3.11")] == [False, True]
    assert [is_standard("imp", minor) for minor in ("3.11", "3.12", "3.14")] == [True, False, False]
    assert (left_python("cgi"), left_python("os")) == ("3.13", "")
    assert [is_standard("profiling", minor) for minor in ("3.14", "3.15")] == [False, True]
    assert is_standard("__main__", "3.13")
    assert is_standard("test", "3.13")


def test_a_file_is_read_to_the_same_with_and_without_its_functions() -> None:
    text = (
        "import a\n@d\nclass A:\n    '''x'''\n    def f(self): return '''\nimport no\n'''\n"
        "def g(): pass\nif x:\n    def h():\n        pass\nfrom b import c\n"
    )
    whole = imports_of(f"{text}# pip\n".encode(), PREDICT)
    assert imports_of(text.encode(), PREDICT) == whole


def test_many_files_take_no_time() -> None:
    body = "".join(
        f"def f{n}(a, b):\n    '''Adds {n}.'''\n    x = [a, b, {n}]\n    return sum(x) * {n}\n\n" for n in range(40)
    )
    files = {f"m{n}.py": f"import os\nimport lib{n}\nfrom m{n + 1} import f\n\n{body}".encode() for n in range(500)}
    began = time.process_time()
    found = read_imports(MappedSourceFiles(files), ["m0.py"])
    assert time.process_time() - began < 1  # a fifth of that on a machine at rest
    assert len(found.modules) == 1001


def lines(line: str, times: int) -> str:
    return "".join(f"{line.format(n)}\n" for n in range(times))


@pytest.mark.parametrize(
    "text",
    [
        f"import os\nx = '{'pip ' * 50_000}'\n",
        f"import os\nos.system('{'git ' * 50_000}')\n",
        "import sys\n" + lines("sys.path.append('d{}')", 1000) + lines("import m{}", 1000),
        "import sys\n" + lines("sys.path.append('d{}')", 45) + "import a\n" * 5_000,
        f"import {'a.' * 5_000}b\n",
        f"from . import {', '.join(f'a{n}' for n in range(20_000))}\n",
    ],
    ids=["pip", "git", "directories", "same", "dots", "names"],
)
def test_what_is_written_to_be_slow_takes_no_time(text: str) -> None:
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 3  # a tenth of that on a machine at rest


def test_where_modules_may_lie_at_too_many_places_that_is_told() -> None:
    text = "import sys\n" + lines("sys.path.append('d{}')", 60)
    assert read(text).open == "modules may lie at too many places"
    assert not read("import sys\n" + lines("sys.path.append('d{}')", 40)).open
