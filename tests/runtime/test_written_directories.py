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
    assert written_directories(sources) == [Written("/src/w", "b.py:1"), Written("/src/w/x", "a.py:2")]
