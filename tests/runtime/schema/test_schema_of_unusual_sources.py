"""172 unusual predictors are described as Cog's own generator does it, or otherwise for a reason that is named here.

`unusual.txt` has their files; `unusual.json` what Cog's generator made of them, at 6110c912 (0.23): the components that
differ from model to model, or its error. With `none_default: required`, which is Cog's document.

To ask it anew: a Go program of some lines that calls `schema.GenerateCombined(dir, predict, train,
schema.PathAwareParser(python.ParsePredictorWithSourcePath))` of Cog's `pkg/schema`, which needs nothing but
`smacker/go-tree-sitter`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from predictors import described, refusal, schemas

HERE = Path(__file__).parent
SAYS: dict[str, Any] = json.loads((HERE / "unusual.json").read_text())


def read(text: str) -> dict[str, dict[str, str]]:
    """By name the files: `==== name`, then `-- path` before each."""
    found: dict[str, dict[str, str]] = {}
    for part in text.split("==== ")[1:]:
        name, _, rest = part.partition("\n")
        files = (one.partition("\n") for one in f"\n{rest}".split("\n-- ")[1:])
        found[name] = {path: source for path, _, source in files}
    return found


SOURCES = read((HERE / "unusual.txt").read_text())

OTHERWISE = {
    "choices on list": "coglet would refuse every list where Cog's enum stands for the list itself",
    "class defined twice": "Python takes the last one",
    "constant under if": "which one it is shows when it runs: the input may be left out",
    "constants of module": "limits by a constant are dropped by Cog, and hold when it runs",
    "default computed": "the code has a default",
    "description joined": "strings beside each other are one, and f-strings of constants are text",
    "lambda constant": "the code has a default",
    "positional default": "the first argument of Input is its default",
    "ternary default": "the code has a default",
    "walrus": "the code has a default",
}
"""What differs from Cog's document, and why."""
TAKEN = {
    "all by module": "cog.Input is Input",
    "choices by comprehension": "evaluated",
    "choices by enum": "evaluated",
    "choices by sorted": "evaluated",
    "choices by tuple": "a tuple is as good as a list",
    "choices with comment": "a comment is no choice",
    "class imported": "coglet looks for a name in the module, wherever it is from",
    "class in try": "coglet looks for a name in the module",
    "class renamed": "coglet looks for a name in the module",
    "class under if": "coglet looks for a name in the module",
    "constants of other module": "names of other modules are followed",
    "constants of package": "names of other modules are followed",
    "dataclass output": "coglet encodes dataclasses",
    "default of environment": "the fallback, with a note",
    "dict lookup default": "evaluated",
    "dict of optional": "coglet encodes None",
    "frozen dataclass": "coglet encodes dataclasses",
    "generic base": "the base is followed",
    "inherits of init": "a package's __init__.py is a module",
    "input factory": "what a function returns at once is followed",
    "input of constant": "a constant may be an Input",
    "literal input": "coglet knows it; with a note",
    "method under if": "both are the same; with a note",
    "model in class body": "names of the class are in sight of its annotations",
    "model inherits model": "fields are inherited",
    "model of init": "a package's __init__.py is a module",
    "model with class var": "no field",
    "model with literal": "an enum",
    "numbers": "evaluated",
    "path renamed": "Path is cog's, whatever it is called",
    "relative import": "described, with a note that it fails when it runs",
    "renamed method": "with a note",
    "strings": "u'x' is a string",
    "subdirectory": "modules are imported from the project's root",
    "type alias": "followed",
    "type statement": "followed",
}
"""What Cog refuses and is described here, and why."""
REFUSED = {
    "no input type": "Cog leaves the parameter out, and each call ends in a TypeError",
    "positional only": "coglet gives names",
    "string for int": "Cog's check of the document refuses it",
}
"""What Cog's generator describes and is refused here, and why."""


def test_the_table_has_what_the_sources_have() -> None:
    assert SOURCES.keys() == SAYS.keys()
    assert len(SOURCES) == 172
    assert (OTHERWISE | TAKEN | REFUSED).keys() <= SOURCES.keys()


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_described_as_cog_does_or_otherwise_for_a_reason(name: str) -> None:
    path = next(path for path in SOURCES[name] if path.endswith("predict.py"))
    cog = SAYS[name]
    options: Any = {"others": SOURCES[name], "predict": f"{path}:Predictor", "python": (3, 12)}
    if name in REFUSED or (isinstance(cog, str) and name not in TAKEN):
        assert isinstance(cog, str) != (name in REFUSED)
        refusal(SOURCES[name][path], **options)
        return
    found = schemas(SOURCES[name][path], none_default="required", **options)
    assert isinstance(cog, str) == (name in TAKEN), cog
    if isinstance(cog, dict):
        streaming = {"streaming": True} if is_streaming(name, **options) else {}
        ours = {component: found.get(component) for component in cog if component != "streaming"} | streaming
        assert (ours != cog) == (name in OTHERWISE)
        assert name in OTHERWISE or list(ours["Input"]["properties"]) == list(cog["Input"]["properties"])


def is_streaming(name: str, **options: Any) -> bool:
    (path,) = (path for path in SOURCES[name] if path.endswith("predict.py"))
    return b"x-cog-streaming" in described(SOURCES[name][path], **options).document
