"""Which programs a model's sources start, as far as literals tell."""

import ast

import pytest

from cogpack.runtime.schema.source import MappedSourceFiles
from cogpack.runtime.started import _Calls, read_sources

PREDICT = "predict.py"


def programs(text: str, **more: str) -> list[str]:
    files = {PREDICT: text.encode()} | {path: data.encode() for path, data in more.items()}
    return [started.name for started in read_sources(MappedSourceFiles(files), [PREDICT]).programs]


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess\nsubprocess.run(['ffmpeg', '-i', x])",
        "import subprocess as sp\nsp.check_call(('ffmpeg', x))",
        "from subprocess import Popen as P\nP(['/usr/bin/ffmpeg'] + options)",
        "import subprocess\ndef f():\n    cmd = ['ffmpeg', x]\n    subprocess.check_output(cmd)",
        "import subprocess\ncmd: list = ['ffmpeg']\nsubprocess.call(args=cmd)",
        "import subprocess\nsubprocess.run('ffmpeg -i ' + x, shell=True)",
        "import subprocess\nsubprocess.run(f'ffmpeg -i {x}', shell=True)",
        "import subprocess\nsubprocess.run('ffmpeg -i {}'.format(x), shell=True)",
        "import subprocess\ncmd = 'ffmpeg -i %s' % x\nsubprocess.run(cmd, shell=True)",
        "import subprocess\nsubprocess.run(' '.join(['ffmpeg', x]), shell=True)",
        "import subprocess, shlex\nsubprocess.run(shlex.split(f'ffmpeg -i {x}'))",
        "import subprocess\nsubprocess.run('ffmpeg -i x'.split())",
        "import subprocess\nsubprocess.getoutput('ffmpeg -version')",
        "import os\nos.system(f'A=1 ffmpeg -i \"{x}\"')",
        "import os.path\nos.system('ffmpeg -i x')",
        "import os.path\nfrom shutil import which\nif not which('ffmpeg'): os.abort()",
        "from os import popen\npopen('ffmpeg')",
        "import shutil\nif shutil.which('ffmpeg') is None: raise SystemExit",
        "import shutil, sys\nif not shutil.which('ffmpeg'):\n    print('none')\n    sys.exit(1)",
        "import shutil\nfound = shutil.which('ffmpeg')\nif found is None:\n    exit(1)",
        "import shutil\nassert shutil.which('ffmpeg') is not None",
        "import shutil\nfound = shutil.which('ffmpeg')\nif found: use(found)",
        "import shutil\nuse(shutil.which('ffmpeg') or 'other')",
        "import shutil, os\nif not shutil.which('ffmpeg'): os.system(install)",
        "import shutil\nclass A:\n    found = shutil.which('ffmpeg')",
        "import shutil\nok = shutil.which('ffmpeg') is not None\nif not ok: raise RuntimeError",
        "import shutil\nok = bool(shutil.which('ffmpeg'))\nassert ok",
        "import shutil\ndef have(): return shutil.which('ffmpeg') is not None\nif not have(): raise RuntimeError",
        "import shutil, subprocess\ndef f():\n    if shutil.which('ffmpeg') is None: return\n    subprocess.run(c)",
        "import shutil, subprocess\nfor c in all:\n    if not shutil.which('ffmpeg'): continue\n    subprocess.run(c)",
        "import subprocess\nfrom shutil import which\nok = which('ffmpeg') is not None\nif ok: subprocess.run(c)",
        "import subprocess\nfrom shutil import which\ndone = subprocess.run(c) if which('ffmpeg') else None",
        "import subprocess\nfrom shutil import which\nif which('ffmpeg') and subprocess.run(c): faster()",
        "import os\nfrom shutil import which\nif not which('ffmpeg'): os.abort()",
        "import subprocess\nfrom shutil import which\nx = 'ffmpeg' if which('ffmpeg') else y\nsubprocess.run([x])",
        "from shutil import which\nok = True if which('ffmpeg') else False\nif not ok: raise RuntimeError",
        "from shutil import which\ndef have():\n    return True if which('ffmpeg') else False",
        "from shutil import which\nif True if which('ffmpeg') else False: faster()",
        "from shutil import which\nif which('ffmpeg'): OK = True\nif not OK: raise RuntimeError",
        "from shutil import which\nif not which('ffmpeg'): warn()\nelse:\n    if x: self.ok: bool = True",
        "from shutil import which\nif which('ffmpeg'): found += 1\nif not found: raise RuntimeError",
        "from shutil import which\nif which('ffmpeg'): log(ok := True)",
        "from shutil import which\nif which('ffmpeg') and (ok := True): log()",
        "from shutil import which\nif which('ffmpeg'): import codecs_of_mine",
        "from shutil import which\nif which('ffmpeg'):\n    def convert(): ...",
        "from shutil import which\nif not which('ffmpeg'): assert x",
        "from shutil import which\ndef names():\n    if which('ffmpeg'): yield 'x'",
        "import os\nfrom shutil import which\nif which('ffmpeg'): os.execvp('ffmpeg', c)",
        "from os import spawnlp as go\nfrom shutil import which\nif which('ffmpeg'): go(0, c)",
        "import os\nfrom shutil import which\nif which('ffmpeg'): os.posix_spawnp(c, c, {})",
        "import subprocess\nfrom shutil import which\nif which('ffmpeg'): Thread(target=subprocess.run, args=c)",
        "from shutil import which\nif a: warn()\nelif which('ffmpeg'): warn()\nelif b: raise RuntimeError",
        "import subprocess\nsubprocess.run(['ffmpeg']" + " + x" * 1500 + ")",
        "import os\nos.system('ffmpeg '" + " + x" * 1500 + ")",
        "import asyncio\nasync def f(): await asyncio.create_subprocess_exec('ffmpeg', x)",
        "import asyncio\nasync def f(): await asyncio.create_subprocess_shell('ffmpeg -i x')",
    ],
)
def test_a_program_that_literals_name_is_found(line: str) -> None:
    assert programs(line) == ["ffmpeg"]


