"""`nmt init`: a recipe for two files, which prepares and trains as it is."""

import gzip
import lzma
import os
import re
import shutil
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DECLARED
from nmt.corpora.segment import Segment
from nmt.recipe.files import load_recipe
from nmt.recipe.settings import get_setting
from tests.commands.parallel_text import sets, text, write
from tests.conftest import Run


def folded(text: str) -> str:
    """Return what near duplicates have in common."""
    return Segment(text).folded


@pytest.mark.parametrize("count", [3, 2000])
def test_a_recipe_of_any_size_prepares_and_trains_as_it_is(
    nmt: Run, tmp_path: Path, count: int
) -> None:
    source, target = write(tmp_path, text(count))
    result = nmt("init", source, target)
    assert (result.code, result.out) == (0, "")
    assert nmt("prepare", "mine.toml").code == 0
    smaller = ["--set", "decode.max_extra_tokens=2", "--set", "decode.beam_size=1"]
    result = nmt("train", "mine.toml", "--max-updates", 2, *smaller)
    assert result.code == 0, result.err
    assert Path("runs/mine/model.safetensors").is_file()


def test_no_near_duplicate_is_in_two_of_the_sets_and_no_other_pair_is_lost(
    nmt: Run, tmp_path: Path
) -> None:
    pairs = text(300)
    again = [(f"{source.upper()}  7!", f"x {target}") for source, target in pairs[:200]]
    given = [*pairs, *again, *pairs[100:]]
    result = nmt("init", *write(tmp_path, given))
    assert result.code == 0
    train, dev, test = sets(load_recipe("mine.toml"))
    for side in (0, 1):
        known = [{folded(pair[side]) for pair in each} for each in (train, dev, test)]
        assert len(set.union(*known)) == sum(map(len, known))  # none is in two
    # A twentieth of the groups, one pair of each; a few of the 300 differ only in their number.
    assert len(dev) == len(test) == 14
    held_out = {folded(pair[0]) for pair in (*dev, *test)}
    assert train == [pair for pair in given if folded(pair[0]) not in held_out]
    assert {*dev, *test} <= {*pairs}
    left_out = len(given) - len(train) - 28
    told = f"; {left_out} pairs are left out as near duplicates of pairs in other sets"
    assert told in result.err


def test_init_and_split_choose_the_same_pairs(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, [*text(100), ("", "x"), *text(30)])
    assert nmt("init", *files).code == 0
    assert nmt("split", *files, "-o", f"{tmp_path}/split/").code == 0
    for kind in ("train.en", "train.de", "dev.en", "test.de"):
        assert Path("data/mine", kind).read_bytes() == (tmp_path / "split" / kind).read_bytes()


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files_are_read_and_the_sets_are_packed(
    nmt: Run, tmp_path: Path, ending: str, pack: Any
) -> None:
    pairs = text(60)
    paths = []
    for path in write(tmp_path, pairs):
        paths.append(path.with_name(path.name + ending))
        paths[-1].write_bytes(pack(path.read_bytes()))
    assert nmt("init", *paths).code == 0
    recipe = load_recipe("mine.toml")
    assert (recipe.data.source_language, recipe.data.target_language) == ("en", "de")
    assert recipe.data.train[0].source == "mine/train.en.gz"
    assert sorted(chain(*sets(recipe))) == sorted(pairs)
    before = Path("data/mine/train.en.gz").read_bytes()
    shutil.rmtree("data")
    assert nmt("init", *paths, "-o", "other.toml").code == 0
    assert Path("data/other/train.en.gz").read_bytes() == before


def test_a_tsv_file_may_name_both_languages(nmt: Run, tmp_path: Path) -> None:
    pairs = text(60)
    path = tmp_path / "pairs.en-fr.tsv"
    path.write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
    assert nmt("init", path).code == 0
    recipe = load_recipe("mine.toml")
    assert (recipe.data.source_language, recipe.data.target_language) == ("en", "fr")
    assert sorted(chain(*sets(recipe))) == sorted(pairs)


def test_a_task_within_one_language_has_files_by_their_sides(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, text(60))
    target = target.rename(tmp_path / "simple.en")
    options = ["--source-language", "en", "--target-language", "en"]
    assert nmt("init", source, target, *options).code == 0
    assert load_recipe("mine.toml").data.train[0].target == "mine/train.target"
    assert sorted(chain(*sets(load_recipe("mine.toml")))) == sorted(text(60))


