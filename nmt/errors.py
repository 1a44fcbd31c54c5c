"""Errors that a user can fix; `nmt.commands` turns them into exit codes."""

import difflib
import errno
import textwrap
from collections.abc import Iterable, Sequence


class NmtError(Exception):
    """A bad file, model or corpus; the message, one sentence, names the location and the fix."""

    exit_code = 1


class UsageError(NmtError):
    """A mistake on the command line: an unknown recipe or setting, or a value out of range."""

    exit_code = 2


class DamagedError(NmtError):
    """A file that could be read, but whose content is not what its format demands."""


class DivergenceError(NmtError):
    """A training whose loss is no longer finite; running it again would end in the same way."""


LONGEST_SHOWN = 60  # characters


def shown(value: object) -> str:
    """Return a value as a message shows it: in Python's notation, on one line, shortened."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of 5,000 digits, a list within 1,000 lists
        return f"a huge {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def printable(text: str) -> str:
    r"""Return text with escapes such as \u200b for what a terminal would hide or obey, as \n."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def hide_controls(text: str) -> str:
    """Return text with "?" for each character that a terminal would hide or obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


LONGEST_LIST = 200  # characters


def suggestion(word: object, known: Iterable[str], first: Sequence[str] = ()) -> str:
    """Return `; did you mean 'x'?` for the nearest known word, or a list of known words.

    first: words to name first; then only very near ones follow.
    """
    known, (most, least) = list(known), (3, 0.7) if first else (1, 0.5)
    near = difflib.get_close_matches(word, known, most, least) if isinstance(word, str) else []
    if first or near:
        return f"; did you mean {' or '.join(map(repr, dict.fromkeys((*first, *near))))}?"
    return f"; known: {textwrap.shorten(', '.join(known), LONGEST_LIST, placeholder=' ...')}"


MOST_NAMES = 10


def list_first(names: Sequence[object], most: int = MOST_NAMES) -> str:
    """Return the first names, at most so many, and how many more there are."""
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more:,} more" if more > 0 else "")


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """Return words as a sentence lists them, such as "a, b and c"."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


LONGEST_REASON = 150  # characters


def shorten_reason(error: Exception) -> str:
    """Return the reason that another library gives: on one line, printable and shortened."""
    return hide_controls(" ".join(str(error).split()))[:LONGEST_REASON]


def write_advice(error: BaseException | None) -> str:
    """Return what to do about the error because of which a file could not be written."""
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "free some space" if is_full else "make it possible to write there"


# No memory for a thread's stack: Python's message, and C++'s for EAGAIN.
THREAD_FAILURES = ("start new thread", "Resource temporarily unavailable")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of Python, a CPU or a GPU means that memory ran out."""
    messages = (
        "out of memory",
        "can't allocate memory",
        "not enough memory",
        "bad_alloc",  # of C++, which PyTorch reports as a RuntimeError
        "[enforce fail at alloc_cpu",
        "ALLOC_FAILED",  # of cuBLAS, cuDNN and their relatives
        "ALLOCATION_FAILED",  # cuDNN 9
        "Failed to CUDA calloc",  # NCCL
        *THREAD_FAILURES,
    )
    is_cut = str(error) == "[enforce fail a"  # no memory was left for the rest of the message
    return isinstance(error, MemoryError) or is_cut or any(x in str(error) for x in messages)
