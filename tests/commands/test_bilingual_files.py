"""Commands that read a corpus from a translation memory."""

import html
from collections.abc import Sequence
from pathlib import Path

from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from tests.commands.test_train_files import PAIRS, train
from tests.conftest import Run
from tests.corpora.corpora import Pairs, write


def memory(folder: Path, pairs: Pairs, more: Sequence[str] = ()) -> Path:
    """Write pairs as a translation memory; more: units in other languages."""
    units = [
        f'<tu><tuv xml:lang="en"><seg>{html.escape(source)}</seg></tuv>\n'
        f'<tuv xml:lang="de"><seg>{html.escape(target)}</seg></tuv></tu>\n'
        for source, target in pairs
    ]
    path = folder / "memory.tmx"
    text = f'<tmx version="1.4"><header srclang="en"/><body>{"".join((*units, *more))}</body></tmx>'
    path.write_text(text, encoding="utf-8")
    return path


def weights(run: str, folder: Path = Path()) -> bytes:
    """Return the tensors of a run's model, without its recipe."""
    content = RunFolder(folder / run).model.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return content[8 + size :]


def test_a_memory_trains_as_its_text_does(nmt: Run, tmp_path: Path) -> None:
    path = memory(tmp_path, PAIRS)
    result = train(nmt, path)
    assert result.code == 0, result.err
    assert result.err.startswith(f"checked {path}: 60 pairs, 0 errors, 0 warnings, 0 notes\n")
    data = load_recipe("memory_en_de.toml").data
    assert (data.source_language, data.target_language) == ("en", "de")
    assert train(nmt, *write(tmp_path, PAIRS)).code == 0
    assert weights("runs/memory_en_de") == weights("runs/c_en_de")


def test_check_and_clean_read_a_memory(nmt: Run, tmp_path: Path) -> None:
    bad = [("copied words here", "copied words here"), ("<b>marked</b> up", "mit <b>Tags</b>")]
    path = memory(tmp_path, [*PAIRS, *bad])
    report = nmt("check", path)
    assert report.code == 0
    assert "    pair 61: target equal to source" in report.out
    assert nmt("clean", path, "-o", "clean").code == 0
    texts = [Path(f"clean.{code}").read_text().splitlines() for code in ("en", "de")]
    assert [*zip(*texts, strict=True)] == PAIRS


def test_languages_of_several_are_chosen(nmt: Run, tmp_path: Path) -> None:
    french = (
        '<tu><tuv xml:lang="en"><seg>a cat</seg></tuv><tuv xml:lang="fr"><seg>chat</seg></tuv></tu>'
    )
    path = memory(tmp_path, PAIRS, [french])
    result = nmt("check", path)
    assert result.code == 2
    assert "has text in en, de and fr; choose two with --source-language and" in result.err
    result = nmt("clean", path, "-o", "c", "--source-language", "en", "--target-language", "es")
    assert result.err.endswith("has text in en, de and fr, not in es\n")
    chosen = ("--source-language", "fr", "--target-language", "en")
    assert nmt("clean", path, "-o", "c", *chosen).code == 0
    assert Path("c.fr").read_text() == "chat\n"


def test_what_is_no_pair_of_languages_is_refused(nmt: Run, tmp_path: Path) -> None:
    path = memory(tmp_path, PAIRS)
    write(tmp_path, PAIRS)
    result = nmt("train", path, tmp_path / "c.de")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "c.de has no partner" in result.err
    model = ("--model", "m", "--reverse-model", "m")
    result = nmt("augment", "diversification", path, *model, "-o", "x/")
    assert result.code == 2
    assert f"`nmt clean {path} -o PREFIX` makes two text files of it" in result.err
    path.write_text('<tmx><tu><tuv xml:lang="en"><seg>a</seg></tuv></tu></tmx>')
    result = nmt("train", path)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "states one language, en, and pairs need two; name the other" in result.err


def test_a_broken_unit_is_an_error_that_cleaning_leaves_out(nmt: Run, tmp_path: Path) -> None:
    path = memory(tmp_path, PAIRS, ["<tu><tuv><seg>x</seg></tuv><tuv/></tu>"])
    report = nmt("check", path)
    assert report.code == 1
    assert "ERROR: units of the file that cannot be read: 1 (1.6 % of 61)" in report.out
    assert f"pair 61: {path}, line 121: a <tuv> of the unit has no language" in report.out
    result = nmt("train", path)
    options = "--source-language en --target-language de"
    assert f"; leave these pairs out: `nmt clean {path} {options} -o clean`" in result.err
    assert nmt("clean", path, "-o", "clean").code == 0
    assert len(Path("clean.en").read_text().splitlines()) == 60
