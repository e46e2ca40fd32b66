"""Blobs come out of a registry here.

`ranges`: what to ask for and whom to trust, decided without sockets. `connections`: the threads that ask. `blob`: one
blob while it comes. `partial`: files that grow in no order, and their journal. `mirrors`: other registries that are
asked first. `foreign`: layers that only their URLs have. `tuning`: sizes and seconds of all that.
"""
