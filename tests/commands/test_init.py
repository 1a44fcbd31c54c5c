"""`nmt init`: a recipe for two files, which prepares and trains as it is, or one message."""

import errno
import gzip
import re
import shutil
import tomllib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from nmt.commands.init import given_text
from nmt.config import DECLARED, Recipe
from nmt.corpora.new_recipe import RecipeRequest, with_data
from nmt.corpora.presets import ChosenSettings, StartModel
from nmt.recipe.files import load_recipe
from nmt.recipe.settings import get_setting, with_settings
from nmt.text.reading.corpus import DataFolder, ParallelText
from tests.commands.conftest import paths_in
from tests.conftest import Run
from tests.corpora.corpora import Pairs, corpus, write

PAIRS = corpus(60)


def sets(recipe: Recipe, data: Path = Path("data")) -> list[Pairs]:
    """Return the training, dev and test pairs of a recipe with one file pair for each."""
    (train,), (dev,), (test,) = recipe.data.train, recipe.data.dev, recipe.data.test.values()
    return [
        [(pair.source, pair.target) for pair in DataFolder(data).text(files, recipe).pairs()]
        for files in (train, dev, test)
    ]


def languages(recipe: str = "mine.toml") -> tuple[str, str]:
    data = load_recipe(recipe).data
    return data.source_language, data.target_language


