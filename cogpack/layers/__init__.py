"""A layer is a recipe for tar bytes that are the same wherever they are made.

`layer`: what a layer is, and what gives its entries · `built`: the two kinds, one made from a source, one passed on ·
`known`: what is known of layers, and a layer held to it on its way out · `facts`: what this machine saw keys come out
as · `entry`, `tar`: entries, and their bytes in a tar · `content`: bytes that are read again and again ·
`compression`, `deflate`: codecs · `files`: files of the project as a layer · `fingerprints`: their blake3, remembered ·
`weights/`, `wheels/`, `debs/`: the other sources.
"""
