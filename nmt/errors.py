"""Errors a user can mend. The library raises them; only `nmt.commands` turns them into an exit code."""


class NmtError(Exception):
    """A bad file, model or corpus, told in one sentence that names the place and the mend."""

    exit_code = 1


class UsageError(NmtError):
    """A mistake on the command line: an unknown recipe, setting or a value out of range."""

    exit_code = 2
