"""What scripts compute before they measure: damage, error rates, mutants, masks."""

import ast
import random
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.corpora.corpora import corpus, write


def test_the_alignment_error_rate_by_hand() -> None:
    """2 of 4 links are sure and 1 more is possible; 1 of 3 sure ones is missing."""
    script = import_module("alignment")
    gold = script.Gold([1], [{(0, 0), (1, 1), (2, 2)}], [{(0, 0), (1, 1), (2, 2), (2, 3)}])
    found = script.quality([{(0, 0), (1, 1), (2, 3), (5, 5)}], gold)
    assert found.error_rate == pytest.approx(1 - (2 + 3) / (4 + 3))
    assert (found.precision, found.recall) == (pytest.approx(3 / 4), pytest.approx(2 / 3))
    assert script.quality(gold.possible, gold).error_rate == 0  # possible links are allowed
    made = script.read_gold(script.GOLD)
    assert made.lines == [*range(1, 46)]
    links = zip(made.sure, made.possible, strict=True)
    assert all(sure and sure <= possible for sure, possible in links)


def test_damage_is_found_and_cleaned(tmp_path: Path) -> None:
    pytest.importorskip("ftfy")
    script = import_module("corpus_damage")
    pairs = [(source, f"{target} \u00e4") for source, target in corpus(1500)]
    (tmp_path / "multi30k").mkdir()
    for name, content in (("train", pairs), ("val", pairs[:100])):
        write(tmp_path / "multi30k", content, name)
    content, where = script.damaged(pairs, random.Random(1))
    places = [place for fault in where.values() for place in fault]
    assert len(places) == len({*places}) == 15 * len(script.DAMAGES)  # lines of their own
    changed = [place for place in range(len(pairs)) if content[place] != pairs[place]]
    assert changed == sorted(places)
    found = {cell.row: cell for cell in script.measure_check(tmp_path, "Multi30k", 1)}
    assert found["found: target empty"].value == found["found: another pair repeated"].value == 100
    assert found["clean pairs: any fault"].value == 0
    assert found["slips named in the clean corpus"].value == 0
    assert found["slips named within 20 lines, of 10"].value >= 9
    left = {cell.row: cell for cell in script.measure_cleaning(tmp_path, "Multi30k", 1)}
    assert left["zero-width space U+200B"].detail == "100 repaired"
    assert left["another pair repeated in capitals"].value == 100
    assert left["clean pairs that are removed"].value == 0


def test_each_mutant_changes_one_place(tmp_path: Path) -> None:
    script = import_module("mutations")
    source = 'a = b if c < 3 and "ä" + d else f"{1 + 2}"\n'
    (tmp_path / "code.py").write_text(source, encoding="utf-8")
    changed = [mutant.apply(source) for mutant in script.mutants(tmp_path, tmp_path / "code.py")]
    assert {ast.unparse(ast.parse(text)) for text in changed} == {
        "a = f'{1 + 2}' if c < 3 and 'ä' + d else b",
        "a = b if c < 3 or 'ä' + d else f'{1 + 2}'",
        "a = b if c <= 3 and 'ä' + d else f'{1 + 2}'",
        "a = b if c < 4 and 'ä' + d else f'{1 + 2}'",
    }


def test_what_is_volatile_is_masked_in_what_two_checkouts_write() -> None:
    script = import_module("two_checkouts")
    checkout = script.Checkout(Path("/code/old"), Path("/tmp/a/one"))  # noqa: S108
    text = (
        b"/tmp/a/two/x.src of /code/old, 2026-11-29 14:42:05: loss 3.1, 1,200 tokens/s, 0:00:09;"
        b' "seconds": 0.25, "loss": 2.5, "updates": 12'
    )
    masked = b'FOLDER/x.src of ROOT,#: loss 3.1,#,#; #, "loss": 2.5, "updates": 12'
    assert checkout.mask(text) == masked
    for kept in (b"00:00:01,000 --> 00:00:03,500", b"\xff 12 s"):
        assert checkout.mask(kept) == kept


def test_the_cost_of_layers() -> None:
    """Steps are counted, exponents fitted, and blocks see what a mask of blocks lets them see."""
    script = import_module("layers")
    steps = {
        name: [script.count_sequential(make(64), n) for n in (16, 64)]
        for name, (_, make) in script.LAYERS.items()
    }
    assert steps == {
        "self-attention": [4, 4],  # projections, scores, weighted sums, projection
        "encoder layer": [6, 6],
        "LSTM": [16, 64],
        "restricted, r = 16": [4, 4],
    }
    cells = {(n, d): [3e-9 * n**2 * d] * 3 for n in script.LENGTHS for d in script.WIDTHS}
    found = [script.fit_exponent(cells, *place)[0] for place in script.FITS.values()]
    assert found == [2, 1, 1]
    restricted, x = script.RestrictedAttention(script.settings(64)), torch.randn(2, 80, 64)
    restricted.reset_parameters()
    block = torch.arange(80) // script.WINDOW
    apart = (block[:, None] - block) % 5
    mask = torch.zeros(80, 80).masked_fill((apart == 2) | (apart == 3), -torch.inf)
    expected = script.MultiHeadAttention.forward(restricted, x, mask)
    torch.testing.assert_close(restricted(x), expected)
    # Queries, keys, values, scaled queries, what the heads give; and weights (B, h, n, n).
    kept = script.kept_megabytes(script.MultiHeadAttention(script.settings(64)), x.requires_grad_())
    assert kept == 4 * (5 * 2 * 80 * 64 + 2 * 80 * 80) / 1e6
