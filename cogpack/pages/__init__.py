"""Pages for people, each one file that needs nothing else: no network, no server, no build.

`elements` makes HTML in which text stays text, `parts` what all pages are made of, `page` a whole document with its
style and script inside, `model_page` that of a model, `form` reads what a page asks for of a model's schema. The script
lies beside them as modules of the browser.
"""
