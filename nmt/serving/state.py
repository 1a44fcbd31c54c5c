"""Hold what all requests to a server share, and its limits."""

from collections.abc import Callable
from dataclasses import dataclass, field

from nmt.serving.catalogue import Catalogue
from nmt.serving.keys import ApiKeys
from nmt.serving.metrics import Metrics


@dataclass(frozen=True)
class Limits:
    """Limits of requests, and how long the server waits."""

    characters: int = 100_000  # of the text of one request
    queue: int = 512  # requests that wait for a translation
    seconds: float = 30  # until a translation is given up
    read_seconds: float = 20  # for a client to send its request, or to read the answer
    grace_seconds: float = 30  # for a stopping server to answer what it has accepted
    connections: int = 1000
    file_bytes: int = 10_000_000  # of a file to translate
    files: int = 4  # that are received or translated at once


@dataclass
class State:
    """Hold what all requests share."""

    catalogue: Catalogue
    limits: Limits
    keys: ApiKeys
    metrics: Metrics = field(default_factory=Metrics)
    logs_access: bool = False
    is_stopping: bool = False
    connections: Callable[[], int] = lambda: 0
    process_ids: Callable[[], list[int]] = list
