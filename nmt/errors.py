"""Errors a user can mend: raised in the library, turned into exit codes only in `nmt.commands`."""


class NmtError(Exception):
    """A bad file, model or corpus, told in one sentence that names the place and the mend."""

    exit_code = 1


class UsageError(NmtError):
    """A mistake on the command line: an unknown recipe, setting or a value out of range."""

    exit_code = 2
