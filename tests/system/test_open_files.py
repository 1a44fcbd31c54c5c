"""The limit for open files is raised if needed, and never lowered."""

import resource

import pytest

from nmt.system.open_files import SPARE_FILES, allow_open_files


@pytest.mark.parametrize(
    ("now", "most", "count", "after"),
    [
        (1024, 4096, 384, 1024),
        (1024, 4096, 1152, 1152 + SPARE_FILES),
        (1024, 1300, 1152, 1300),
        (1024, resource.RLIM_INFINITY, 10_000, 10_000 + SPARE_FILES),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10_000, resource.RLIM_INFINITY),
    ],
)
def test_the_limit(
    monkeypatch: pytest.MonkeyPatch, now: int, most: int, count: int, after: int
) -> None:
    limits = [(now, most)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, each: limits.append(each))
    allow_open_files(count)
    assert limits[-1] == (after, most)
