"""Layers that another model's push made are found in a repository by their keys, and need not be made again.

`offer`: what is said of one there, and under which tag · `signing`: by whom · `sharing`: of which layers · `hear`: what
offers make known · `publish`: they are written.
"""

from typing import TYPE_CHECKING

from cogpack.lazily import on_demand

if TYPE_CHECKING:
    from cogpack.planning.shared_layers.hear import hear_offers
    from cogpack.planning.shared_layers.publish import Publisher

__all__ = ["Publisher", "hear_offers"]

if not TYPE_CHECKING:  # to them a name that is not above is a mistake
    __getattr__ = on_demand(
        __name__,
        {
            "hear": ("hear_offers",),
            "publish": ("Publisher",),
        },
    )
