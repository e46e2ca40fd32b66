"""Layers that another model's push made are found in a repository by their keys, and need not be made again.

`offer`: what is said of one there, and under which tag · `signing`: by whom · `sharing`: of which layers · `hear`: what
offers make known · `publish`: they are written.
"""

from cogpack.planning.shared_layers.hear import hear_offers
from cogpack.planning.shared_layers.publish import Publisher

__all__ = ["Publisher", "hear_offers"]
