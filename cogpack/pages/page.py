"""A page is one document with its style and its script inside, and a policy that lets it load nothing from elsewhere.

The script's modules are put into one, each as a function behind those that it imports: there is no other build.
"""

import base64
import hashlib
import re
from pathlib import Path

import msgspec

from cogpack.pages.elements import Html, element, joined
from cogpack.redaction import redact_result
from cogpack.result_files import write_result

_PLACE = Path(__file__).parent
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.mjs";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)


def page(title: str, *body: Html, script: str | None = None, data: object = None, connects: bool = False) -> str:
    """Make a document. `script`: the module that runs in it, which finds `data` as JSON; `connects`: it may ask who
    served it."""
    style = (_PLACE / "page.css").read_text(encoding="utf-8")
    code = scripts(script) if script else None
    head = joined(
        [
            element("meta", charset="utf-8"),
            element("meta", name="generator", content="cogpack"),  # `project/files` knows it by this
            element("meta", http_equiv="Content-Security-Policy", content=policy(style, code, connects=connects)),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("meta", name="referrer", content="no-referrer"),
            element("link", rel="icon", href="data:,"),
            element("title", title),
            element("style", Html(style)),
        ]
    )
    parts = list(body)
    if code is not None:
        parts.append(element("noscript", element("p", "The form needs JavaScript, which is part of this page.")))
        parts.append(element("script", _json(data), type="application/json", id="data"))
        parts.append(element("script", Html(code), type="module"))
    return f"<!doctype html>\n{element('html', element('head', head), element('body', *parts), lang='en')}\n"


def write_page(path: Path, text: str) -> None:
    """Write a page, whole or not at all, without secrets."""
    write_result(path, [redact_result(text).encode("utf-8", "replace")])


def policy(style: str, code: str | None, *, connects: bool) -> str:
    """Write the Content-Security-Policy (CSP level 3) that allows these two and nothing from any other place."""
    allowed = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(code) if code is not None else "'none'",
        "img-src": "data: blob:",
        "media-src": "data: blob:",
        "connect-src": "'self'" if connects else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def scripts(main: str) -> str:
    """Put the module `main` and all that it imports into one."""
    found: dict[str, str] = {}

    def add(name: str) -> str:
        text = (_PLACE / f"{name}.mjs").read_text(encoding="utf-8")
        for _, other in _IMPORT.findall(text):
            if other not in found:
                body = add(other)
                exported = ", ".join(what for _, what in _EXPORT.findall(body))
                inner = _EXPORT.sub(r"\1", body)
                found[other] = f"const ${other} = (() => {{\n{inner}return {{ {exported} }};\n}})();\n"
        return _IMPORT.sub(r"const \1 = $\2;", text)

    last = add(main)
    return "\n".join([*found.values(), last])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(data: object) -> Html:
    """Write JSON that no HTML parser takes for the end of its element."""
    return Html(msgspec.json.encode(data).decode().replace("<", "\\u003c"))
