"""This is a small registry: the distribution API (distribution-spec v1.1) over one OCI image layout.

From the socket inwards: `server` accepts, `connections` makes room, `head` and `body` read a request, `exchange`
answers it, `api` finds its endpoint in `blobs` or `manifests`, `uploads` and `storage` keep what came, `names` and
`ranges` judge it, `access` and `failure` refuse. `patience`: how long, and how many. `through` is another one: an image
whose blobs come from elsewhere.
"""

from cogpack.registry.server.access import User
from cogpack.registry.server.server import Server
