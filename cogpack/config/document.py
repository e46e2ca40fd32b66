"""A YAML document becomes values that know their line and their key, so that every error names its place.

Only YAML's composer is used: scalars keep the text they were written with (`3.10` stays `3.10`) and no object is ever
constructed; merge keys are settled before anything is read. Documents are bounded in bytes, depth and values, aliases
and merged pairs counted each time they are followed.
"""

from collections.abc import Collection, Mapping
from typing import Any, NoReturn, TypeAlias

import yaml

from cogpack.config.model import Place
from cogpack.encodings import decode_text
from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.patterns import pattern
from cogpack.text import count_text, nearest

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000
_MOST_UNKNOWN = 20
"""Unknown keys of a mapping that are told one by one: for each, all known ones are compared."""

_Pair: TypeAlias = tuple[yaml.Node, yaml.Node]
_Spot: TypeAlias = tuple[int, int]
"""Line and column, from 1."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_LINE_END = pattern("\r\n|[\r\n\x85\u2028\u2029]")
_WORD = pattern(r"[\w.+-]{1,40}")
_INTEGER = pattern(r"[+-]?[0-9]{1,18}")
_LARGEST = 10**15
"""Bytes that a lock still takes for a size (`lockfile/model`)."""


def _spot(mark: Any) -> _Spot:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _indent(text: str, line: int) -> str:
    """Give the blanks that the line begins with, `line` counted from 1 as YAML does."""
    found = _LINE_END.split(text, maxsplit=line)[line - 1 : line]
    return found[0][: len(found[0]) - len(found[0].lstrip(" \t"))] if found else ""


class YamlDocument:
    """Knows one YAML file: its name for messages, its notes, and its budget of values."""

    def __init__(self, text: bytes, *, path: str) -> None:
        self.path = path
        self.notes: list[Note] = []
        self.places: dict[str, Place] = {}  # of each key that was read, by its dotted path
        self._visited = 0
        self._shared: set[int] = set()  # nodes that stand in more than one place, by their ids
        self._node = self._compose(text)

    @property
    def root(self) -> "Value | None":
        """Give the outermost value; `None` of an empty document."""
        if self._node is None or self._node.tag == _NULL:
            return None
        return Value(self, self._node, "")

    def place(self, spot: _Spot) -> Place:
        return Place(self.path, *spot)

    def note(self, code: Code, spot: _Spot, message: str) -> None:
        self.notes.append(Note(code, f"{self.place(spot)}: {message}"))

    def fail(self, spot: _Spot, message: str, *, next_step: str) -> NoReturn:
        raise InputError(f"{self.place(spot)}: {message}", next_step=next_step)

    def visit(self, spot: _Spot) -> None:
        self._visited += 1
        if self._visited > MAX_VALUES:
            self.fail(spot, f"more than {MAX_VALUES} values, aliases included", next_step="write a smaller file")

    def _compose(self, text: bytes) -> yaml.Node | None:
        if len(text) > MAX_BYTES:
            self.fail((1, 1), f"{len(text)} bytes; {MAX_BYTES} are read at most", next_step="write a smaller file")
        try:
            decoded = decode_text(text)
        except UnicodeDecodeError as error:
            begin = text.rfind(b"\n", 0, error.start) + 1
            column = len(text[begin : error.start].decode(errors="replace")) + 1
            self.fail((text.count(b"\n", 0, begin) + 1, column), "not UTF-8 text", next_step="save the file as UTF-8")
        try:
            self._check_depth(decoded)
            node: yaml.Node | None = yaml.compose(decoded, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            spot = _spot(error.problem_mark or error.context_mark)
            if error.problem == "but found another document":
                self.fail(spot, "a second document begins", next_step="delete the line ---, or what stands below it")
            if "\t" in _indent(decoded, spot[0]):
                self.fail(spot, "not valid YAML: the line begins with a tab", next_step="indent with spaces")
            self.fail(spot, f"not valid YAML: {error.problem or error.context}", next_step="correct the line")
        except yaml.reader.ReaderError as error:
            *lines, last = _LINE_END.split(decoded.partition(chr(error.character))[0])
            spot = len(lines) + 1, len(last) + 1
            self.fail(spot, f"a control character, {chr(error.character)!r}", next_step="delete it")
        except (yaml.YAMLError, ValueError) as error:
            self.fail((1, 1), f"not valid YAML: {str(error).splitlines()[0]:.200}", next_step="correct the file")
        self._settle(node)
        return node

    def _check_depth(self, text: str) -> None:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    self.fail(
                        _spot(event.start_mark),
                        f"nested deeper than {MAX_DEPTH} levels",
                        next_step="write a flatter file",
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _settle(self, root: yaml.Node | None) -> None:
        """Refuse keys that stand twice, and put in the place of merge keys what they stand for (YAML 1.1, "merge").

        Each node is settled once, after all that it holds: whatever an alias names is whole when it is merged, unless
        it holds the alias. What is merged counts as values, so that a chain of merges has an end.
        """
        open_, done = set[int](), set[int]()

        def settle(node: yaml.Node) -> None:  # as deep as the document is nested, which is bounded: aliases are done
            if id(node) in open_ or id(node) in done:
                self._shared.add(id(node))
                return
            open_.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                for item in node.value:
                    settle(item)
            elif isinstance(node, yaml.MappingNode):
                self._check_keys(node)
                for _, value in node.value:
                    settle(value)
                node.value = self._merged(node, open_)
            open_.discard(id(node))
            done.add(id(node))

        if root is not None:
            settle(root)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        keys: dict[str, int] = {}
        for key, _ in node.value:
            spot = _spot(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self.fail(spot, "a key must be plain text", next_step="write the key as one word")
            if key.value in keys:
                advice = "merge a list, <<: [*a, *b]" if key.tag == _MERGE else "keep one of the two"
                self.fail(spot, f"key {key.value!r:.120} stands on line {keys[key.value]} already", next_step=advice)
            keys[key.value] = spot[0]

    def _merged(self, node: yaml.MappingNode, open_: set[int]) -> list[_Pair]:
        """Give the pairs of a mapping: first what is merged, the mappings named first last, then its own, which win."""
        own: list[_Pair] = [pair for pair in node.value if pair[0].tag != _MERGE]
        found: dict[str, _Pair] = {}
        taken = {key.value for key, _ in own}
        for key, value in node.value:
            spot = _spot(key.start_mark)
            for source in self._sources(key, value):
                if id(source) in open_:
                    self.fail(spot, "a mapping is merged into itself", next_step="take the alias out")
                self._shared.add(id(source))
                for pair in reversed(source.value):
                    self.visit(spot)
                    if pair[0].value not in taken:
                        found.setdefault(pair[0].value, pair)
        return [*reversed(found.values()), *own]

    def _sources(self, key: yaml.Node, value: yaml.Node) -> list[yaml.MappingNode]:
        """Give what a merge key names, in the order in which it wins; nothing of any other key."""
        if key.tag != _MERGE:
            return []
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self.fail(
                    _spot(key.start_mark),
                    "<<: expected a mapping or a list of mappings",
                    next_step="name an anchor that stands before a mapping, as in <<: *common",
                )
        return list(sources)

    def shares(self, node: yaml.Node) -> bool:
        """Tell whether an alias or a merge key has it in another place too."""
        return id(node) in self._shared


class Value:
    """Stands for one value of a document: `key` is its dotted path ("build.run[2]"), "" for the document itself.

    `spot`: where it stands, in the line of its key, for what has one; `under`: that key.
    """

    def __init__(self, document: YamlDocument, node: yaml.Node, key: str, *, under: yaml.Node | None = None) -> None:
        self.document = document
        self.key = key
        self.spot = _spot(node.start_mark)
        if under is not None and under.start_mark.line != node.start_mark.line:  # below it, or what an alias names
            self.spot = _spot(under.start_mark)
        self._node = node
        document.visit(self.spot)
        if key:
            document.places[key] = document.place(self.spot)

    @property
    def where(self) -> str:
        """Say what messages about it begin with: "cog.yaml:3:5: build.cuda"."""
        return f"{self.document.place(self.spot)}" + (f": {self.key}" if self.key else "")

    def fail(self, problem: str, *, next_step: str) -> NoReturn:
        raise InputError(f"{self.where}: {problem}", next_step=next_step)

    def expected(self, what: str, *, next_step: str = "") -> NoReturn:
        self.fail(f"expected {what}, found {self.shown}", next_step=next_step or f"write {what}")

    def note(self, code: Code, message: str) -> None:
        self.document.note(code, self.spot, f"{self.key}: {message}")

    @property
    def shown(self) -> str:
        """Show the value as it stands, for messages: quoted where it was quoted, never long."""
        if isinstance(self._node, yaml.ScalarNode):
            if self._node.tag == _NULL:
                return "nothing"
            return f"{self._node.value:.80}" if self._is_plain else f'"{self._node.value:.80}"'
        return "a list" if isinstance(self._node, yaml.SequenceNode) else "a mapping"

    @property
    def _is_plain(self) -> bool:
        """Tell whether this is a scalar without quotes; libyaml's composer and PyYAML's own say so differently."""
        return isinstance(self._node, yaml.ScalarNode) and not self._node.style

    @property
    def is_mapping(self) -> bool:
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self._node, yaml.SequenceNode)

    def text(self, what: str = "text") -> str:
        """Read the text of a scalar as it was written, numbers included, without surrounding space."""
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag == _NULL:
            self.expected(what)
        text: str = self._node.value
        if "\0" in text:
            self.fail("holds a NUL character", next_step="take it out")
        return text.strip()

    def verbatim(self) -> str:
        """Read as `text` does, surrounding space kept."""
        self.text()
        value: str = self._node.value
        return value

    def boolean(self) -> bool:
        """Read `true`, `yes`, `on` and their opposites, unquoted, as Cog's YAML 1.1 reader takes them."""
        if self._is_plain:
            word = self._node.value.lower()
            if word in _TRUE | _FALSE:
                return word in _TRUE
        self.expected("true or false", next_step="write true or false, without quotes")

    def integer(self, *, minimum: int) -> int:
        if self._is_plain:
            text = self._node.value.replace("_", "")
            if _INTEGER.fullmatch(text) and int(text) >= minimum:
                if int(text) > _LARGEST:
                    self.fail(f"{text} is too large", next_step=f"write {_LARGEST} at most")
                return int(text)
        self.expected(f"a whole number of at least {minimum}")

    def items(self) -> list["Value"]:
        if not isinstance(self._node, yaml.SequenceNode):
            self.expected("a list", next_step='write one item a line, each after "- "')
        return [Value(self.document, node, f"{self.key}[{index}]") for index, node in enumerate(self._node.value)]

    def texts(self) -> tuple[str, ...]:
        """Read a list of texts; numbers count as text."""
        return tuple(item.text() for item in self.items())

    def pairs(self) -> list[tuple[str, "Value"]]:
        """Read a mapping whose keys are the user's own words, in the order written."""
        if not isinstance(self._node, yaml.MappingNode):
            self.expected("a mapping", next_step='write "key: value" lines')
        return [
            (str(key.value), Value(self.document, node, f"{self.key}.{key.value}", under=key))
            for key, node in self._node.value
        ]

    def fields(self, known: Collection[str], *, strict: bool = False, meant: str = "") -> Mapping[str, "Value"]:
        """Read a mapping's known keys that have a value. Others are noted, or refused where `strict`. `meant`: the key
        below it whose value was written, where a number or a word stands in place of the mapping."""
        if not isinstance(self._node, yaml.MappingNode):
            advice = 'write "key: value" lines'
            if meant and self._is_plain and _WORD.fullmatch(self._node.value):
                advice = f"write {self.key.rpartition('.')[2]}: {{{meant}: {self._node.value}}}"
            self.expected("a mapping", next_step=advice)
        found = {}
        unknown = 0
        for key_node, node in self._node.value:
            name: str = key_node.value
            key = f"{self.key}.{name}" if self.key else name
            spot = _spot(key_node.start_mark)
            if name in known:
                if node.tag != _NULL:
                    found[name] = Value(self.document, node, key, under=key_node)
                continue
            if not strict and self.document.shares(node):  # where the rest takes its values from
                continue
            unknown += 1
            if unknown > _MOST_UNKNOWN:
                continue
            near = nearest(name, sorted(known))
            hint = f"; did you mean {near}?" if near else ""
            if strict:
                advice = f"write {near}" if near else f"use one of {', '.join(sorted(known))}"
                self.document.fail(spot, f"{key:.120}: unknown key{hint}", next_step=advice)
            code = Code.MISSPELT_KEY if near else Code.UNKNOWN_KEY
            self.document.note(code, spot, f"{key:.120}: unknown key, ignored{hint}")
        if unknown > _MOST_UNKNOWN:
            more = count_text(unknown - _MOST_UNKNOWN, "more unknown key")
            where = f"{self.key}: " if self.key else ""
            self.document.note(Code.UNKNOWN_KEY, _spot(self._node.start_mark), f"{where}{more}, ignored")
        return found
