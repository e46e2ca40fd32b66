"""A blob goes into a registry here.

`mount_or_upload`: which of the two. `upload`: the stages and what to do when one fails, decided without a socket, over
`protocol.UploadRequests`. `requests`: these over HTTP, and a body that can be read again. `shapes`: which bodies this
registry takes. `blob_origins`: where else this machine knows blobs to be, so that they need not be sent.
"""
