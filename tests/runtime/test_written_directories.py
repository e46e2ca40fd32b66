"""Directories that a model's sources write are found by literals, without running anything."""

import pytest

from cogpack.runtime.written import Written, written_directories


def found(text: str) -> list[str]:
    return [one.directory for one in written_directories({"predict.py": text.encode()})]


@pytest.mark.parametrize(
    ("text", "directories"),
    [
        ("os.makedirs('out/a', exist_ok=True)", ["/src/out/a"]),
        ("os.mkdir('/var/out')", ["/var/out"]),
        ("Path('x').mkdir(parents=True)", ["/src/x"]),
        ("pathlib.Path('x', 'y').mkdir()", ["/src/x/y"]),
        ("(Path('x') / 'y').mkdir()", ["/src/x/y"]),
        ("D = '/d'\nP = os.path.join(D, 'w')\nos.makedirs(P)", ["/d/w"]),
        ("D = 'a'\nD = 'b'\nos.makedirs(D)", []),
        ("D: str = '/d'\nos.makedirs(D)", ["/d"]),
        ("D: str\nD = '/d'\nos.makedirs(D)", ["/d"]),
        ("ROOT: Path = Path(__file__).parent\n(ROOT / 'out').mkdir()", ["/src/out"]),
        ("D = '/d'\nD += '/w'\nos.makedirs(D)", []),
        ("D = '/d'\nif (D := ask()):\n  os.makedirs(D)", []),
        ("D = '/d'\nwith ask() as D:\n  os.makedirs(D)", []),
        ("D = '/d'\nfor D, _ in x:\n  os.makedirs(D)", []),
        ("D = '/d'\n[os.makedirs(D) for D in x]", []),
        ("D, E = ask()\nD = '/d'\nos.makedirs(D)", []),
        ("try:\n  from settings import D\nexcept ImportError:\n  D = '/d'\nos.makedirs(D)", []),
        ("match x:\n  case [*D]:\n    pass\nD = '/d'\nos.makedirs(D)", []),
        ("D = '/d'\nos.makedirs(f'{D}/w')", ["/d/w"]),
        ("D = '/d'\nos.makedirs(f'{D:>30}/w')\nos.makedirs(f'{D!r}/v')", []),
        ("D = '/d'\nos.makedirs('/'.join(D))\nos.makedirs(os.sep.join(D))", []),
        ("import os.path as osp\nos.makedirs(osp.join('/d', 'w'))", ["/d/w"]),
        ("from os import path\nos.makedirs(path.join('/d', 'w'))", ["/d/w"]),
        ("from os import path\npath = ', '\nos.makedirs(path.join('/d'))", []),
        ("from os import makedirs\nmakedirs('/d')", ["/d"]),
        ("open('/o/f', mode='w')\nPath('/p/f').open('w')\nPath('/q/f').open(mode='ab')", ["/o", "/p", "/q"]),
        ("Path('/p/f').open()\nPath('/p/f').open('rb')\ngzip.open('/g/f', mode='w')", []),
        ("A = B\nB = A\nos.makedirs(A)", []),
        ("load('x', cache_dir='cache')", ["/src/cache"]),
        ("snapshot_download('a/b', local_dir=str(Path('w')))", ["/src/w"]),
        ("os.environ['HF_HOME'] = './hf'", ["/src/hf"]),
        ("os.environ['TOKEN'] = 'x/y'", []),
        ("open('/o/f.txt', 'w')", ["/o"]),
        ("open('f.txt', 'ab')", ["/src"]),
        ("open('/o/f.txt')\nopen('/o/f.txt', 'rb')", []),
        ("Path('/o/f.bin').write_bytes(b'')", ["/o"]),
        ("urlretrieve(URL, '/w/m.bin')\ntorch.hub.download_url_to_file(u, '/v/m.bin')", ["/v", "/w"]),
        ("Path('~/.cache/x').expanduser().mkdir()", ["/home/model/.cache/x"]),
        ("os.makedirs('/')\nos.makedirs('')\nos.makedirs('a\\0b')\nload(cache_dir='s3://a/b')", []),
        ("os.makedirs('../../..')", []),
        ("os.makedirs(name)\nos.makedirs()\nmkdir", []),
        ("x = (", []),
        ("os.makedirs(" + "(" * 500 + "'x'" + ")" * 500 + ")", []),
    ],
)
def test_what_literals_say(text: str, directories: list[str]) -> None:
    assert found(text) == directories


def test_the_first_place_of_each_is_told_and_outer_ones_come_first() -> None:
    sources = {"b.py": b"os.makedirs('w')", "a.py": b"\nos.makedirs('w/x')\nos.makedirs('w/x')\n"}
    assert written_directories(sources) == [Written("/src/w", "b.py:1:13"), Written("/src/w/x", "a.py:2:13")]
