"""A lock and a project become an image here.

`describing`: a project and its model · `prepare`: what acts begin with · `plan`: ordered layers, of `recipes/`, a
module a kind · `supply`: how their contents are had · `steps/`: commands that are run, and what they change ·
`labels`: labels and annotations of the user · `known`: what is known of layers · `delivery/`: layers to a sink, then
the image, then its tags · `moving`: what another format of images would move · `proot`, `emulator`: programs that are
fetched for who needs them.
"""
