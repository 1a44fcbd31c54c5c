"""Write the YAML block at the start of a model card, by which the Hugging Face Hub finds models."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from nmt.evaluation.markdown import printable

Yaml: TypeAlias = "str | float | Sequence[Yaml] | Mapping[str, Yaml]"

UNKNOWN_LICENCE = "unknown"
# The Hub's identifiers of licences for works of this kind; any other licence is "other".
HUB_LICENCES = (
    "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear"
    " bsl-1.0 cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0"
    " cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0"
    " cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0"
    " ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1"
    " lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by openrail osl-3.0 other pddl unknown"
    " unlicense wtfpl zlib"
)


def front_matter(fields: Mapping[str, Yaml]) -> str:
    """Return fields as a YAML block between two lines of three dashes.

    Every text is quoted, so that a language such as `no` is no boolean and nothing is markup.
    """
    return "\n".join(["---", *yaml_lines(fields), "---"])


def licence_fields(licence: str) -> dict[str, Yaml]:
    """Return the fields that state a licence; "" is unknown.

    licence: an identifier of the Hub such as apache-2.0, or the name of another licence.
    """
    known = (licence or UNKNOWN_LICENCE).lower()
    if known in HUB_LICENCES.split():
        return {"license": known}
    return {"license": "other", "license_name": licence}


def yaml_lines(value: Yaml) -> list[str]:
    """Return the lines of a mapping or a sequence in YAML's block style."""
    if isinstance(value, Mapping):
        return [line for key, each in value.items() for line in entry_lines(f"{key}:", each)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [line for each in value for line in item_lines(each)]
    return [scalar(value)]


def entry_lines(key: str, value: Yaml) -> list[str]:
    """Return the lines of a key with its value."""
    if isinstance(value, str | float | int):
        return [f"{key} {scalar(value)}"]
    if not value:
        return [f"{key} {{}}" if isinstance(value, Mapping) else f"{key} []"]
    indent = "  " if isinstance(value, Mapping) else ""
    return [key, *(f"{indent}{line}" for line in yaml_lines(value))]


def item_lines(value: Yaml) -> list[str]:
    """Return the lines of an item of a sequence."""
    first, *others = yaml_lines(value)
    return [f"- {first}", *(f"  {line}" for line in others)]


def scalar(value: str | float) -> str:
    """Return a number, or a text in double quotes with escapes for what cannot be printed."""
    if not isinstance(value, str):
        return repr(value)
    return f'"{"".join(map(escaped, printable(value)))}"'


def escaped(character: str) -> str:
    """Return a character as it stands in a text in double quotes."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