def test_an_escaped_line_feed_of_an_sgm_file_breaks_no_line(nmt: Run, tmp_path: Path) -> None:
    pairs = text(60)
    source, target = write(tmp_path, pairs)
    lines = [f"<seg id={n}>{s.replace(' ', '&#10;', 1)}</seg>" for n, (s, _) in enumerate(pairs)]
    sgm = source.with_name("c.en.sgm")
    sgm.write_text("\n".join(lines))
    assert nmt("init", sgm, target).code == 0
    assert sorted(chain(*sets(load_recipe("mine.toml")))) == sorted(pairs)


def test_given_sets_are_used_and_nothing_is_held_out(nmt: Run, tmp_path: Path) -> None:
    Path("data").mkdir()
    train = write(tmp_path / "data", text(100))
    dev, test = write(tmp_path, text(10, 2), "dev"), write(tmp_path, text(12, 3), "test")
    result = nmt("init", *train, "--dev", *dev, "--test", *test)
    assert result.code == 0
    recipe = load_recipe("mine.toml")
    assert recipe.data.train[0].source == "c.en"  # below the data folder
    assert recipe.data.dev[0].source == str(tmp_path / "dev.en")
    assert [len(each) for each in sets(recipe)] == [100, 10, 12]
    assert sorted(os.listdir("data")) == ["c.de", "c.en"]


def test_a_given_dev_set_leaves_a_test_set_to_hold_out(nmt: Run, tmp_path: Path) -> None:
    pairs = text(100)
    train, dev = write(tmp_path, [*pairs, *pairs[:2]]), write(tmp_path, pairs[:60], "dev")
    result = nmt("init", *train, "--dev", *dev)
    assert result.code == 0
    assert "62 more pairs are left out: their source or target is nearly equal to" in result.err
    assert "40 pairs, en to de" in result.err
    assert "data/mine: 38 train, 2 test pairs; no two sets share a near duplicate\n" in result.err
    found = sets(load_recipe("mine.toml"))
    assert [len(each) for each in found] == [38, 60, 2]
    assert sorted(chain(*found)) == sorted(pairs)


def test_near_duplicates_of_given_sets_are_left_out_of_the_training_text(
    nmt: Run, tmp_path: Path
) -> None:
    pairs = text(100)
    again = [(f"{source.upper()} 5", f"x {source}") for source, _ in pairs[:2]]
    again += [(f"y {target}", f'"{target}"') for _, target in pairs[:2]]
    train = write(tmp_path, [*pairs, *again])
    dev, test = write(tmp_path, pairs[:7], "dev"), write(tmp_path, pairs[5:10], "test")
    result = nmt("init", *train, "--dev", *dev, "--test", *test)
    assert result.code == 0
    assert "14 more pairs are left out" in result.err
    assert "2 pairs of the given test set have a source or target that is nearly" in result.err
    told = "data/mine: 90 train pairs; the training text has no near duplicate of another set\n"
    assert told in result.err
    assert sets(load_recipe("mine.toml"))[0] == pairs[10:]
    result = nmt("init", *train, "--dev", *train, "--test", *test, "-o", "none.toml")
    assert result.code == 1
    assert "no pair with text on both sides, unless it is in a given dev or test set" in result.err


@pytest.mark.parametrize(("word", "count"), [("1", 1), ("1", 3), ("好", 2), ("ab", 8)])
def test_the_vocabulary_of_a_tiny_corpus_can_be_learned(
    nmt: Run, tmp_path: Path, count: int, word: str
) -> None:
    pairs = [(f"{word} {letter}", f"{letter} {word}") for letter in "cdefghij"[:count]]
    paths = write(tmp_path, pairs)
    result = nmt("init", *paths)
    if count < 3:
        assert result.code == 1
        assert "that can be held out, too few for" in result.err
        assert "the recipe works" not in result.err
        other = write(tmp_path, [("other", "text")], "other")
        result = nmt("init", *paths, "--dev", *other, "--test", *other)
    if result.code:
        assert "the training text is too small: it allows a vocabulary of 7 tokens" in result.err
        assert (word, count) in [("1", 1), ("1", 3)]
        assert sorted(os.listdir()) == ["c.de", "c.en"]
        return
    assert f"{count} pairs are too few to learn to translate" in result.err
    result = nmt("prepare", "mine.toml")
    assert result.code == 0, result.err


def test_few_pairs_get_a_warning(nmt: Run, tmp_path: Path) -> None:
    few, enough = write(tmp_path, text(999), "few"), write(tmp_path, text(1000), "enough")
    assert "999 pairs are too few" in nmt("init", *few).err
    assert "too few" not in nmt("init", *enough, "-o", "enough.toml").err


