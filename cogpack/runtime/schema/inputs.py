"""Parameters become inputs: one property each, in the order of the signature, and enums of those with choices."""

import ast

import msgspec

from cogpack.config import NoneDefault
from cogpack.errors import InputError, together
from cogpack.notes import Code, Note
from cogpack.runtime.schema.annotations import OPAQUE_ADVICE, SCALARS, Piece, Type, parse_type, title
from cogpack.runtime.schema.arguments import Arguments, read_default
from cogpack.runtime.schema.computing import Value
from cogpack.runtime.schema.names import Sources
from cogpack.runtime.schema.source import Place
from cogpack.runtime.schema.targets import TargetFunction

_FILES = frozenset({"path", "pathlib path", "file"})
_ENUMERABLE = frozenset({"string", "integer", "number", "boolean", "secret"}) | _FILES
_IN_UNIONS = frozenset({"string", "integer", "number", "boolean", "object", "dict", "class"})


class InputSchema(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Holds properties and required names in the order of the signature, and enums by parameter."""

    properties: dict[str, Piece]
    required: list[str]
    enums: dict[str, Piece]
    places: dict[str, Place]
    notes: list[Note]


def describe_inputs(sources: Sources, target: TargetFunction, none_default: NoneDefault) -> InputSchema:
    """Describe all parameters of the function, or raise an `InputError` of all that can't be inputs."""
    found = InputSchema(properties={}, required=[], enums={}, places={}, notes=[])
    faults: list[InputError] = []
    for argument, default in _parameters(target):
        sources.spend(10)
        try:
            _describe(sources, found, target, argument, default, none_default)
        except InputError as error:
            faults.append(error)
    if faults:
        raise together(faults)
    return found


def _describe(
    sources: Sources,
    found: InputSchema,
    target: TargetFunction,
    argument: ast.arg,
    default: ast.expr | None,
    none_default: NoneDefault,
) -> None:
    place = Place.of(target.place.path, argument, f"parameter {argument.arg!r}")
    if argument.arg in found.properties:
        raise place.error("is there twice, which Python refuses", next_step="rename one of the two")
    if argument.annotation is None:
        raise place.error("has no type", next_step=f"annotate it: {argument.arg}: str")
    type_ = parse_type(sources, target.scope, argument.annotation, place)
    given = read_default(sources, target.scope, default, place)
    _add(sources, found, argument.arg, type_, given, place, none_default)


def _parameters(target: TargetFunction) -> list[tuple[ast.arg, ast.expr | None]]:
    arguments = target.node.args
    for starred in (arguments.vararg, arguments.kwarg):
        if starred is not None and starred.annotation is not None:
            place = Place.of(target.place.path, starred, f"parameter {starred.arg!r}")
            raise place.error("takes any number of arguments", next_step="name each input as a parameter of its own")
    for given in arguments.posonlyargs[1:] if target.is_method else arguments.posonlyargs:
        place = Place.of(target.place.path, given, f"parameter {given.arg!r}")
        raise place.error("is positional only, and coglet passes names", next_step="move the / in the signature")
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    found = list(zip(positional, defaults, strict=True))
    if target.is_method:
        if not found or (found[0][0].annotation is not None and found[0][0].arg != "self"):
            raise target.place.error("has no self", next_step="write self as its first parameter")
        found = found[1:]
    return found + list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))


