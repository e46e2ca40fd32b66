"""Google Cloud Storage on loopback: as much of its JSON API as lists and reads, and a machine's metadata server."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from support.fake_http import Answer, Fake, Request, serving

TOKEN = "ya29.t0ken"


@dataclass
class Bucket:
    """`objects`: the generations of each, the newest last; `token`: wanted of all who ask, if any."""

    objects: dict[str, dict[int, bytes]] = field(default_factory=dict)
    token: str | None = None
    page: int = 2
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1_700_000_000_000_000))
    fake: Fake = field(default_factory=lambda: Fake(""))
    metadata: Fake = field(default_factory=lambda: Fake(""))

    def put(self, name: str, data: bytes, *, keep: bool = False) -> int:
        """The new generation. `keep`: the old ones stay, as in a bucket with versions."""
        generation = next(self.generations)
        self.objects[name] = (self.objects.get(name, {}) if keep else {}) | {generation: data}
        return generation

    @property
    def identity(self) -> Mapping[str, str]:
        """Environment of a machine at Google that has this bucket."""
        return {
            "GCE_METADATA_HOST": self.metadata.address,
            "GCE_METADATA_IP": self.metadata.address,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{self.fake.url}/storage/v1/",
        }

    def answer(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return 401, {}, b"{}"
        found = re.fullmatch("/storage/v1/b/models/o(?:/([^/]+))?", parts.path)
        if found is None:
            return 404, {}, b"{}"
        if found[1] is None:
            return 200, {}, json.dumps(self._page(query)).encode()
        name = unquote(found[1])
        generations = self.objects.get(name, {})
        generation = int(query.get("generation", max(generations, default=0)))
        if generation not in generations:
            return 404, {}, b"{}"
        if query.get("alt") != "media":
            return 200, {}, json.dumps(self._described(name, generation)).encode()
        assert request.headers["accept-encoding"] == "gzip"
        data = generations[generation]
        if wanted := request.headers.get("range"):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            return 206, {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]
        return 200, {}, data

    def _page(self, query: Mapping[str, str]) -> dict[str, object]:
        names = sorted(name for name in self.objects if name.startswith(query["prefix"]))
        first = int(query.get("pageToken", 0))
        more = {"nextPageToken": str(first + self.page)} if first + self.page < len(names) else {}
        names = names[first : first + self.page]
        return {"items": [self._described(name, max(self.objects[name])) for name in names]} | more if names else {}

    def _described(self, name: str, generation: int) -> dict[str, str]:
        return {"name": name, "generation": str(generation), "size": str(len(self.objects[name][generation]))}

    def who(self, request: Request) -> Answer:
        """The metadata server."""
        if request.headers.get("metadata-flavor") != "Google":
            return 403, {}, b""
        headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        path = urlsplit(request.path).path
        if path.endswith("/token"):
            return (
                200,
                headers,
                json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode(),
            )
        if "service-accounts" in path:
            found = {"email": "sa@project.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
            return 200, headers, json.dumps(found).encode()
        return 200, headers, b"project" if path.endswith("project-id") else b""


@contextmanager
def gcs(*, token: str | None = None) -> Iterator[Bucket]:
    bucket = Bucket(token=token)
    with serving(bucket.answer) as fake, serving(bucket.who) as metadata:
        bucket.fake, bucket.metadata = fake, metadata
        yield bucket
