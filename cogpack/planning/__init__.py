"""A lock and a project become an image here.

`prepare`: what acts begin with · `plan`, `base_layers`, `weights`: ordered layers · `supply`: how their contents are
had · `labels`: labels and annotations of the user · `known`: what is known of layers · `transfer`: layers to a sink,
then the image · `targets`, `delivery`: where a push goes, and one repository's way through it · `moving`: what another
format of images would move.
"""
