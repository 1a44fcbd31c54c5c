"""`nmt train SOURCE TARGET`: check, recipe and training in one command."""

import shlex
import shutil
from pathlib import Path

import pytest

from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from tests.commands.conftest import contents
from tests.conftest import SMALLEST, CommandResult, Run
from tests.corpora.corpora import corpus, write

TINY = SMALLEST | {
    "tokenizer.vocab_size": 60,
    "train.batch_source_tokens": 300,
    "train.batch_target_tokens": 300,
    "train.micro_batch_tokens": 300,
}


SETTINGS = [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]


PAIRS = corpus(60)


def train(nmt: Run, *arguments: object, updates: int = 1) -> CommandResult:
    """Train a tiny model for a moment."""
    return nmt("train", *arguments, *SETTINGS, "--max-updates", updates)


def interrupt(*arguments: object) -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def message(result: CommandResult, code: int = 2) -> str:
    """Return the error of a command, which must be one line."""
    assert (result.code, result.err.count("\n")) == (code, 1), result.err
    return result.err


def test_two_files_are_checked_and_become_a_recipe_and_a_model(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, [*PAIRS, ("leer", "")])
    result = train(nmt, *files)
    assert (result.code, result.out) == (0, ""), result.err
    lines = result.err.splitlines()
    title = f"{files[0]} and {files[1]}"
    assert lines[0] == f"checked {title}: 61 pairs, 0 errors, 1 warning, 0 notes"
    empty = lines.index("  warning: pairs with an empty side: 1 (1.6 % of 61)")
    assert lines[empty + 1] == "    line 61: target empty"
    assert lines[empty + 4].startswith("    fix: ")
    assert f"`nmt check {files[0]} {files[1]}` prints the full report" in lines[empty + 5]
    assert "60 pairs, en to de, 1 more with an empty side" in lines
    assert result.err.endswith(
        "next:\n  nmt evaluate --model runs/c_en_de\n  nmt translate FILE --model runs/c_en_de\n"
    )
    assert nmt("init", *files).code == 0
    written = Path("c_en_de.toml").read_text(encoding="utf-8")
    same = Path("mine.toml").read_text(encoding="utf-8").replace("mine", "c_en_de")
    assert written == same.replace("written by `nmt init`", "written by `nmt train`")
    for path in Path("data/mine").iterdir():
        assert (Path("data/c_en_de") / path.name).read_bytes() == path.read_bytes()


def test_the_same_command_resumes_and_other_text_is_not_taken_for_the_old(
    nmt: Run, tmp_path: Path
) -> None:
    files = write(tmp_path, PAIRS)
    assert train(nmt, *files).code == 0
    before = contents()
    result = train(nmt, *files, updates=2)
    assert ("resumed at update 1 of 2" in result.err, "checked" in result.err) == (True, False)
    after = contents()
    assert all(name.startswith("runs/") or after[name] == before[name] for name in before)
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other", PAIRS[1:])
    error = message(train(nmt, *other))
    assert f"c_en_de.toml belongs to other files, {files[0]} and {files[1]}" in error
    data = tmp_path / "data"
    assert f"`nmt init {other[0]} {other[1]} --data-dir {data} --output NAME.toml`" in error
    assert train(nmt, *write(tmp_path / "other", PAIRS), updates=2).code == 0  # a copy of the text
    error = message(train(nmt, *files, "--init-from", "runs/c_en_de"))
    assert "c_en_de.toml was written to start from random weights, not from" in error
    assert "--init-from runs/c_en_de/model.safetensors --data-dir " in error
    with files[1].open("a") as stream:
        stream.write("mehr\n")
    error = message(train(nmt, *files))
    assert f"{files[1]} changed since c_en_de.toml was written" in error
    assert f"`nmt train c_en_de.toml --data-dir {data}` trains on the old text" in error


def test_errors_of_the_text_end_it_with_the_commands_that_help(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, PAIRS)
    lines = files[1].read_bytes().splitlines(keepends=True)
    files[1].write_bytes(b"".join([*lines[:30], b"\xff\n", *lines[31:]]))
    before = contents()
    result = train(nmt, *files)
    assert result.code == 1
    assert "  ERROR: lines that are not UTF-8: 1 (1.7 % of 60)\n    line 31: " in result.err
    assert contents() == before
    clean = f"nmt clean {files[0]} {files[1]} -o clean"
    last = result.err.splitlines()[-1]
    assert f"leave these lines out: `{clean}`, then `nmt train clean.en clean.de`" in last
    assert nmt(*shlex.split(clean)[1:]).code == 0
    assert train(nmt, "clean.en", "clean.de").code == 0
    assert "clean.en" in contents()
    again = train(nmt, *files).err.splitlines()[-1]  # another name than that of other work
    assert "-o clean2`, then `nmt train clean2.en clean2.de`" in again
    for text in ([*lines[:30], *[b"\xff\n"] * 30], lines[:30]):  # half of a file: no few lines
        files[1].write_bytes(b"".join(text))
        last = train(nmt, *files).err.splitlines()[-1]
        assert "cannot be trained on; correct the files as the report says" in last


