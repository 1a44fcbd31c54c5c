"""YAML: the texts among the values of messages; Rails names the language by the key at the top."""

from nmt.formats.document import Document, Options
from nmt.formats.encoding import decode
from nmt.formats.resources.no_text import is_text
from nmt.formats.resources.values import ValueDocument, message, path_of
from nmt.formats.resources.yaml_scalars import Reader, Scalar, is_other
from nmt.formats.resources.yaml_writing import ScalarWriter
from nmt.text.languages import is_language, primary


def read(content: bytes, options: Options) -> Document:
    """Return the document of a YAML file; each value that is a text has segments.

    Keys, comments, anchors, aliases, numbers and values with tags of programs stay.

    Raises:
        NmtError: for what is not YAML, for deep nesting, and for an alias within its anchor.
    """
    text, encoding = decode(content)
    document = ValueDocument(encoding)
    kept = 0
    tops = 0  # keys at the top
    for scalar in Reader(text).scalars():
        raw = text[scalar.begin : scalar.end]
        if scalar.is_key:
            tops += len(scalar.keys) == 1
            if tops == 1 == len(scalar.keys) and _is_locale(scalar, options):
                document.keep(text[kept : scalar.begin])
                document.follow(raw, _named(scalar, raw, options.target_language))
                kept = scalar.end
        elif scalar.is_string and is_text(scalar.value) and not is_setting(scalar):
            document.keep(text[kept : scalar.begin])
            writer = ScalarWriter(raw, scalar.style, scalar.is_in_flow, not scalar.keys)
            document.translate(
                raw,
                message(scalar.value),
                writer.write,
                place=f"line {scalar.line}",
                context=path_of(scalar.keys),
            )
            kept = scalar.end
    document.keep(text[kept:])
    if tops > 1:
        document.keep_following()
    return document


def is_setting(scalar: Scalar) -> bool:
    """Return whether a word in a file of Rails is for programs: a part of a date, a rounding."""
    is_part = scalar.keys[-3:-1] == ("date", "order") and scalar.value in {"year", "month", "day"}
    return is_part or scalar.keys[-1:] == ("round_mode",)


def _named(key: Scalar, raw: str, language: str) -> str:
    """Return a key with another language; in quotes if it is no text in YAML: no is false."""
    quote = '"' if not key.style and is_other(language) else ""
    return raw.replace(key.value, f"{quote}{language}{quote}")


def _is_locale(key: Scalar, options: Options) -> bool:
    """Return whether the only key at the top is the language of the source, as Rails has it."""
    code = primary(key.value)
    is_source = code == primary(options.source_language or code) and is_language(code)
    return bool(options.target_language) and key.has_mapping and is_source