def test_the_recipe_says_why_and_leaves_defaults_out(nmt: Run, tmp_path: Path) -> None:
    """It chooses the same pairs as `nmt split`, and prints commands that parse."""
    pairs = [*corpus(300), ("", "x"), *corpus(30)]
    files = write(tmp_path, pairs)
    result = nmt("init", *files, "-o", "my own.toml", "--data-dir", "d d")
    assert result.err.endswith(
        "next:\n  nmt train 'my own.toml' --data-dir 'd d'\n  nmt evaluate --model 'runs/my own'\n"
        "  nmt translate FILE --model 'runs/my own'\n"
    )
    assert nmt("split", *files, "-o", f"{tmp_path}/split/").code == 0
    for kind in ("train.en", "train.de", "dev.en", "test.de"):
        assert Path("d d/my own", kind).read_bytes() == (tmp_path / "split" / kind).read_bytes()
    recipe = load_recipe("my own.toml")
    written = Path("my own.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(written)
    for name, declared in DECLARED.items():
        section, key = name.split(".")
        is_default = get_setting(recipe, name) == declared.metadata["default"]
        assert section == "data" or (key in tables[section]) != is_default, name
    ((before, line),) = re.findall(r"(.*)\n(vocab_size = .*)", written)
    assert " # " in line or before.startswith("# ")  # beside or above
    assert all(len(line) <= 120 for line in written.splitlines())


def test_files_of_other_forms(nmt: Run, tmp_path: Path) -> None:
    """A TSV file, a task within one language, an escaped line feed of an SGM file, packed text."""
    source, target = write(tmp_path, PAIRS)
    tsv, simple, sgm = (tmp_path / name for name in ("p.en-fr.tsv", "simple.en", "c.en.sgm"))
    tsv.write_text("".join(f"{s}\t{t}\n" for s, t in PAIRS), encoding="utf-8")
    shutil.copy(target, simple)
    segments = [f"<seg id={n}>{s.replace(' ', '&#10;', 1)}</seg>" for n, (s, _) in enumerate(PAIRS)]
    sgm.write_text("\n".join(segments))
    packed = [path.with_name(f"{path.name}.gz") for path in (source, target)]
    for path in packed:
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    english = ["--source-language", "en", "--target-language", "en"]
    for name, given, expected in (
        ("tsv", [tsv], ("en", "fr")),
        ("one", [source, simple, *english], ("en", "en")),
        ("sgm", [sgm, target], ("en", "de")),
        ("gz", packed, ("en", "de")),
    ):
        assert nmt("init", *given, "-o", f"{name}.toml").code == 0
        assert languages(f"{name}.toml") == expected
        assert sorted(chain(*sets(load_recipe(f"{name}.toml")))) == sorted(PAIRS)
    assert load_recipe("one.toml").data.train[0].target == "one/train.target"
    assert load_recipe("gz.toml").data.train[0].source == "gz/train.en.gz"


def test_given_sets_are_used_and_nothing_is_held_out(nmt: Run, tmp_path: Path) -> None:
    """With a dev set alone, a test set is held out of what the dev set has no duplicate of."""
    Path("data").mkdir()
    pairs = corpus(100)
    train = write(tmp_path / "data", pairs)
    dev, test = write(tmp_path, corpus(10, 2), "dev"), write(tmp_path, corpus(12, 3), "test")
    assert nmt("init", *train, "--dev", *dev, "--test", *test).code == 0
    recipe = load_recipe("mine.toml")
    assert recipe.data.train[0].source == "c.en"  # below the data folder
    assert recipe.data.dev[0].source == str(tmp_path / "dev.en")
    assert [len(pairs) for pairs in sets(recipe)] == [100, 10, 12]
    assert paths_in(Path("data")) == ["c.de", "c.en"]
    train, dev = write(tmp_path, [*pairs, *pairs[:2]]), write(tmp_path, pairs[:60], "dev")
    result = nmt("init", *train, "--dev", *dev, "-o", "part.toml")
    assert result.code == 0
    assert "62 more pairs are left out: their source or target is nearly equal to" in result.err
    assert "data/part: 38 train, 2 test pairs; no two sets share a near duplicate\n" in result.err
    near = [(f"{source.upper()} 5", f"x {source}") for source, _ in pairs[:2]]
    text, test = write(tmp_path, [*pairs, *near], "near"), write(tmp_path, pairs[58:63], "test")
    both = nmt("init", *text, "--dev", *dev, "--test", *test, "-o", "both.toml").err
    assert "2 pairs of the given test set have a source or target that is nearly" in both
    assert sorted(chain(*sets(load_recipe("part.toml")))) == sorted(pairs)


def test_several_corpora_are_read_in_both_directions(nmt: Run, tmp_path: Path) -> None:
    Path("b.en-fr.tsv").write_text("".join(f"{source}\tfr {target}\n" for source, target in PAIRS))
    result = nmt("init", *write(tmp_path, PAIRS), "b.en-fr.tsv", "--both-directions")
    assert "120 pairs, en to de, en to fr, de to en, fr to en" in result.err
    data = load_recipe("mine.toml").data
    assert data.directions == (("en", "de"), ("en", "fr"), ("de", "en"), ("fr", "en"))
    assert [*data.test] == ["en_de", "en_fr", "de_en", "fr_en"]
    assert [len(sets) for sets in (data.train, data.dev)] == [4, 4]
    assert "240 pairs: " in Path("mine.toml").read_text(encoding="utf-8")  # for the settings


def test_a_table_is_read_in_both_directions(nmt: Run, tmp_path: Path) -> None:
    Path("c.en-de.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    dev, test = write(tmp_path, corpus(10, 2), "dev"), write(tmp_path, corpus(12, 3), "test")
    given = ["--dev", *dev, "--test", *test, "--data-dir", "."]
    assert nmt("init", "c.en-de.tsv", *given, "--both-directions").code == 0
    recipe = load_recipe("mine.toml")
    forward, backward = (
        DataFolder(Path()).text(text, recipe).pairs() for text in recipe.data.train
    )
    assert [(target, source) for source, target in backward] == [*forward] == PAIRS
    assert (recipe.data.dev[1].source, recipe.data.dev[1].source_language) == ("dev.de", "de")


def test_long_pairs_raise_the_limit(nmt: Run, tmp_path: Path) -> None:
    rows = corpus(60 * 20)
    parts = [rows[first : first + 60] for first in range(0, len(rows), 60)]
    pairs = [(" ".join(s for s, _ in part), " ".join(t for _, t in part)) for part in parts]
    result = nmt("init", *write(tmp_path, pairs))
    assert "pairs have a side of more than 250 tokens, so data.max_length is" in result.err
    recipe = load_recipe("mine.toml")
    assert 250 < recipe.data.max_length == recipe.decode.max_segment_tokens <= 1000
    assert "18 pairs kept" in nmt("prepare", "mine.toml").err


def test_a_recipe_to_fine_tune_has_the_settings_of_the_model(
    nmt: Run, tmp_path: Path, tiny: Path, tiny_run: Path
) -> None:
    """It has neither the cooldown nor the downloads of the model, and trains as it is."""
    download = 'data.downloads=[{url="https://example.com/a", to="a"}]'
    options = ["--max-updates", 4, "--set", "train.cooldown_updates=2", "--set", download]
    assert nmt("train", tiny, *options, "--run", "old", "--init-from", tiny_run).code == 0
    shutil.copy("old/model.safetensors", "old.safetensors")
    files = write(tmp_path, PAIRS)
    result = nmt("init", *files, "--init-from", "old.safetensors", "-o", "sub/new.toml")
    assert (result.code, result.out) == (0, "")
    assert "The recipe extends old.safetensors" in result.err
    recipe, base = load_recipe("sub/new.toml"), load_recipe("old/recipe.toml")
    for section in ("model", "tokenizer", "decode"):
        assert getattr(recipe, section) == getattr(base, section)
    assert (recipe.train.init_from, recipe.train.cooldown_updates) == ("old.safetensors", 0)
    assert recipe.data.downloads == ()
    assert len([*chain(*sets(recipe, Path()))]) == 60  # `tiny` names the data folder
    result = nmt("train", "sub/new.toml", "--max-updates", 1)
    assert result.code == 0, result.err
    # The model states the languages that the files do not.
    source, target = (path.rename(path.with_name(path.name + "x")) for path in files)
    assert nmt("init", source, target, "--init-from", "old.safetensors").code == 0
    assert languages() == (base.data.source_language, base.data.target_language)


def test_a_model_that_writes_one_of_its_languages_then_writes_that_of_the_text() -> None:
    recipe = with_settings(Recipe("m"), {"decode.target_language": "de"})
    start = StartModel(Path("m.safetensors"), recipe)
    text = ParallelText((Path("c.en"), Path("c.fr")), languages=("en", "fr"))
    chosen = []
    for both in (False, True):
        request = RecipeRequest(
            (text,), Path("c.toml"), Path("data"), start=start, both_directions=both
        )
        settings = with_data(request, ChosenSettings({}, {}), is_divided=True)
        chosen.append(settings.values.get("decode.target_language"))
    assert chosen == ["fr", None]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.pt-BR", "a.en_US.txt"), ("pt", "en")),
        (("a.en", "a"), ("en", "")),
        (("a.en", "b.en"), ("", "")),  # one of them must be wrong
        (("a.xx", "a.de"), ("", "de")),  # xx is no language
    ],
)
def test_languages_come_from_the_endings_and_are_never_guessed(
    names: Sequence[str], expected: Sequence[str]
) -> None:
    assert given_text([*map(Path, names)]).languages == expected


