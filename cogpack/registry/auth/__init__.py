"""A registry's challenge becomes the Authorization header of a request here.

`challenge`: what WWW-Authenticate says. `scopes`: what a token is to allow. `tokens`: Docker's token flow, without a
socket. `authorizer`: the header of now, shared by all threads. `remembered`: challenges of earlier runs.
"""
