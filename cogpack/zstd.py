"""Zstandard (RFC 8878) is packed and unpacked by one library, whichever Python this is.

What libzstd writes is decided by its version. The package `zstandard` bundles one, and is pinned exactly; it has no
wheel for Python 3.15, whose own library binds libzstd too. There, `VERSION` is what that Python has: whoever wants
certain bytes asks for it.
"""

import sys
from typing import Protocol


class Decoder(Protocol):
    """Unpacks one frame. `eof`: it is over, and `unused_data` came behind it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


if sys.version_info >= (3, 15):
    from compression import zstd as _zstd

    ZstdError = _zstd.ZstdError
    VERSION: tuple[int, ...] = _zstd.zstd_version_info

    def compress(data: bytes | bytearray, level: int) -> bytes:
        return _zstd.compress(data, level)

    def decoder(window_log: int) -> Decoder:
        return _zstd.ZstdDecompressor(options={_zstd.DecompressionParameter.window_log_max: window_log})

else:
    import zstandard

    ZstdError = zstandard.ZstdError
    VERSION: tuple[int, ...] = zstandard.ZSTD_VERSION

    def compress(data: bytes | bytearray, level: int) -> bytes:
        """Make one frame with its size in the header."""
        return zstandard.ZstdCompressor(level=level).compress(data)

    def decoder(window_log: int) -> Decoder:
        """Return what unpacks one frame, which may want no window larger than 2 to the power of `window_log`."""
        return zstandard.ZstdDecompressor(max_window_size=1 << window_log).decompressobj()
