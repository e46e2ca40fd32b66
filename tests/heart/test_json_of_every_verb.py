"""`--json` of every verb is one document with its version, and says what the verb did."""

import pytest
from support.world import World, noise, ok

VERBS = {
    "lock": ("lock",),
    "plan": ("plan", "REF"),
    "build": ("build", "-o", "../built"),
    "archive": ("build", "-o", "../built.tar"),
    "push": ("push", "REF"),
    "dry run": ("push", "--dry-run", "REF"),
    "verify": ("verify", "REF"),
    "inspect": ("inspect", "REF"),
    "diff": ("diff", "REF", "."),
    "copy": ("copy", "REF", "../copied"),
    "pull": ("pull", "REF", "-o", "../pulled"),
    "pull weights": ("pull", "REF", "--only", "weights", "-o", "../weights"),
    "weights ls": ("weights", "ls"),
    "weights pull": ("weights", "pull", "REF", "-o", "../others"),
    "weights verify": ("weights", "verify", "REF", "--against", "model/w.pt"),
    "auth explain": ("auth", "explain", "REGISTRY"),
    "registry probe": ("registry", "probe", "REPOSITORY"),
    "logout": ("logout", "REGISTRY"),
    "cache dir": ("cache", "dir"),
    "cache size": ("cache", "size"),
    "cache prune": ("cache", "prune"),
    "cache clean": ("cache", "clean"),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_the_result_is_one_document(world: World, verb: tuple[str, ...]) -> None:
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    ok(project.cogpack("push", project.target()))
    names = {"REF": project.target(), "REGISTRY": world.registry, "REPOSITORY": f"{world.registry}/me/probed"}
    done = ok(project.cogpack(*(names.get(word, word) for word in verb), "--json"))
    assert done.json["schema_version"] == 1
    assert isinstance(done.json["notes"], list)
