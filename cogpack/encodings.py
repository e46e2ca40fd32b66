"""This module reads text files of users, whose editors and shells choose the encoding: PowerShell writes UTF-16."""

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(data: bytes) -> str:
    """Decode by the byte order mark at the beginning (Unicode 23.8), which is left out; without one as UTF-8.

    `UnicodeDecodeError` for anything else.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding).removeprefix("\ufeff")
    return data.decode()


def is_utf8(text: str) -> bool:
    """Tell whether it can be written: names and arguments that the system gave may be any bytes (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
