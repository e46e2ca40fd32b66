"""How long it takes to pull or to push an image, and why: what a network, a registry, an engine, a processor and a disk
do is measured, and what follows for this image, and for the same bytes moved otherwise, is calculated.

`flows`: things that move beside each other, followed · `model`, `push_model`: the calculations, pure · `clients`: how
engines pull · `layouts`: the same bytes in other layers · `lanes`: what many connections move · `network`, `uploads`,
`engines`, `machine`: what is measured · `trial`: an upload that never becomes a blob · `rehearsal`: a push of such.
"""