def _add(
    sources: Sources,
    inputs: InputSchema,
    name: str,
    type_: Type,
    given: Arguments,
    place: Place,
    none_default: NoneDefault,
) -> None:
    plain, optional = type_.optional()
    _check_type(sources, plain)
    if any(one.literals or (one.item and one.item.literals) for one in plain.members or (plain,)):
        text = f"{plain.text} is known to coglet, but cog build refuses it"
        inputs.notes.append(plain.place.note(Code.COG_REFUSES, text))
        given = given if given.choices else msgspec.structs.replace(given, choices=_literals(plain))
    _check_arguments(inputs, plain, given, place)
    default = given.default
    # What is nullable and has no default gets None of coglet: not what has one that the document can't tell.
    nullable = (optional and not given.computed) or (default is None and plain.kind == "secret")
    if default is None and not nullable:
        # Without it the code gets None: coglet looks at the schema and at the default, not at the type.
        nullable = none_default == "optional"
        default = None if nullable else msgspec.UNSET
        said = "may be left out, though Cog requires it" if nullable else "is required"
        text = f"None is no value of {plain.text}: the input {said}; write Optional[{plain.text}]"
        inputs.notes.append(given.place("default", place).note(Code.NONE_DEFAULT, text))
    has_default = default is not msgspec.UNSET
    prop: Piece = {"x-order": len(inputs.properties)}
    if given.choices and plain.kind != "list":
        prop["allOf"] = [{"$ref": f"#/components/schemas/{name}"}]
        inputs.enums[name] = {
            "description": "An enumeration.",
            "enum": given.choices,
            "title": name,
            "type": SCALARS[plain.kind]["type"],
        }
    else:
        prop |= {"title": title(name), **input_piece(plain, nullable=nullable)}
        if given.choices and plain.item is not None:
            prop["items"] = input_piece(plain.item) | {"enum": given.choices}
    if nullable:
        prop["nullable"] = True
    if has_default:
        prop["default"] = default
    if given.description is not None:
        prop["description"] = given.description
    if given.deprecated:
        prop["deprecated"] = True
    prop |= _limits(given)
    if given.accept is not None:
        prop["x-cog-accept"] = given.accept
    inputs.properties[name] = prop
    inputs.places[name] = place
    if not (has_default or given.computed) and (not optional or plain.kind == "union"):
        inputs.required.append(name)


def _literals(type_: Type) -> list[Value] | None:
    """Give the choices that a type has of its own, or its items have."""
    single = type_.item if type_.kind == "list" and type_.item else type_
    return [*single.literals] or None


def input_piece(type_: Type, *, nullable: bool = False) -> Piece:
    """Give the part of a schema that its type makes. In a union with None, each member is nullable too."""
    match type_.kind:
        case "list":
            assert type_.item is not None  # by the checks
            return {"type": "array", "items": input_piece(type_.item)}
        case "union":
            extra: Piece = {"nullable": True} if nullable else {}
            return {"anyOf": [input_piece(member) | extra for member in type_.members]}
        case kind if type_.literals:
            return {**SCALARS[kind], "enum": [*type_.literals]}
        case "dict" | "class":
            return dict(SCALARS["object"])
        case kind:
            return dict(SCALARS[kind])


def _limits(given: Arguments) -> Piece:
    limits = {
        "minimum": given.ge,
        "maximum": given.le,
        "minLength": given.min_length,
        "maxLength": given.max_length,
        "pattern": given.regex,
    }
    return {key: value for key, value in limits.items() if value is not None}


def _check_type(sources: Sources, type_: Type) -> None:
    match type_.kind:
        case "list":
            if type_.item is None:
                raise type_.place.error(
                    f"{type_.text} does not say what it holds", next_step="write list[str], for example"
                )
            if not _is_single(sources, type_.item):
                raise type_.place.error(
                    f"type {type_.text} is not supported: a list's items are of one simple type",
                    next_step=OPAQUE_ADVICE,
                )
        case "union":
            for member in type_.members:
                inner = member.item if member.kind == "list" else member
                if inner is None or inner.kind not in _IN_UNIONS or not _is_single(sources, inner):
                    raise member.place.error(
                        f"type {type_.text} is not supported: {member.text} can't be in a union",
                        next_step="unite str, int, float, bool, dict and lists of these only",
                    )
        case "class" if type_.defined and sources.members(type_.defined):
            advice = f"write str, and choices=[one.value for one in {type_.text}] in its Input"
            raise type_.place.error(f"type {type_.text} is an Enum, and coglet gives text", next_step=advice)
        case _ if not _is_single(sources, type_):
            raise type_.place.error(f"type {type_.text} is not supported as an input", next_step=OPAQUE_ADVICE)


