"""What the page's script decides, without a browser: its modules are run by node where there is one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cogpack.pages import page

PLACE = Path(page.__file__).parent
TEXT = 'a "frog" $HOME `id` \\ it\'s\nnew $(id)'


def script(code: str) -> Any:
    """Run a module over those of the page; give what it writes."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here to run the page's modules without a browser")
    names = ("values", "snippets", "events", "log", "outputs")
    imports = "".join(f"import * as {name} from {json.dumps((PLACE / f'{name}.mjs').as_uri())};" for name in names)
    head = f"{imports}const {{Upload, Hidden}} = values; const write = (value) => console.log(JSON.stringify(value));"
    done = subprocess.run(
        [node, "--input-type=module", "-e", f"{head}\n{code}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_values_are_held_to_the_limits_of_the_schema() -> None:
    cases = [
        ({"kind": "number", "minimum": 1, "maximum": 5}, 0, "expected 1 or more, found 0"),
        ({"kind": "number", "minimum": 1, "maximum": 5}, 6, "expected 5 or less, found 6"),
        ({"kind": "number", "minimum": 1, "maximum": 5}, 5, ""),
        ({"kind": "text", "least": 2}, "a", "expected 2 or more characters, found 1"),
        ({"kind": "text", "most": 1}, "\N{FROG FACE}", ""),
        ({"kind": "text", "pattern": "^[a-z]+$"}, "A", "expected text that matches ^[a-z]+$"),
        ({"kind": "text", "pattern": "b"}, "abc", ""),
        ({"kind": "text", "pattern": "("}, "abc", ""),
        ({"kind": "text", "pattern": "(a+)+$"}, "a" * 40 + "!", ""),
        ({"kind": "list", "item": {"kind": "number", "maximum": 2}}, [1, 3], "item 2: expected 2 or less, found 3"),
        ({"kind": "file"}, "https://example.com/frog.png", ""),
    ]
    found = script(f"write({json.dumps(cases)}.map(([shape, value]) => values.fault(shape, value)));")
    assert found == [expected for *_, expected in cases]


def test_what_is_typed_is_read_by_its_kind() -> None:
    found = script(
        """
        const read = (act) => { try { return act(); } catch (error) { return error.message; } };
        write([
          read(() => values.readNumber("1e3", true)), read(() => values.readNumber("1.5", true)),
          read(() => values.readNumber("x", false)), read(() => values.readNumber("-0.5", false)),
          read(() => values.readNumber("9007199254740993", true)),
          read(() => values.readJson('{"a": [1]}', true)), read(() => values.readJson("[1]", true)),
          read(() => values.readJson("[1]", false)),
        ]);
        """
    )
    assert found == [
        1000, "expected an integer", "expected a number", -0.5, "a browser can't count that far without loss",
        {"a": [1]}, "expected a JSON object", [1],
    ]  # fmt: skip


SPECIAL = f"""
    const image = new Upload({{ name: "it's a $frog.png", type: "image/png" }});
    const given = {{ text: {json.dumps(TEXT)}, n: 3, ok: true, image, list: [image, "x"], d: {{ a: 1.5 }},
      api_key: new Hidden("never shown") }};
"""
FILE = "data:image/png;base64,ZnJvZw=="
SENT = {
    "text": TEXT, "n": 3, "ok": True, "image": FILE, "list": [FILE, "x"], "d": {"a": 1.5}, "api_key": "of the variable",
}  # fmt: skip


@pytest.fixture(scope="module")
def snippets() -> dict[str, str]:
    found: dict[str, str] = script(
        f"""{SPECIAL}
        write({{ curl: snippets.curl("http://127.0.0.1:1", given), python: snippets.python("http://127.0.0.1:1", given),
          cogpack: snippets.cogpack("host/name:v1", given),
          plain: snippets.curl("http://127.0.0.1:1", {{ text: given.text }}) }});"""
    )
    return found


def test_the_snippet_for_a_shell_sends_what_the_form_sends(snippets: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "it's a $frog.png").write_bytes(b"frog")
    fake = 'curl() { for last; do :; done; if [ "$last" = @- ]; then cat; else printf %s "$last"; fi; }\n'
    for name, expected in (("curl", SENT), ("plain", {"text": TEXT})):
        done = subprocess.run(
            ["sh", "-c", fake + snippets[name]], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/root", "API_KEY": "of the variable"},
        )  # fmt: skip
        assert json.loads(done.stdout) == {"input": expected}


def test_the_snippet_for_python_sends_what_the_form_sends(snippets: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "it's a $frog.png").write_bytes(b"frog")
    fake = "import io, urllib.request\n"
    fake += "urllib.request.urlopen = lambda request: io.BytesIO(b'{\"output\": %s}' % request.data)\n"
    done = subprocess.run(
        [sys.executable, "-c", fake + snippets["python"]], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"API_KEY": "of the variable"},
    )  # fmt: skip
    assert eval(done.stdout) == {"input": SENT}


def test_the_snippet_for_cogpack_is_its_command_line(snippets: dict[str, str], tmp_path: Path) -> None:
    fake = 'cogpack() { for one; do printf "%s\\0" "$one"; done; }\n'
    done = subprocess.run(
        ["sh", "-c", fake + snippets["cogpack"]], capture_output=True, text=True, check=True, env={"API_KEY": "k"}
    )
    assert done.stdout.split("\0")[:-1] == [
        "run", "host/name:v1", "-i", f"text={TEXT}", "-i", "n=3", "-i", "ok=true", "-i", "image=@it's a $frog.png",
        "-i", "list=@it's a $frog.png", "-i", "list=x", "-i", 'd={"a":1.5}', "-i", "api_key=k",
    ]  # fmt: skip


def test_a_secret_stands_in_no_snippet(snippets: dict[str, str]) -> None:
    assert "never shown" not in "".join(snippets.values())


def test_events_are_read_however_the_network_cuts_them() -> None:
    sent = (
        'event: output\ndata: {"chunk":"w\N{FROG FACE}"}\n\n: a comment\n\nevent: completed\ndata: {"a":\ndata: 1}\n\n'
    )
    found = script(
        f"""
        const bytes = new TextEncoder().encode({json.dumps(sent)});
        const start = (to) => {{ for (const one of bytes) to.enqueue(Uint8Array.of(one)); to.close(); }};
        const body = new ReadableStream({{ start }});
        const found = [];
        for await (const one of events.events({{ body }})) found.push(one);
        write(found);
        """
    )
    assert found == [
        {"name": "output", "data": {"chunk": "w\N{FROG FACE}"}},
        {"name": "completed", "data": {"a": 1}},
    ]


def test_a_log_is_shown_as_a_terminal_shows_it() -> None:
    found = script(
        r"""write([log.overwritten(" 0%|\r50%|####\r"), log.overwritten("plain"), log.plain("\x1b[31mred\x1b[0m")]);"""
    )
    assert found == ["50%|####", "plain", "red"]


def test_files_of_an_output_are_read_from_data_urls() -> None:
    found = script(
        """
        const found = [];
        for (const url of ["data:text/plain;base64,ZnJvZw==", "data:text/html,%3Cb%3E", "data:x;base64,%"]) {
          const blob = outputs.blobOf(url);
          found.push(blob && [blob.type, await blob.text()]);
        }
        write(found);
        """
    )
    assert found == [["text/plain", "frog"], ["text/html", "<b>"], None]
