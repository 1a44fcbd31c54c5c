"""Recipes as files: shipped ones, extensions, and reading what was written."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DataSettings, Download, Recipe, TextFiles
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import (
    DEFAULT_RECIPE,
    load_recipe,
    parse_recipe,
    read_recipe,
    shipped_recipes,
    write_recipe,
)
from nmt.recipe.toml import to_toml
from nmt.training.updates import inverse_sqrt
from tests.conftest import Run


def test_defaults_are_the_papers_base_model() -> None:
    recipe = parse_recipe("", "empty", "nowhere")
    model, train, decode = recipe.model, recipe.train, recipe.decode
    assert (model.encoder_layers, model.decoder_layers, model.d_model, model.d_ff) == (
        6,
        6,
        512,
        2048,
    )
    assert (model.heads, model.d_k, model.d_v, model.dropout) == (8, 64, 64, 0.1)
    assert (train.warmup_updates, train.max_updates, train.label_smoothing) == (4000, 100_000, 0.1)
    assert (train.adam_beta1, train.adam_beta2, train.adam_epsilon) == (0.9, 0.98, 1e-9)
    assert (train.batch_source_tokens, train.batch_target_tokens) == (25_000, 25_000)
    assert train.average_checkpoints == 5
    assert (decode.beam_size, decode.length_penalty, decode.max_extra_tokens) == (4, 0.6, 50)
    assert recipe.tokenizer.vocab_size == 37_000


def test_every_shipped_recipe_loads_and_round_trips() -> None:
    names = shipped_recipes()
    assert {"multi30k_en_de", "wmt14_en_de_base", "wmt14_en_de_big", DEFAULT_RECIPE} <= set(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.data.train
        assert recipe.data.dev
        assert recipe.data.test
        assert parse_recipe(to_toml(recipe), "other", "nowhere") == recipe


def test_the_big_recipe_differs_from_the_base_as_in_table_3() -> None:
    base, big = load_recipe("wmt14_en_de_base"), load_recipe("wmt14_en_de_big")
    assert big.data == base.data
    assert big.tokenizer == base.tokenizer
    assert big.model == replace(base.model, d_model=1024, d_ff=4096, heads=16, dropout=0.3)


def test_the_large_batch_recipe_has_the_published_learning_rate() -> None:
    """Ott et al. (2018): 0.001 at its highest, after 4,000 updates, for the big model."""
    recipe, big = load_recipe("wmt14_en_de_big_large_batch"), load_recipe("wmt14_en_de_big")
    assert (recipe.model, recipe.data) == (big.model, big.data)
    train = recipe.train
    assert (train.warmup_updates, train.batch_target_tokens) == (4000, 400_000)
    rate = inverse_sqrt(4000, d_model=recipe.model.d_model, warmup=train.warmup_updates)
    assert train.learning_rate_scale * rate == pytest.approx(0.001, rel=1e-3)


def test_a_circle_through_links_is_found(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "a.toml").write_text('extends = "folder/a.toml"')
    with pytest.raises(NmtError, match="extends it in turn"):
        load_recipe(str(tmp_path / "a.toml"))
    (tmp_path / "b.toml").write_text('extends = "loop.toml"')
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    with pytest.raises(NmtError, match=r"cannot read the recipe .*loop\.toml: Too many levels"):
        load_recipe(str(tmp_path / "b.toml"))


def test_a_resolved_recipe_reads_no_other_file() -> None:
    """The recipe inside a model file may come from another machine."""
    with pytest.raises(NmtError, match="unknown key 'extends'"):
        parse_recipe('extends = "pocket"', "x", "a model")


def test_a_resolved_recipe_is_checked_as_a_whole() -> None:
    """A file from elsewhere may hold settings that no training accepts."""
    with pytest.raises(NmtError, match=r"^a model: recipe x: model\.positions=rotary rotates"):
        parse_recipe("[model]\npositions = 'rotary'\nd_k = 7", "x", "a model")


def test_a_recipe_with_unusual_values_round_trips() -> None:
    recipe = Recipe(
        'odd "name" é\u2003',
        data=DataSettings(
            train=(TextFiles(source="a\\b\t'", target='c"d'), TextFiles(tsv="x.tsv")),
            test={'se"t é': TextFiles(source="s", target="t", labels="l"), "": TextFiles(tsv="u")},
            downloads=(Download(url="http://x", to="y", unpack=("m/n", "o")),),
            max_ratio=1e-5 + 1,
        ),
    )
    assert parse_recipe(to_toml(recipe), "other", "nowhere") == recipe


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("multi30k_en_d", "no recipe 'multi30k_en_d'; did you mean 'multi30k_en_de'?"),
        ("zzzzzzzz", "no recipe 'zzzzzzzz'; known: "),
        ("some/where", "no recipe 'some/where'"),
        ("nofile.en", "the file nofile.en does not exist"),
        ("no\x1ffile.en", r"the file 'no\x1ffile.en' does not exist"),
        ("", "no recipe ''"),
        ("x" * 5000, f"no recipe '{'x' * 56}...; known: "),
    ],
)
def test_an_unknown_recipe_is_a_usage_error(nmt: Run, name: str, facts: str) -> None:
    result = nmt("fetch", name)
    assert result.code == 2
    assert facts in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda path: None, "the recipe {path} does not exist"),
        (Path.mkdir, "the recipe {path} is a folder, not a file"),
        (
            lambda path: path.write_bytes(b"# gr\xfc"),
            "the recipe {path} is not UTF-8 text (byte 5)",
        ),
        (lambda path: path.symlink_to(path), "cannot read the recipe {path}: Too many levels"),
        (
            lambda path: path.symlink_to("/dev/zero"),
            "the recipe {path} has more than 1,000,000 bytes; it is another file",
        ),
        (
            lambda path: path.write_text("x = 1\n" * 200_000),
            "the recipe {path} has more than 1,000,000 bytes; it is another file",
        ),
    ],
)
def test_an_unreadable_recipe_is_named(
    nmt: Run, tmp_path: Path, make: Callable[[Path], object], facts: str
) -> None:
    path = tmp_path / "my.toml"
    make(path)
    result = nmt("fetch", path)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nmt: {facts.format(path=path)}")
    assert result.err.count("\n") == 1


def test_a_recipe_is_read_from_stdin() -> None:
    program = (
        "from nmt.recipe.files import load_recipe; "
        "r = load_recipe('-'); print(r.name, r.model.heads)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        input="[model]\nheads = 3\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "stdin 3\n"


def test_a_recipe_is_read_from_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"[model]\nheads = 3\n")
    os.close(writing)
    try:
        assert load_recipe(f"/dev/fd/{reading}").model.heads == 3
    finally:
        os.close(reading)


def test_a_recipe_may_have_a_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xef\xbb\xbf[model]\r\nheads = 3\r\n")
    assert load_recipe(str(path)).model.heads == 3


def test_precedence_is_default_recipe_set_flags(nmt: Run, tiny: Path) -> None:
    """`tiny` sets max_updates to 12; seed has its default."""
    recipe = load_recipe(str(tiny))
    assert (recipe.train.max_updates, recipe.train.seed, recipe.train.patience) == (12, 1, 0)
    recipe = load_recipe(str(tiny), ["train.max_updates=3", "train.max_updates=4"])
    assert recipe.train.max_updates == 4
    options = ["--set", "train.max_updates=3", "--max-updates", "2", "--set", "train.seed=8"]
    assert nmt("train", tiny, *options).code == 0
    written = load_recipe("runs/tiny/recipe.toml")
    assert (written.train.max_updates, written.train.seed) == (2, 8)
    assert written.train.warmup_updates == 10
    assert written.decode.beam_size == 4


def test_read_recipe_checks_settings_together_only_after_all_are_set() -> None:
    with pytest.raises(NmtError, match=r"tokenizer\.joint=false"):
        read_recipe("pocket", {"tokenizer.joint": False})
    read_recipe("pocket", {"tokenizer.joint": False, "model.tied": "target"})


def test_write_recipe_writes_what_read_recipe_reads(tmp_path: Path) -> None:
    recipe = read_recipe("pocket", {"train.max_updates": 500})
    write_recipe(recipe, tmp_path / "mine.toml")
    assert read_recipe(tmp_path / "mine.toml") == recipe
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(NmtError, match="cannot write"):
        write_recipe(recipe, tmp_path / "folder.toml")


@pytest.mark.parametrize("content", [b"\x10\0\0\0{}", b"[project]\nname = 'x'\n", b"notes\n"])
def test_write_recipe_replaces_only_recipes(tmp_path: Path, content: bytes) -> None:
    recipe = read_recipe("pocket")
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a recipe, and is not replaced"):
        write_recipe(recipe, path)
    assert path.read_bytes() == content
    for old in ('extends = "pocket"\n[train]\nseed = 3\n', ""):
        path.write_text(old)
        write_recipe(recipe, path)
        assert read_recipe(path) == recipe
    for name in ("model.safetensors", "toml", "x" * 300):
        with pytest.raises(UsageError, match=r"must end in \.toml"):
            write_recipe(recipe, tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == ["a.toml"]


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"cannot write .*: File name too long"):
        write_recipe(read_recipe("pocket"), tmp_path / ("x" * 300 + ".toml"))
    with pytest.raises(UsageError, match="no name holds a null character"):
        read_recipe("a\0.toml")
    (tmp_path / "a.toml").write_text('extends = "b\\u0000.toml"\n')
    with pytest.raises(NmtError, match="no name holds a null character"):
        read_recipe(tmp_path / "a.toml")


def test_recipes_and_their_names_have_types() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"write_recipe takes a Recipe, .* not 5$"):
        write_recipe(wrong, "a.toml")
    for name in (None, b"pocket", 5):
        wrong = name
        for call in (read_recipe, lambda name: write_recipe(read_recipe("pocket"), name)):
            with pytest.raises(TypeError, match=f"named by a str or a Path, not {name!r}$"):
                call(wrong)
