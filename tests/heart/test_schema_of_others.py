"""A model's document may be given, and may be held against the one that callers know."""

import json
from pathlib import Path

import pytest
from support.world import Project, World, ok

GIVEN = {
    "openapi": "3.0.2",
    "info": {"title": "Cog", "version": "0.1.0"},
    "paths": {},
    "components": {"schemas": {"Input": {"type": "object", "properties": {"x": {"type": "integer"}}}}},
}
DYNAMIC = "import sys\nvars()['Predictor'] = type('Predictor', (), {})\n"


@pytest.fixture
def project(world: World) -> Project:
    made = world.project()
    (made.root / "given.json").write_text(json.dumps(GIVEN, indent=2))
    return made


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_given_document_is_the_images_whatever_the_source_says(project: Project, way: str) -> None:
    project.write("predict.py", DYNAMIC)
    assert project.cogpack("schema").code == 2
    words = ("--openapi-schema", "given.json") if way == "option" else ()
    more = {} if words else {"COG_OPENAPI_SCHEMA": "given.json"}
    assert json.loads(ok(project.cogpack("schema", *words, **more)).out) == GIVEN
    ok(project.cogpack("push", project.target(), *words, **more))
    labels = ok(project.cogpack("inspect", project.target(), "--json")).json["labels"]
    assert labels["run.cog.openapi_schema"] == json.dumps(GIVEN, separators=(",", ":"))
    assert project.cogpack("verify", project.target(), *words, **more).code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON document"),
        ("[]", "no OpenAPI document of version 3"),
        ('{"openapi": "2.0"}', "no OpenAPI document of version 3"),
        ('{"openapi": "3.0.2", "components": {"schemas": {}}}', "neither Input nor TrainingInput"),
        ('{"openapi": "3.0.2", "openapi": "3.0.2"}', "comes twice"),
    ],
)
def test_what_is_no_document_of_a_model_is_named(project: Project, text: str, told: str) -> None:
    project.write("given.json", text)
    done = project.cogpack("push", project.target(), "--openapi-schema", "given.json")
    assert (done.code, told in done.err, "given.json" in done.err) == (2, True, True), done.err
    assert project.cogpack("schema", "--openapi-schema", "absent.json").code == 2


def test_what_breaks_callers_ends_with_3_and_what_does_not_is_told(project: Project) -> None:
    project.write("predict.py", "def predict(n: int, s: str = 'a') -> str:\n    return s\n")
    config: Path = project.root / "cog.yaml"
    config.write_text(config.read_text().replace("predict.py:Predictor", "predict.py:predict"))
    project.write("known.json", ok(project.cogpack("schema", "--compact")).out)
    same = ok(project.cogpack("schema", "--check", "known.json"))
    assert "nothing changed for them" in same.out
    project.write("predict.py", "def predict(n: int, s: str = 'a', t: str = 'b') -> str:\n    return s\n")
    assert "t:" in ok(project.cogpack("schema", "--check", "known.json")).out
    known = json.loads((project.root / "known.json").read_text())
    known["components"]["schemas"]["Input"]["properties"]["a\n::error::b"] = {"type": "string"}
    project.write("named.json", json.dumps(known))
    told = project.cogpack("schema", "--check", "named.json").out
    assert "a\\n::error::b" in told
    assert not [line for line in told.splitlines() if line.startswith("::")]
    project.write("predict.py", "def predict(n: float, m: int) -> str:\n    return ''\n")
    broken = project.cogpack("schema", "--check", "known.json")
    assert (broken.code, broken.out.count("(breaks calls)")) == (3, 2)
