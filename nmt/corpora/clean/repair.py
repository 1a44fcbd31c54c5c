"""Repair the text of a segment: what can be mended need not be removed."""

import re
import unicodedata

from nmt.corpora.check.characters import CONTROL, INVISIBLE, garbled_text, invisible
from nmt.corpora.check.segment import Segment
from nmt.errors import NmtError

# What is repaired, in this order.
REPAIRS = {
    "mojibake": "UTF-8 that was read in another encoding (ftfy)",
    "control": "control characters",
    "invisible": "zero-width or text-direction characters",
    "normal_form": "characters in several code points, now one (Unicode NFC)",
    "spaces": "several spaces, other white space, or spaces at an end",
}


def repaired(text: str, *, with_ftfy: bool) -> tuple[str, list[str]]:
    """Return a repaired segment and the names of its repairs.

    with_ftfy: repair mojibake, which needs the package ftfy; see `check_ftfy`. Text with mojibake
    that is left stays as it is: its control characters and spaces are parts of lost letters.
    """
    done = []
    steps = [("spaces", with_single_spaces)]
    if not (text.isascii() and text.isprintable()):
        if garbled_text(Segment(text)):
            if not with_ftfy:
                return text, []
            before, text = text, without_mojibake(text)
            if text != before:
                done.append("mojibake")
            if garbled_text(Segment(text)):
                return text, done
        # Normal form last of the three: what was between two code points is gone.
        more = [("control", without_control), ("invisible", without_invisible)]
        steps = [*more, ("normal_form", normal_form), *steps]
    for name, step in steps:
        before, text = text, step(text)
        if text != before:
            done.append(name)
    return text, done


def normal_form(text: str) -> str:
    """Return a text in Unicode's normal form C, which unites a letter with its accent."""
    return unicodedata.normalize("NFC", text)


def without_control(text: str) -> str:
    """Return a text without control characters; those that are white space become a space."""
    return text if text.isprintable() else CONTROL.sub(space_for, text)


def space_for(found: re.Match[str]) -> str:
    """Return what stands for a control character."""
    return " " if found[0].isspace() else ""


def without_invisible(text: str) -> str:
    """Return a text without zero-width and bidirectional characters."""
    return invisible(text).sub("", text) if INVISIBLE.search(text) else text


def without_mojibake(text: str) -> str:
    """Return a text whose bytes are read in the right encoding, as far as that can be known."""
    import ftfy

    return str(ftfy.fix_encoding(text))


def with_single_spaces(text: str) -> str:
    """Return a text whose white space is single spaces between words."""
    return " ".join(text.split())


def check_ftfy() -> None:
    """Raise NmtError if the package ftfy is not installed."""
    try:
        import ftfy  # noqa: F401 (whether it can be imported)
    except ImportError as error:
        raise NmtError(
            "--ftfy needs the package ftfy; in the checkout: pip install '.[clean]'"
        ) from error
