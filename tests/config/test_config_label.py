"""The label `run.cog.config`."""

import json

from cogpack.config import config_label
from cogpack.config.parse import parse_config


def test_the_label_holds_the_effective_config_in_cogs_keys() -> None:
    config = parse_config(
        b"run: p.py:P\nmodel: example.com/m\nconcurrency: {max: 2}\nenvironment: [A=b c]\n"
        b"build: {gpu: true, python_version: 3.12, run: [x,"
        b" {command: y, mounts: [{type: secret, id: s, target: /t}]}]}\n"
        b"weights: [{name: w, target: /w, source: {uri: 'hf://a/b'}}]\nobservability: {traces: {enabled: true}}\n"
    )
    assert json.loads(config_label(config)) == {
        "build": {
            "gpu": True,
            "python_version": "3.12",
            "run": ["x", {"command": "y", "mounts": [{"type": "secret", "id": "s", "target": "/t"}]}],
        },
        "concurrency": {"max": 2},
        "environment": ["A=b c"],
        "image": "example.com/m",
        "observability": {"traces": {"enabled": True}},
        "predict": "p.py:P",
        "weights": [{"name": "w", "target": "/w", "source": [{"uri": "hf://a/b"}]}],
    }


def test_the_label_is_the_same_however_the_file_is_laid_out() -> None:
    one = parse_config(b"predict: p.py:P\nbuild:\n  python_version: '3.12'\n  gpu: no\n")
    two = parse_config(b"# other\nbuild: {python_version: 3.12}\nrun: 'p.py:P'\n")
    assert (
        config_label(one) == config_label(two) == '{"build":{"gpu":false,"python_version":"3.12"},"predict":"p.py:P"}'
    )
