"""Errors that a user can fix; `nmt.commands` turns them into exit codes."""


class NmtError(Exception):
    """A bad file, model or corpus; the message is one sentence that names the place and the fix."""

    exit_code = 1


class UsageError(NmtError):
    """A mistake on the command line: an unknown recipe or setting, or a value out of range."""

    exit_code = 2


class DivergenceError(NmtError):
    """A training whose loss is no longer finite; running it again would end in the same way."""


# No memory for a thread's stack: Python's message, and C++'s for EAGAIN.
THREAD_FAILURES = ("start new thread", "Resource temporarily unavailable")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of Python, a CPU or a GPU means that memory ran out."""
    messages = ("out of memory", "can't allocate memory", "not enough memory", *THREAD_FAILURES)
    return isinstance(error, MemoryError) or any(words in str(error) for words in messages)
