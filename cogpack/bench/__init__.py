"""How long it takes to pull an image, and why: what a network, an engine and a disk do is measured, and what follows
for this image, and for the same bytes cut otherwise, is calculated.

`model`: the calculation, pure · `clients`: how engines pull · `layouts`: the same bytes in other layers · `network`,
`engines`: what is measured.
"""
