"""The client side of the distribution-spec lies here, and a small registry of our own.

`requests`: one repository's requests, with credentials and refusals. `repository`: what is asked of it, and sent.
`profiles`: how registries like their uploads. `refusals`: what they say, as our errors. `probe`: what one of them can.
`auth/`: from a challenge to a header. `credentials/`: where logins are found and kept. `push/`: a blob in. `pull/`: a
blob out. `server/`: our own registry.
"""
