"""Name the optional package that a format or a step needs."""

from nmt.errors import NmtError


def missing(purpose: str, package: str) -> NmtError:
    """Return the error for a package of the extra `files` that is not installed.

    purpose: what needs it, such as "Markdown". package: its name for pip.
    """
    return NmtError(
        f"{purpose} needs the package {package}; in the checkout: pip install '.[files]'"
    )