def test_a_code_that_contradicts_a_name_is_warned_of(capfd: pytest.CaptureFixture[str]) -> None:
    for names, warning in (
        (("v.en", "v.fr"), "warning: v.fr is in fr by its name, but --target-language is de\n"),
        (("v.en", "v.de.gz"), ""),
        (("v.en", "w.en"), ""),  # one of the names is wrong, and the code says which
    ):
        assert given_text([*map(Path, names)], None, "de").languages[1] == "de"
        assert capfd.readouterr().err == warning


def test_on_a_terminal_the_languages_are_asked_for_until_they_are_codes(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.commands.init.is_terminal", lambda: True)
    answers = iter(["English", "en", "nl"])
    asked = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    source, target = write(tmp_path, PAIRS)
    source, target = source.rename(tmp_path / "a"), target.rename(tmp_path / "b")
    assert nmt("init", source, target).code == 0
    assert (languages(), len(asked)) == (("en", "nl"), 3)


def test_a_full_disk_leaves_nothing_in_the_way(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full after all is written, before the folder gets its name. Then the command works."""
    paths = write(tmp_path, PAIRS)

    def fail(*arguments: object) -> None:
        raise OSError(errno.EFBIG, "File too large")

    with monkeypatch.context() as patch:
        patch.setattr("nmt.system.atomic.os.fsync", fail)
        result = nmt("init", *paths, "--data-dir", "new/data")
    assert (result.code, "File too large" in result.err) == (1, True), result.err
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left <= {"c.en", "c.de", "new", "new/data"}
    assert nmt("init", *paths, "--data-dir", "new/data").code == 0


def test_nothing_is_overwritten(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, PAIRS)
    Path("mine.toml").write_text("# mine\n")
    refused = nmt("init", source, target)
    told = "nmt: mine.toml exists already; name another recipe with --output\n"
    assert (refused.code, refused.err) == (2, told)
    Path("mine.toml").unlink()
    Path("data/mine").mkdir(parents=True)
    Path("data/mine/dev.de").write_text("kept\n")
    refused = nmt("init", source, target)
    assert "the folder data/mine exists already and holds dev.de; choose another" in refused.err
    assert Path("data/mine/dev.de").read_text() == "kept\n"
    assert not Path("mine.toml").exists()
