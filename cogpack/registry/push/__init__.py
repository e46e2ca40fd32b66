"""A blob goes into a registry here.

`upload`: the stages and what to do when one fails, decided without a socket, over `protocol.UploadRequests`.
`requests`: these over HTTP, and a body that can be read again. `shapes`: which bodies this registry takes.
`blob_origins`: where else blobs are, so that they need not be sent.
"""