def _is_single(sources: Sources, type_: Type) -> bool:
    if type_.kind == "class":
        from cogpack.runtime.schema.models import model_kind

        return type_.defined is not None and model_kind(sources, type_.defined) == "typed dict"
    return type_.kind in SCALARS or type_.kind == "dict"


def _check_arguments(inputs: InputSchema, type_: Type, given: Arguments, place: Place) -> None:
    from cogpack.runtime.schema.checks import limit_violation, type_violation

    limits = {
        name: value
        for name in ("ge", "le", "min_length", "max_length", "regex")
        if (value := getattr(given, name)) is not None
    }
    item = type_.item if type_.kind == "list" and type_.item else type_
    if item.kind == "pathlib path":
        text = f"coglet gives {item.text} of pathlib the URL as text; import Path from cog"
        inputs.notes.append(item.place.note(Code.PLAIN_PATH, text))
    if type_.kind == "union" and (limits or given.choices):
        what = "choices" if given.choices else next(iter(limits))
        raise given.place(what, place).error(
            f"{what} on a union is not supported", next_step=f"take one type, or remove {what}"
        )
    if given.accept is not None and item.kind not in _FILES:
        raise given.place("accept", place).error(
            "accept is for Path inputs only", next_step="annotate it as Path, or remove accept"
        )
    if given.regex is not None:
        _check_pattern(inputs, given.regex, given.place("regex", place))
    if given.choices:
        _check_choices(item, given, given.place("choices", place))
    elif type_.kind == "list" or limits.keys() - _fitting(item.kind):
        inert = list(limits) if type_.kind == "list" else sorted(limits.keys() - _fitting(item.kind))
        if inert:
            text = f"{', '.join(inert)} has no effect on {type_.text}"
            inputs.notes.append(given.place(inert[0], place).note(Code.IGNORED_CONSTRAINT, text))
    default = given.default
    if default is None or default is msgspec.UNSET:
        return
    expected = type_violation(type_, default)
    written = given.place("default", place)
    if expected:
        raise written.error(
            f"its default {default!r:.80} does not fit {type_.text}: expected {expected}",
            next_step="correct the default or the type",
        )
    broken = None if type_.kind == "list" and not given.choices else limit_violation(given, default)
    if broken:
        raise written.error(f"its default {broken}", next_step="correct the default or the limit")


def _fitting(kind: str) -> frozenset[str]:
    """Name the limits that mean something for a type."""
    if kind in ("integer", "number"):
        return frozenset({"ge", "le"})
    if SCALARS.get(kind, {}).get("type") == "string":
        return frozenset({"min_length", "max_length", "regex"})
    return frozenset()


def _check_pattern(inputs: InputSchema, pattern: str, place: Place) -> None:
    from cogpack.runtime.schema.checks import is_coglet_only, pattern_fault

    fault = pattern_fault(pattern)
    if fault:
        raise place.error(
            f"regex={pattern!r:.80} is not a regular expression: {fault}", next_step="correct the expression"
        )
    if is_coglet_only(pattern):
        text = f"regex={pattern!r:.80} uses look-around or the like: coglet can, but cog build refuses it"
        inputs.notes.append(place.note(Code.COG_REFUSES, text))


def _check_choices(type_: Type, given: Arguments, place: Place) -> None:
    from cogpack.runtime.schema.checks import type_violation

    if type_.kind not in _ENUMERABLE:
        raise place.error(f"choices on {type_.text} are not supported", next_step="take a str or int, or remove them")
    for choice in given.choices or ():
        expected = type_violation(type_, choice)
        if expected:
            raise place.error(
                f"its choice {choice!r:.80} does not fit {type_.text}: expected {expected}",
                next_step="correct the choice or the type",
            )
