"""`/etc/pam.d/common-*` and their state are made of the profiles in /usr/share/pam-configs (pam-auth-update(8))."""

import re

import msgspec

from cogpack.layers.debs.tree import Tree

_PROFILES = "usr/share/pam-configs"
_TEMPLATES = "usr/share/pam"
_STATE = "var/lib/pam"
# type of the stack -> (its file, the field of a profile, the word in the lines, name of the template's variables)
_STACKS = (
    ("auth", "Auth", "auth"),
    ("account", "Account", "account"),
    ("password", "Password", "password"),
    ("session", "Session", "session"),
    ("session-noninteractive", "Session", "session"),
)
STACKS = tuple(f"etc/pam.d/common-{stack}" for stack, _, _ in _STACKS)
"""The files that are made."""
_VARIABLE = re.compile(r"^\$\w+_(primary|additional)$")
_LINE = re.compile(r"(?P<control>(?:\[[^\]]+\]|\w+)\s+\S+)\s*(?P<options>.*)")
_ALONE = "[default=1]\t\t\tpam_permit.so"


class _Profile(msgspec.Struct, frozen=True):
    name: str
    fields: dict[str, list[str]]

    def text(self, field: str) -> str:
        return (self.fields.get(field) or [""])[0]

    @property
    def priority(self) -> int:
        value = self.text("Priority")
        return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 0


def configure_pam(tree: Tree) -> None:
    profiles = [_parse(name, tree) for name in tree.children(_PROFILES)]
    profiles.sort(key=lambda profile: (profile.priority, profile.name), reverse=True)
    enabled = [profile for profile in profiles if profile.text("Default") == "yes"]
    for stack, field, word in _STACKS:
        chosen = [
            profile
            for profile in enabled
            if profile.text(f"{field}-Type")
            and not (stack == "session-noninteractive" and profile.text("Session-Interactive-Only") == "yes")
        ]
        template = tree.text(f"{_TEMPLATES}/common-{stack}")
        primary = [profile for profile in chosen if profile.text(f"{field}-Type") == "Primary"]
        additional = [profile for profile in chosen if profile.text(f"{field}-Type") == "Additional"]
        blocks = {"primary": _block(primary, field, 0) or [_ALONE], "additional": _block(additional, field, 1)}
        lines: list[str] = []
        for line in template.splitlines():
            variable = _VARIABLE.match(line)
            lines += [f"{word}\t{text}" for text in blocks[variable[1]]] if variable else [line]
        tree.write(f"etc/pam.d/common-{stack}", "".join(f"{line}\n" for line in lines))
        tree.write(f"{_STATE}/{stack}", _saved(primary, field, alone=True) + _saved(additional, field, alone=False))
    tree.write(f"{_STATE}/seen", "".join(f"{profile.name}\n" for profile in profiles))


def _parse(name: str, tree: Tree) -> _Profile:
    fields: dict[str, list[str]] = {}
    key = ""
    for line in tree.text(f"{_PROFILES}/{name}").splitlines():
        if line[:1] in (" ", "\t"):
            fields.setdefault(key, []).append(line.strip())
        elif ":" in line:
            key, _, value = line.partition(":")
            key = key.removesuffix("-Final")  # as such fields were called once, and libpam-cap still writes
            fields[key] = [value.strip()] if value.strip() else []
    return _Profile(name, fields)


def _modules(profiles: list[_Profile], field: str) -> list[tuple[_Profile, list[str]]]:
    """Give the lines of each profile: the first of a stack may have lines of its own for that place."""
    found = []
    for number, profile in enumerate(profiles):
        first = profile.fields.get(f"{field}-Initial") if number == 0 else None
        found.append((profile, first or profile.fields.get(field, [])))
    return found


def _block(profiles: list[_Profile], field: str, spare: int) -> list[str]:
    """Turn each `end` into the number of lines to jump over."""
    lines = [line for _, lines in _modules(profiles, field) for line in lines]
    result = []
    for number, line in enumerate(lines):
        matched = _LINE.match(line)
        if matched:
            control = matched["control"].replace("end", str(len(lines) - number - spare))
            result.append(f"{control} {matched['options']}")
    return result


def _saved(profiles: list[_Profile], field: str, *, alone: bool) -> str:
    if not profiles:
        return f"Module: null\n{_ALONE}\n" if alone else ""
    return "".join(
        f"Module: {profile.name}\n" + "".join(f"{line}\n" for line in lines)
        for profile, lines in _modules(profiles, field)
    )
