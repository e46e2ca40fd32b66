"""Requests of the tests themselves, to servers without TLS.

httpx loads all authorities of the web for each client that it makes, and for each request without one: 40 ms.
"""

from functools import partial

import httpx

get = partial(httpx.get, verify=False)
head = partial(httpx.head, verify=False)
post = partial(httpx.post, verify=False)
put = partial(httpx.put, verify=False)
request = partial(httpx.request, verify=False)
client = partial(httpx.Client, verify=False)