def test_each_command_of_a_line_is_found() -> None:
    assert programs("import os\nos.system('cd /x && zip -r a.zip . | tee log; A=b wget $URL || curl -O y')") == [
        "cd",
        "curl",
        "tee",
        "wget",
        "zip",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess\nsubprocess.run([sys.executable, 'x.py'])",
        "import subprocess\nsubprocess.run([f'{x}/ffmpeg'])",
        "import subprocess\nsubprocess.run(['./ffmpeg'])",
        "import subprocess\nsubprocess.run(['/opt/ffmpeg/bin/ffmpeg'])",
        "import os\nos.system(f'{ffmpeg} -i x')",
        "import os\nos.system('')",
        "run(['ffmpeg'])",
        "import shutil\nif shutil.which('gcc'): faster()",
        "from shutil import which\nif wanted and not which('gcc'): warn('slow')",
        "from shutil import which\nif wanted and which('gcc') and other: faster()",
        "from shutil import which\nif bool(which('gcc')): faster()",
        "from shutil import which\nif " + "not " * 1500 + "which('gcc'): pass",
        "from shutil import which\nif a: raise RuntimeError\nelif which('gcc'): log('fast')\nelse: print('slow')",
        "import os\nfrom shutil import which\nif which('gcc'): log(os.path.join(a, b))",
        "import os\nfrom shutil import which\nif which('gcc'): warn('slow')\nos.execvp(c, c)",
        "log.run(['ffmpeg'])",
        "command = ['ffmpeg']",
        "import subprocess\nsubprocess.run(a if b else c)",
        "import subprocess\nsubprocess.run()",
        "import subprocess\ncmd = cmd\nsubprocess.run(cmd)",
        "import os\nos.system(",
    ],
)
def test_nothing_is_guessed(line: str) -> None:
    assert programs(line) == []


def test_a_long_chain_of_tests_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    matters = _Calls._matters

    def counted(self: _Calls, node: ast.AST) -> bool:
        nonlocal looked
        looked += 1
        return matters(self, node)

    monkeypatch.setattr(_Calls, "_matters", counted)
    text = "from shutil import which\nif a: pass\n" + "elif which('gcc'): log()\n" * 450
    assert programs(text) == []
    assert looked == len(list(ast.walk(ast.parse(text))))


def test_what_the_predictor_imports_is_read_and_nothing_else() -> None:
    call = "import os\nos.system('{}')"
    files = {
        "helpers.py": f"from package import inner\n{call.format('one')}",
        "package/__init__.py": call.format("two"),
        "package/inner.py": f"from . import beside\nfrom .. import helpers\n{call.format('three')}",
        "package/beside.py": f"from .deep.er import name\n{call.format('four')}",
        "package/deep/er.py": call.format("five"),
        "tests/test_it.py": call.format("no"),
        "package/unused.py": call.format("no"),
    }
    assert programs("def f():\n    import helpers", **files) == ["one", "two", "three", "four", "five"]


def test_modules_and_programs_are_told_with_their_lines() -> None:
    source = b"import os\nfrom pydub.utils import which\n\nos.system('sox x')\n"
    found = read_sources(MappedSourceFiles({PREDICT: source}), [PREDICT])
    assert [(one.place, one.name) for one in found.programs] == [("predict.py:4:1", "sox")]
    assert ("predict.py:2:1", "pydub") in [(one.place, one.name) for one in found.modules]
