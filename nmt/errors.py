"""Errors a user can mend: raised in the library, turned into exit codes only in `nmt.commands`."""


class NmtError(Exception):
    """A bad file, model or corpus, told in one sentence that names the place and the mend."""

    exit_code = 1


class UsageError(NmtError):
    """A mistake on the command line: an unknown recipe, setting or a value out of range."""

    exit_code = 2


class DivergenceError(NmtError):
    """A training that has no finite loss any more: it would end so again."""


# A thread has no memory for its stack: Python's words, and C++'s for EAGAIN.
NO_THREAD = ("start new thread", "Resource temporarily unavailable")


def is_out_of_memory(error: Exception) -> bool:
    """Whether it is Python's, a CPU's or a GPU's way of saying that memory is used up."""
    told = ("out of memory", "can't allocate memory", "not enough memory", *NO_THREAD)
    return isinstance(error, MemoryError) or any(words in str(error) for words in told)
