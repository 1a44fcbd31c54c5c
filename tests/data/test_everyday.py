"""The shipped model: what it is, when it is used, and what the manual says of it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import nmt
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import EVERYDAY, SHIPPED_MODEL
from nmt.runs.runs import ABOUT
from nmt.system.files import shipped
from tests.conftest import Run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/everyday.md").read_text()
EXAMPLE = re.compile(r'echo "(.+)" \| nmt translate --to (\w+)\n```\n+```text\n(.+)\n```')
PAGES = ("README.md", "docs/tutorials/first-translation.md")


def test_it_is_a_small_file_of_its_recipe() -> None:
    model, recipe = nmt.load(EVERYDAY, notify=lambda _: None), load_recipe(EVERYDAY)
    same_but_dropout = replace(model.recipe.model, dropout=recipe.model.dropout)
    assert same_but_dropout == recipe.model
    assert model.recipe.data.known_directions == recipe.data.known_directions
    assert SHIPPED_MODEL.stat().st_size < 10_000_000


def test_the_manual_and_the_note_have_the_same_figures() -> None:
    into_german, back = re.findall(r"English to German ([\d.]+), German to English ([\d.]+)", PAGE)[
        0
    ]
    found = re.findall(r"BLEU ([\d.]+)", ABOUT)
    assert found == [f"{float(score):.1f}" for score in (into_german, back)]
    assert re.findall(r"BLEU ([\d.]+)\)", (ROOT / "README.md").read_text())[:2] == [
        into_german,
        back,
    ]


@pytest.mark.parametrize("page", PAGES)
def test_examples_are_what_it_writes(nmt: Run, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no run, it answers, and a note says which model that is."""
    text, to, answer = EXAMPLE.findall((ROOT / page).read_text())[0]
    Path("text").write_text(f"{text}\n")
    result = nmt("translate", "text", "--to", to)
    assert (result.out, ABOUT in result.err) == (f"{answer}\n", True)


def test_a_name_states_the_language(nmt: Run) -> None:
    for name in ("letter.de", "letter.de.md"):
        Path(name).write_text("Danke!\n")
        by_name = nmt("translate", name)
        assert (by_name.code, by_name.out) == (0, nmt("translate", name, "--to", "en").out)
        assert "from de to en, as files or their names state" in by_name.err
    assert nmt("translate", "letter.de", "--n-best", "2", "--output", "lists").code == 0
    reranked = nmt("rerank", "lists", "--source", "letter.de", "--model", EVERYDAY)
    assert reranked.out == nmt("translate", "letter.de").out
    Path("answer").write_text(reranked.out)
    by_name = nmt("score", "letter.de", "answer")
    assert (by_name.code, by_name.out) == (0, nmt("score", "letter.de", "answer", "--to", "en").out)
    Path("letter.de").rename("letter.txt")
    assert "choose one (--to): de, en" in nmt("translate", "letter.txt").err


def test_a_file_in_the_language_to_write_is_refused(nmt: Run) -> None:
    """The language that a catalogue or a memory is read in may be another than it states."""
    for name in ("letter.de", "letter.de.md"):
        Path(name).write_text("Danke!\n")
    unit = "<trans-unit id='1'><source>Danke!</source></trans-unit>"
    Path("app.xlf").write_text(f"<xliff><file source-language='de'>{unit}</file></xliff>")
    for name in ("letter.de", "letter.de.md", "app.xlf"):
        refused = nmt("translate", name, "--to", "de")
        assert (refused.code, refused.out) == (2, "")
        assert f"{name} is in de" in refused.err
    assert nmt("score", "letter.de", "letter.de", "--to", "de").code == 2
    Path("app.en.po").write_text('msgid "Danke!"\nmsgstr ""\n')
    assert nmt("translate", "app.en.po", "--to", "en").code == 0


def test_a_training_starts_from_its_name(nmt: Run) -> None:
    files = [shipped(f"data/pocket/test.{side}") for side in ("en", "de")]
    assert nmt("init", *files, "-o", "c.toml", "--init-from", EVERYDAY).code == 0
    recipe = Path("c.toml").read_text()
    assert f'extends = "{EVERYDAY}"' in recipe
    assert f'init_from = "{EVERYDAY}"' in recipe


def test_other_engines_find_it(nmt: Run) -> None:
    pytest.importorskip("ctranslate2")
    Path("letter.de").write_text("Danke!\n")
    other = nmt("translate", "letter.de", "--engine", "ctranslate2")
    assert (other.code, other.out) == (0, nmt("translate", "letter.de").out)
