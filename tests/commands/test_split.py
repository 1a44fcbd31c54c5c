"""`nmt split`: sets that share no near duplicate, with nothing lost."""

import gzip
from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

from nmt.corpora.faults.segment import Segment
from nmt.text.reading.lines import read_segments
from tests.conftest import Run
from tests.corpora.corpora import Pairs, corpus, write


def read(folder: Path, kind: str, ending: str = "") -> Pairs:
    sides = [read_segments(folder / f"{kind}.{side}{ending}") for side in ("en", "de")]
    return [*zip(*sides, strict=True)]


def removed(folder: Path) -> list[list[str]]:
    lines = (folder / "removed.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "line\treason\tsource\ttarget"
    return [line.split("\t") for line in lines[1:]]


def with_repetition(count: int) -> Pairs:
    """Return pairs, some of them nearly alike in the source, in the target or in both."""
    pairs = corpus(count)
    again = [(source.upper() + " 7!", target) for source, target in pairs[: count // 3]]
    other = [(source, f"  {target[:3]} xx {n * 'y'}") for n, (source, target) in enumerate(again)]
    return [*pairs, *again, *other, *pairs[-9:], ("", "leer"), ("empty", " ")]


def test_sets_share_no_near_duplicate_and_nothing_is_lost(nmt: Run, tmp_path: Path) -> None:
    pairs = with_repetition(300)
    files = write(tmp_path, pairs)
    result = nmt("split", *files, "-o", f"{tmp_path}/mine/", "--dev", 30, "--test", 20)
    assert (result.code, result.out) == (0, "")
    train, dev, test = (read(tmp_path / "mine", kind) for kind in ("train", "dev", "test"))
    gone = removed(tmp_path / "mine")
    assert (len(dev), len(test)) == (30, 20)
    assert f"{len(train):,} train, 30 dev, 20 test, {len(gone):,} removed" in result.err
    assert Counter(pairs) == Counter([*train, *dev, *test, *((row[2], row[3]) for row in gone)])
    for side in (0, 1):
        folded = [{Segment(pair[side]).folded for pair in chosen} for chosen in (train, dev, test)]
        assert len(set.union(*folded)) == sum(map(len, folded))
    assert [row[1] for row in gone[-2:]] == ["empty side"] * 2
    first = int(gone[0][1].removeprefix("in a group with line "))
    assert pairs[first - 1] in [*dev, *test]
    kept = {id(pair): pair for pair in pairs}.values()
    order = {pair: index for index, pair in reversed([*enumerate(kept)])}
    for chosen in (dev, test):
        assert sorted(chosen, key=order.__getitem__) == chosen
    rest = iter(pairs)
    assert all(pair in rest for pair in train)  # in the same order


def test_the_choice_depends_on_the_seed_and_not_on_the_order(nmt: Run, tmp_path: Path) -> None:
    def choose_dev(pairs: Pairs, name: str, seed: int) -> Pairs:
        files = write(tmp_path, pairs, name)
        options = ["--dev", 25, "--test", 0, "--seed", seed]
        assert nmt("split", *files, "-o", f"{tmp_path}/{name}/", *options).code == 0
        assert not (tmp_path / name / "test.en").exists()
        return read(tmp_path / name, "dev")

    pairs = corpus(200)
    first = choose_dev(pairs, "a", 1)
    assert choose_dev(pairs, "a", 1) == first  # the command replaces its own files
    assert sorted(choose_dev(pairs[::-1], "b", 1)) == sorted(first)
    assert sorted(choose_dev(pairs, "c", 2)) != sorted(first)


def test_documents_of_the_training_text_stay_apart(nmt: Run, tmp_path: Path) -> None:
    pairs = corpus(200)
    texts = [pairs[index : index + 5] for index in range(0, 200, 5)]
    files = write(tmp_path, [pair for text in texts for pair in (*text, ("", ""))])
    assert nmt("split", *files, "-o", f"{tmp_path}/mine/").code == 0
    train, dev, test = (read(tmp_path / "mine", kind) for kind in ("train", "dev", "test"))
    left = [[pair for pair in text if pair not in (*dev, *test)] for text in texts]
    assert train == [pair for text in left for pair in (*text, ("", ""))][:-1]
    assert (len(dev), len(test)) == (10, 10)


def test_whole_documents_are_held_out(nmt: Run, tmp_path: Path) -> None:
    """Each document shares a pair with the next one, and all have "Yes.", which is no test."""
    pairs = corpus(200)
    texts = [[*pairs[index : index + 5], ("Yes.", "Ja.")] for index in range(0, 196, 4)]
    files = write(tmp_path, [pair for text in texts for pair in (*text, ("", ""))])
    options = "--documents", "--dev", 60, "--test", 55, "-o", f"{tmp_path}/mine/"
    result = nmt("split", *files, *options)
    assert result.code == 0
    sets: dict[str, list[Pairs]] = {}
    for kind in ("train", "dev", "test"):
        lines = read(tmp_path / "mine", kind)
        ends = [-1, *(line for line, pair in enumerate(lines) if pair == ("", "")), len(lines)]
        sets[kind] = [lines[start + 1 : end] for start, end in pairwise(ends)]
    assert [*map(len, sets.values())] == [29, 10, 10]
    held_out = [*sets["dev"], *sets["test"]]
    assert all(text in texts for text in held_out)
    wanted = {pair for text in held_out for pair in text} - {("Yes.", "Ja.")}
    left = [text for text in texts if text not in held_out]
    assert sets["train"] == [[pair for pair in text if pair not in wanted] for text in left]
    lost = [row for row in removed(tmp_path / "mine") if row[1] != "empty side"]
    assert [(row[2], row[3]) for row in lost] == [
        pair for text in left for pair in text if pair in wanted
    ]
    assert all(reason.split()[-1] != line for line, reason, *_ in lost)
    shared = [pair for text in sets["dev"] for pair in text if pair in chain(*sets["test"])]
    assert f"equal pairs of the test set: {len(shared) - 10}; they stay" in result.err
    few = nmt("split", *files, *options[:-2], "-o", f"{tmp_path}/few/", "--dev", 500)
    assert "has 49 documents, too few for a dev set of 500 pairs" in few.err


def test_spaces_signs_and_the_form_of_accents_hide_no_near_duplicate() -> None:
    same = ["the same", "THESAME!", "the sa\u00adme", "the-same", "the sa7me"]
    for alike in (same, ["\u00fcber", "u\u0308ber"]):
        assert len({Segment(text).folded for text in alike}) == 1


def test_a_large_group_stays_in_the_training_text(nmt: Run, tmp_path: Path) -> None:
    yes = [("yes", f"ja {'x' * n}") for n in range(11)]
    files = write(tmp_path, [*yes, *corpus(20)])
    assert nmt("split", *files, "-o", f"{tmp_path}/m/", "--dev", 10, "--test", 10).code == 0
    assert read(tmp_path / "m", "train") == yes


def test_packed_files(nmt: Run, tmp_path: Path) -> None:
    """The sets are packed as the files were; the same text gives the same bytes."""
    pairs = corpus(60)
    packed = [path.with_name(f"{path.name}.gz") for path in write(tmp_path, pairs)]
    for path in packed:
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    for folder in ("m", "n"):
        assert nmt("split", *packed, "-o", f"{tmp_path}/{folder}/").code == 0
    sets = [read(tmp_path / "m", kind, ".gz") for kind in ("train", "dev", "test")]
    assert sorted(chain(*sets)) == sorted(pairs)
    assert [*map(len, sets)] == [54, 3, 3]
    one, other = ((tmp_path / folder / "train.en.gz").read_bytes() for folder in ("m", "n"))
    assert one == other


def test_files_are_not_replaced(nmt: Run, tmp_path: Path) -> None:
    """The input is not replaced, and no old set stays beside a new training text."""
    files = write(tmp_path, corpus(20))
    sides = [path.rename(tmp_path / f"m.train{path.suffix}") for path in files]
    before = [path.read_text() for path in sides]
    result = nmt("split", *sides, "-o", tmp_path / "m")
    assert f"-o {sides[0]} is an input of this command" in result.err
    assert [path.read_text() for path in sides] == before
    files, prefix = write(tmp_path, corpus(40)), ("-o", f"{tmp_path}/n")
    assert nmt("split", *files, *prefix).code == 0
    result = nmt("split", *files, *prefix, "--test", 0, "--seed", 3)
    assert result.code == 2
    assert f"{tmp_path}/n.test.en exists, and the new training text" in result.err
    for side in ("en", "de"):
        (tmp_path / f"n.test.{side}").unlink()
    assert nmt("split", *files, *prefix, "--test", 0, "--seed", 3).code == 0
