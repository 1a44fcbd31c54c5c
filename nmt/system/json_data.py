"""Read JSON as typed values: what does not fit the type is an error, never a surprise later.

A type is a dataclass, or what its fields may be: int, float, str, bool, None, list, tuple, dict
and unions of them. NaN, numbers out of range and a nesting too deep to parse are errors too.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from nmt.errors import DamagedError, shorten_reason
from nmt.system.files import in_utf_8

Value = TypeVar("Value")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # that every JSON reader keeps exactly
FAULTS = (msgspec.MsgspecError, UnicodeError, RecursionError)
DEEPEST = 30  # levels of an object whose keys are not known


def parse_json(text: str | bytes, kind: type[Value], origin: str) -> Value:
    """Return the value of this type in a JSON text; raises DamagedError that begins with `origin`.

    The last of equal keys counts.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except FAULTS as error:
        raise DamagedError(f"{origin} is damaged: {reason(error)}") from error


def convert(value: Any, kind: type[Value], origin: str) -> Value:
    """Return parsed JSON as a value of this type; raises DamagedError that begins with `origin`."""
    try:
        return msgspec.convert(value, kind)
    except FAULTS as error:
        raise DamagedError(f"{origin} is damaged: {reason(error)}") from error


def parse_object(text: str | bytes, origin: str) -> dict[str, Any]:
    """Return a JSON object with any keys; raises DamagedError that begins with `origin`.

    Its nesting is bounded, so that whatever walks through it or writes it again comes to an end.
    """
    found = parse_json(text, dict[str, Any], origin)
    level = [found]
    for _ in range(DEEPEST):
        level = [child for value in level for child in children(value)]
        if not level:
            return found
    raise DamagedError(f"{origin} is damaged: it is nested too deeply")


def children(value: Any) -> list[Any]:
    """Return the lists and objects directly inside a list or an object."""
    values = value.values() if isinstance(value, dict) else value
    return [child for child in values if isinstance(child, (dict, list))]


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text, which any UTF-8 program can read.

    NaN and infinity, which JSON lacks, become null. A byte of a file name that is not UTF-8 becomes
    text such as \\xe9.
    """
    try:
        encoded = msgspec.json.encode(value, enc_hook=plain_text)
    except UnicodeEncodeError:  # such a file name
        plain = msgspec.to_builtins(value, enc_hook=plain_text)
        encoded = msgspec.json.encode(map_texts(in_utf_8, plain))
    return json.dumps(json.loads(encoded), indent=indent, ensure_ascii=False)


def plain_text(value: Any) -> str:
    """Return a text of a subclass of str, which msgspec does not encode, as a str."""
    if not isinstance(value, str):
        raise TypeError(f"JSON has no value for {type(value)}")
    return str(value)


def map_texts(change: Callable[[str], str], value: Any) -> Any:
    """Return parsed JSON whose texts, keys included, are changed by a function."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): map_texts(change, entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [map_texts(change, entry) for entry in value]
    return value


def reason(error: Exception) -> str:
    """Return why JSON was refused, in a phrase."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else shorten_reason(error)
