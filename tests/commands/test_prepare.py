"""`nmt prepare` on several machines, and the check of what it wrote."""

import os
from pathlib import Path

import pytest

from nmt.text import division
from tests.conftest import Run

PREPARED = Path("runs/tiny/prepared")


def contents() -> dict[str, bytes]:
    """Return the content of the shards by name."""
    return {
        path.name: path.read_bytes() for path in PREPARED.glob("train-*") if path.suffix != ".json"
    }


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "1/2/3", "-1/2", "a/b", "", "1/0"])
def test_a_part_that_is_none_is_a_usage_error(nmt: Run, tiny: Path, part: str) -> None:
    result = nmt("prepare", tiny, "--part", part)
    assert result.code == 2
    assert f"{part!r} is not I/N with 1 <= I <= N, such as 2/8" in result.err


def test_parts_are_not_verified(nmt: Run, tiny: Path) -> None:
    assert nmt("prepare", tiny, "--part", "1/2", "--verify").code == 2


def test_machines_prepare_one_corpus(nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "PART_PAIRS", 50)
    early = nmt("prepare", tiny, "--part", "2/2")
    assert early.code == 1
    assert (
        "tokenizer.model has not been learned yet; start the same command with `--part 1/2`"
        in early.err
    )
    assert not PREPARED.with_name("recipe.toml").exists()
    for part in ("1/2", "2/2"):
        result = nmt("prepare", tiny, "--part", part)
        assert result.code == 0, result.err
    assert result.err == "train.src + train.tgt: 1 of 1 parts encoded\n"
    last = nmt("prepare", tiny).err
    assert "0 of 3 parts encoded; 3 were there" in last
    assert "120 pairs, " in last
    shared = contents()
    assert len(shared) == 9
    assert nmt("prepare", tiny, "--run", "runs/alone").code == 0
    alone = Path("runs/alone/prepared")
    assert shared == {name: (alone / name).read_bytes() for name in shared}
    assert nmt("train", tiny, "--max-updates", 2).code == 0
    for path in PREPARED.glob("train-0-001.*"):
        path.unlink()  # a started run too gets its damaged parts again
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    assert contents() == shared


@pytest.mark.parametrize("setting", ["tokenizer.vocab_size=35", "data.max_length=3"])
def test_other_machines_change_no_setting(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setattr(division, "PART_PAIRS", 50)
    for part in ("1/2", "2/2"):
        assert nmt("prepare", tiny, "--part", part).code == 0
    run = PREPARED.parent
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = nmt("prepare", tiny, "--part", "2/2", "--set", setting)
    assert result.code == 1
    name, _, value = setting.partition("=")
    assert f"part 2/2 has other settings than runs/tiny/recipe.toml: {name} (" in result.err
    assert f" -> {value}); use the same settings" in result.err
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert nmt("prepare", run, "--part", "2/2").code == 0


def test_other_machines_need_the_same_text(nmt: Run, tiny: Path) -> None:
    assert nmt("prepare", tiny, "--part", "1/2").code == 0
    for ending in ("src", "tgt"):
        with Path(f"train.{ending}").open("a") as stream:
            stream.write("sun\n")
    result = nmt("prepare", tiny, "--part", "2/2")
    assert result.code == 1
    assert "tokenizer.model was learned from other text; give all machines" in result.err


def test_verify_finds_a_flipped_bit(nmt: Run, tiny: Path) -> None:
    assert nmt("prepare", tiny).code == 0
    before = contents()
    path = PREPARED / "train-0.ids"
    times = path.stat()
    path.write_bytes(bytes([before[path.name][0] ^ 1]) + before[path.name][1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "damaged" not in nmt("prepare", tiny).err
    result = nmt("prepare", tiny, "--verify")
    assert result.code == 0
    assert "train-0 is damaged or missing and is created again" in result.err
    assert contents() == before


def test_verify_finds_a_damaged_alignment(nmt: Run, tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("[train]", "[train]\nguided_alignment = 0.05"))
    assert nmt("prepare", tiny).code == 0
    before = contents()
    path = PREPARED / "train-0.alignment"
    path.write_bytes(b"\xff" * len(before[path.name]))
    assert nmt("prepare", tiny, "--verify").code == 0
    assert contents() == before