def test_several_corpora_are_checked_and_train_one_model(nmt: Run, tmp_path: Path) -> None:
    files, table = write(tmp_path, PAIRS), Path("b.en-fr.tsv")
    rows = [f"{source}\tfr {target}\n" for source, target in PAIRS]
    table.write_text("".join(["no tab\n", *rows]))
    error = train(nmt, *files, table, "--both-directions").err.splitlines()[-1]
    cleaned = f"nmt train {files[0]} {files[1]} clean.en clean.fr --both-directions"
    assert f"b.en-fr.tsv cannot be trained on; leave these lines out: `nmt clean {table}" in error
    assert f" -o clean`, then `{cleaned}`" in error
    table.write_text("".join(rows))
    for updates in (1, 2):  # the second one resumes
        result = train(nmt, *files, table, "--both-directions", updates=updates)
        assert result.code == 0, result.err
    recipe = RunFolder(Path("runs/c_en_de_fr_both")).load_recipe()
    assert recipe.data == load_recipe("c_en_de_fr_both.toml").data
    assert recipe.data.language_tokens == {"de": ">>de<<", "fr": ">>fr<<", "en": ">>en<<"}
    other = "--source-language", "en,de", "--target-language", "de,fr"
    error = train(nmt, *files, table, "--both-directions", *other).err
    assert "warning: b.en-fr.tsv is in en by its name, but --source-language is de" in error
    assert "c_en_de_fr_both.toml is for en to de, en to fr, de to en, fr to en; write a" in error


def test_the_options_of_both_commands_work(nmt: Run, tmp_path: Path, tiny_run: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join("\t".join(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    given = [path, "--source-language", "nl", "--target-language", "fr", "--run", "runs/own"]
    result = train(nmt, *given, "--data-dir", "texts", "--device", "cpu", "--seed", 5)
    assert result.code == 0, result.err
    recipe = load_recipe("pairs_nl_fr.toml")
    assert (recipe.data.source_language, recipe.data.target_language) == ("nl", "fr")
    assert Path("texts/pairs_nl_fr/test.nl").is_file()
    assert RunFolder(Path("runs/own")).load_recipe().train.seed == 5
    other = [*write(tmp_path, PAIRS, "f"), "--init-from", tiny_run, "--max-updates", 1]
    for _ in range(2):
        result = nmt("train", *other)
        assert result.code == 0, result.err
    tuned = load_recipe("f_en_de.toml")
    assert tuned.model == load_recipe(str(tiny_run / "recipe.toml")).model
    assert tuned.train.init_from == str(tiny_run / "model.safetensors")


def test_the_recipe_is_named_after_the_files(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.training.trainer.set_up_workers", interrupt)
    for source, target, recipe in (
        ("news.v2.en.txt", "deutsch.de.txt", "news.v2_en_de"),
        ("x.en-US", "x.de", "x_en_de"),
        ("en.txt", "de.txt", "text_en_de"),
    ):
        for path, name in zip(write(tmp_path, PAIRS), (source, target), strict=True):
            path.rename(tmp_path / name)
        assert nmt("train", source, target).code == 130
        assert Path(f"{recipe}.toml").is_file()


def test_what_is_in_the_way_stays(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, PAIRS)
    own = Path("c_en_de.toml")
    own.write_text('extends = "pocket"\n')
    error = message(train(nmt, *files))
    assert "c_en_de.toml exists, but its text in data/c_en_de is missing" in error
    Path("data/c_en_de").mkdir(parents=True)
    error = message(train(nmt, *files))
    assert "c_en_de.toml exists, but data/c_en_de/origin.json does not name its files" in error
    Path("data/c_en_de").rmdir()
    own.unlink()
    assert train(nmt, *files, "--run", "gone").code == 0
    shutil.move("data/c_en_de", "moved")
    error = message(train(nmt, *files, "--run", "gone"))
    assert "data/c_en_de is missing; put it back" in error
    own.unlink()
    Path("data/c_en_de").mkdir(parents=True)
    Path("data/c_en_de/note").touch()
    assert "the folder data/c_en_de exists, but not its recipe" in message(train(nmt, *files))
    Path("data/c_en_de/note").unlink()
    assert train(nmt, *files).code == 0
    own.unlink()
    assert "resume it with `nmt train runs/c_en_de`" in message(train(nmt, *files))


def test_several_workers_need_a_recipe_first(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path, PAIRS)
    monkeypatch.setenv("WORLD_SIZE", "2")
    error = message(train(nmt, *files))
    command = f"nmt init {files[0]} {files[1]} --output c_en_de.toml"
    assert f"write it first with `{command}`, then train it" in error
    monkeypatch.delenv("WORLD_SIZE")
    assert nmt(*shlex.split(command)[1:]).code == 0
    assert train(nmt, *files).code == 0  # takes the recipe of `nmt init`


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("nmt.corpora.train_files.check_corpus", False),
        ("nmt.corpora.new_recipe.write_text", False),
        ("nmt.training.trainer.set_up_workers", True),
    ],
)
def test_ctrl_c_leaves_nothing_half_written(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, left: bool
) -> None:
    files = write(tmp_path, PAIRS)
    with monkeypatch.context() as patch:
        patch.setattr(step, interrupt)
        assert train(nmt, *files).code == 130
    made = {name.split("/")[0] for name in contents()} - {"c.de", "c.en"}
    assert made == ({"c_en_de.toml", "data"} if left else set())
    assert train(nmt, *files).code == 0
