"""Stanzas of `Field: value` lines (deb-control(5)) are read and written, order and continuation lines kept."""


def parse_control(text: str) -> dict[str, str]:
    """Read the fields of the first stanza; a folded value keeps its line breaks and leading blanks."""
    fields: dict[str, list[str]] = {}
    key = ""
    for line in text.strip("\n").split("\n"):
        if not line.strip():
            break
        if line[0] in " \t":
            if key:
                fields[key].append(line)
        else:
            key, _, value = line.partition(":")
            fields[key] = [value.strip()]
    return {name: "\n".join(lines) for name, lines in fields.items()}


def format_control(fields: dict[str, str]) -> str:
    """Write one stanza, without the empty line that ends it."""
    return "".join(f"{key}: {value}\n" if value[:1] != "\n" else f"{key}:{value}\n" for key, value in fields.items())