def test_the_recipe_says_why_and_leaves_defaults_out(nmt: Run, tmp_path: Path) -> None:
    assert nmt("init", *write(tmp_path, text(300))).code == 0
    recipe = load_recipe("mine.toml")
    written = Path("mine.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(written)
    for name, declared in DECLARED.items():
        section, key = name.split(".")
        is_default = get_setting(recipe, name) == declared.metadata["default"]
        assert section == "data" or (key in tables[section]) != is_default, name
    for part in ("vocab_size", "dropout", "max_updates", "patience", "length_penalty"):
        ((before, line),) = re.findall(rf"(.*)\n({part} = .*)", written)
        assert " # " in line or before.startswith("# ")  # beside or above
    assert all(len(line) <= 120 for line in written.splitlines())


def test_the_next_commands_are_printed_and_parse(nmt: Run, tmp_path: Path) -> None:
    result = nmt("init", *write(tmp_path, text(60)), "-o", "my own.toml", "--data-dir", "d d")
    assert result.err.endswith(
        "next:\n  nmt train 'my own.toml' --data-dir 'd d'\n  nmt evaluate --model 'runs/my own'\n"
        "  nmt translate FILE --model 'runs/my own'\n"
    )
    assert sum(map(len, sets(load_recipe("my own.toml"), Path("d d")))) == 60


def test_a_recipe_to_fine_tune_has_the_settings_of_the_model(
    nmt: Run, tmp_path: Path, tiny_run: Path
) -> None:
    model = Path(shutil.copy(tiny_run / "model.safetensors", "old.safetensors"))
    source, target = write(tmp_path, text(60))
    result = nmt("init", source, target, "--init-from", model, "-o", "sub/new.toml")
    assert (result.code, result.out) == (0, "")
    assert "The recipe extends old.safetensors" in result.err
    recipe, base = load_recipe("sub/new.toml"), load_recipe(str(tiny_run / "recipe.toml"))
    assert (recipe.model, recipe.tokenizer, recipe.decode) == (
        base.model,
        base.tokenizer,
        base.decode,
    )
    assert recipe.train.init_from == "old.safetensors"
    assert recipe.train.max_updates >= recipe.train.warmup_updates > 0
    assert len(list(chain(*sets(recipe)))) == 60
    result = nmt("train", "sub/new.toml", "--max-updates", 2)
    assert result.code == 0, result.err


def test_a_model_with_a_cooldown_is_fine_tuned_without_one(
    nmt: Run, tmp_path: Path, tiny: Path, tiny_run: Path
) -> None:
    """Its own recipe needs `train.patience` 0, but a recipe to fine-tune has patience."""
    options = ["--max-updates", 4, "--set", "train.cooldown_updates=2", "--run", "cool"]
    assert nmt("train", tiny, *options, "--init-from", tiny_run).code == 0
    source, target = write(tmp_path, text(60))
    assert nmt("init", source, target, "--init-from", "cool", "-o", "new.toml").code == 0
    assert load_recipe("new.toml").train.cooldown_updates == 0
    result = nmt("train", "new.toml", "--max-updates", 2)
    assert result.code == 0, result.err


def test_the_model_states_the_languages_that_the_files_do_not(
    nmt: Run, tmp_path: Path, tiny_run: Path
) -> None:
    source, target = write(tmp_path, text(60))
    source, target = (each.rename(each.with_name(each.name + "x")) for each in (source, target))
    assert nmt("init", source, target, "--init-from", tiny_run).code == 0
    data = load_recipe("mine.toml").data
    known = load_recipe(str(tiny_run / "recipe.toml")).data
    assert (data.source_language, data.target_language) == (
        known.source_language,
        known.target_language,
    )
    options = ["--target-language", "fr", "-o", "other.toml", "--init-from", tiny_run]
    result = nmt("init", source, target, *options)
    assert (result.code, "the model translates" in result.err) == (0, True)


def test_the_text_of_the_old_model_is_not_fetched_again(
    nmt: Run, tmp_path: Path, tiny: Path, tiny_run: Path
) -> None:
    download = 'data.downloads=[{url="https://example.com/a", to="a"}]'
    options = ["--max-updates", 1, "--run", "old", "--set", download]
    assert nmt("train", tiny, *options, "--init-from", tiny_run).code == 0
    source, target = write(tmp_path, text(60))
    assert nmt("init", source, target, "--init-from", "old", "-o", "new.toml").code == 0
    assert load_recipe("new.toml").data.downloads == ()
    renamed = shutil.copy("old/model.safetensors", "old.bin")
    result = nmt("init", source, target, "--init-from", renamed, "-o", "newer.toml")
    assert (result.code, "must end in .safetensors" in result.err) == (2, True)


def test_a_file_that_is_no_model_cannot_be_fine_tuned(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, text(60))
    result = nmt("init", source, target, "--init-from", source)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"{source} is not an intact model file" in result.err
    assert not Path("mine.toml").exists()
