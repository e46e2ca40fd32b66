"""Deflate streams (RFC 1951) are inflated by zlib-ng: half as fast again as zlib, and it refuses what zlib refuses."""

from typing import cast

from zlib_ng import zlib_ng

RAW = -zlib_ng.MAX_WBITS
GZIP = 16 + zlib_ng.MAX_WBITS

InflateError = cast("type[Exception]", zlib_ng.error)  # its stubs say that it is one
inflater = zlib_ng.decompressobj
crc32 = zlib_ng.crc32
