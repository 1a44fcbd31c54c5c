"""Encode a divided corpus: each process reads, encodes and writes its own parts.

A part is a shard with a record of its own, so that a killed program, or another machine that works
in the same folder, goes on with the parts that are missing.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import active_children
from pathlib import Path
from secrets import token_hex

from nmt.config import DataSettings
from nmt.errors import DamagedError, NmtError
from nmt.system.files import is_present, read_bytes
from nmt.system.json_data import convert, json_text, parse_object
from nmt.system.log import progress_bar
from nmt.system.pools import ProcessPool
from nmt.system.threads import processor_count
from nmt.text.division import Part, read_part
from nmt.text.encode import VERDICTS, chunks_of, worker_encoder
from nmt.text.intact import checked, stamps
from nmt.text.manifest import Step, hash_of
from nmt.text.shards import WHAT, new_shard


@dataclass(frozen=True)
class Share:
    """The parts that one of several machines encodes."""

    number: int  # of the machine, from 1
    machines: int

    def of(self, count: int) -> range:
        """Return which of so many parts these are."""
        return range(self.number - 1, count, self.machines)


ALL = Share(1, 1)


@dataclass(frozen=True)
class DividedCorpus:
    """A training corpus in parts."""

    folder: Path  # of the shards
    name: str  # of the corpus's shard
    key: str  # of the corpus's step
    paths: tuple[Path, ...]  # source and target text
    parts: tuple[Part, ...]
    limits: DataSettings
    tag: str = ""  # see `nmt.text.encode.encode_pairs`


def part_names(name: str, count: int) -> list[str]:
    """Return the names of the shards that the parts of a corpus are."""
    return [f"{name}-{number:03}" for number in range(count)]


def shard_names(name: str, step: Step) -> list[str]:
    """Return the names of all shards of a corpus."""
    return part_names(name, step.parts) if step.parts else [name]


def part_key(key: str, name: str, count: int) -> str:
    """Return the key of a part's step, from the corpus's key."""
    return hash_of(key, name, count)


def read_record(folder: Path, name: str, key: str, verify: bool = False) -> Step | None:
    """Return the step of a part; None if it is not done, has another key or is damaged.

    verify: as in `nmt.text.intact.checked`. Raises NmtError for a file that cannot be read.
    """
    path = folder / f"{name}.json"
    if not is_present(path):
        return None
    try:
        step = convert(parse_object(read_bytes(path, WHAT), str(path)), Step, str(path))
    except DamagedError:
        return None
    if step.key != key:
        return None
    present = checked(folder, name, step, verify)
    if present is not None and present != step:
        write_record(folder, name, present, new_mark())
    return present


def write_record(folder: Path, name: str, step: Step, mark: str) -> None:
    """Record that a part is done; mark: as in `nmt.text.shards.ShardWriter`.

    Raises NmtError if the file cannot be written.
    """
    path = folder / f"{name}.json"
    partial = path.with_name(f"{path.name}{mark}.partial")
    try:
        partial.write_text(json_text(asdict(step), indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


def new_mark() -> str:
    """Return a mark for files that several machines may write at the same time."""
    return f".m{token_hex(4)}"


def read_records(
    folder: Path, name: str, key: str, count: int, verify: bool = False
) -> list[Step | None]:
    """Return the steps of all parts of a corpus; see `read_record`."""

    def read(part: str) -> Step | None:
        return read_record(folder, part, part_key(key, part, count), verify)

    # Hashing leaves Python's lock to other threads.
    with ThreadPoolExecutor(processor_count() if verify else 1) as pool:
        return list(pool.map(read, part_names(name, count)))


def encode_parts(
    corpus: DividedCorpus, model: bytes, share: Share, pool: ProcessPool, verify: bool
) -> int:
    """Encode the parts of a share that are not done yet, and return how many these were.

    model: the tokenizer's bytes. verify: as in `read_record`. Raises NmtError as
    `nmt.text.corpus.read_pairs` does, for the first line that is bad.
    """
    count = len(corpus.parts)
    records = read_records(corpus.folder, corpus.name, corpus.key, count, verify)
    wanted = share.of(count)
    missing = [number for number in wanted if records[number] is None]
    mark = new_mark()  # if two machines write one part, their files are equal
    before = set(active_children())

    done = sum(corpus.parts[number].pairs for number in set(wanted) - set(missing))
    total = sum(corpus.parts[number].pairs for number in wanted)
    try:
        with progress_bar(
            unit="pair", unit_scale=True, desc="encode", initial=done, total=total
        ) as bar:
            tasks = ((corpus, number, model, mark) for number in missing)
            for pairs in pool.starmap(write_part, tasks):
                bar.update(pairs)
    except BaseException:
        for process in set(active_children()) - before:
            process.kill()  # a part can take a minute
        pool.close()
        for path in corpus.folder.glob(f"{corpus.name}-*{mark}.partial"):
            path.unlink(missing_ok=True)
        raise
    return len(missing)


def write_part(corpus: DividedCorpus, number: int, model: bytes, mark: str) -> int:
    """Encode and clean a part in a worker process, and return the pairs of its text."""
    encoder, part = worker_encoder(model), corpus.parts[number]
    name = part_names(corpus.name, len(corpus.parts))[number]
    counts = Counter(dict.fromkeys(VERDICTS, 0))
    with new_shard(corpus.folder, name, encoder.vocab_size, mark) as writer:
        for chunk in chunks_of(read_part(corpus.paths, part), part.first_line):
            encoded = encoder.encode(chunk, corpus.limits, corpus.tag, threads=1)
            writer.add(encoded.pairs)
            counts.update(encoded.counts)
    key = part_key(corpus.key, name, len(corpus.parts))
    step = Step(key, writer.digests(), dict(counts), stamps(corpus.folder, name))
    write_record(corpus.folder, name, step, mark)
    return part.pairs


def joined(key: str, records: Sequence[Step | None]) -> Step | None:
    """Return the step of a corpus from those of its parts; None if a part is missing."""
    counts = Counter(dict.fromkeys(VERDICTS, 0))
    for record in records:
        if record is None:
            return None
        counts.update(record.counts)
    return Step(key, counts=dict(counts), parts=len(records))
