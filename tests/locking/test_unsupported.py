"""What this version can't pack is refused by its line, with a way on."""

import pytest

from cogpack.config import parse_config
from cogpack.errors import InputError
from cogpack.locking.unsupported import refuse_unsupported


def test_traces_are_refused_by_their_line() -> None:
    config = parse_config(b'build:\n  python_version: "3.13"\nobservability: {traces: {enabled: true}}\n')
    with pytest.raises(InputError, match=r"\Acog.yaml:3:25: observability.traces: not supported"):
        refuse_unsupported(config)


def test_what_is_supported_passes() -> None:
    refuse_unsupported(parse_config(b'build:\n  python_version: "3.13"\n  run: [echo]\n'))
