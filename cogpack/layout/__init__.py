"""A layout is a directory that holds images as the image-spec has it (image-layout.md).

`layout`: the directory, its blobs and its index; `incoming`: a blob on its way in.
"""

from cogpack.layout.incoming import Incoming
from cogpack.layout.layout import REF_NAME, Layout
