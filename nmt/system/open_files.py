"""Let this process keep many files open, as far as the system allows."""

import resource
from contextlib import suppress

SPARE_FILES = 256  # for what else a program opens


def allow_open_files(count: int) -> None:
    """Raise this process's limit for open files if `count` more would exceed it."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if now != resource.RLIM_INFINITY and now < wanted:
        unlimited = most == resource.RLIM_INFINITY
        with suppress(OSError, ValueError):  # opening the files will tell
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted if unlimited else min(wanted, most), most)
            )
