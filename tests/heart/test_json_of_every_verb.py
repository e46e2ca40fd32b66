"""`--json` of every verb is one document with its version, and says what the verb did."""

from pathlib import Path

import pytest
from support.world import Project, ok

VERBS = {
    "lock": ("lock",),
    "plan": ("plan", "REF"),
    "fetch": ("fetch", "-o", "../depot"),
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
    "doctor": ("doctor",),
    "logout": ("logout", "REGISTRY"),
    "cache dir": ("cache", "dir"),
    "cache size": ("cache", "size"),
    "cache prune": ("cache", "prune"),
    "cache clean": ("cache", "clean"),
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_the_result_is_one_document(pushed: Project, verb: tuple[str, ...], tmp_path: Path) -> None:
    registry = pushed.world.registry
    cache = {"COGPACK_CACHE_DIR": str(tmp_path / "cache")} if verb[0] == "cache" else {}  # that of the others is theirs
    names = {"REF": pushed.target(), "REGISTRY": registry, "REPOSITORY": f"{registry}/me/probed"}
    done = ok(pushed.cogpack(*(names.get(word, word) for word in verb), "--json", **cache))
    assert done.json["schema_version"] == 1
    assert isinstance(done.json["notes"], list)
