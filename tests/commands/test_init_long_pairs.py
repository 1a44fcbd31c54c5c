"""`nmt init` with pairs of long segments, which a training would drop."""

from pathlib import Path

from nmt.recipe.files import load_recipe
from tests.conftest import Run
from tests.corpora.corpora import corpus, write


def paragraphs(sentences: int, pairs: int) -> list[tuple[str, str]]:
    """Return pairs of so many sentences on each side."""
    rows = corpus(sentences * pairs)
    parts = [rows[first : first + sentences] for first in range(0, len(rows), sentences)]
    return [(" ".join(s for s, _ in part), " ".join(t for _, t in part)) for part in parts]


def test_most_long_pairs_are_kept(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, paragraphs(sentences=60, pairs=20))
    result = nmt("init", *files)
    assert result.code == 0
    assert "pairs have a side of more than 250 tokens, so data.max_length is" in result.err
    recipe = load_recipe("mine.toml")
    assert 250 < recipe.data.max_length == recipe.decode.max_segment_tokens <= 1000
    prepared = nmt("prepare", "mine.toml")
    assert prepared.code == 0
    assert "18 pairs kept" in prepared.err


def test_segments_of_a_few_sentences_change_nothing(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, paragraphs(sentences=8, pairs=20))
    assert all(len(side) > 250 for side in paragraphs(sentences=8, pairs=1)[0])
    assert nmt("init", *files).code == 0
    assert "max_length" not in Path("mine.toml").read_text(encoding="utf-8")
