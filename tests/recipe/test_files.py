"""Recipes as files: shipped ones, those that extend others, and reading what was written."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save_file

from nmt.config import DataSettings, Download, Recipe, TextFiles
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import (
    DEFAULT_RECIPE,
    load_recipe,
    name_from,
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
    assert (model.encoder_layers, model.decoder_layers) == (6, 6)
    assert (model.d_model, model.d_ff, model.dropout) == (512, 2048, 0.1)
    assert (model.heads, model.d_k, model.d_v) == (8, 64, 64)
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


def test_the_large_batch_recipe_has_the_published_learning_rate() -> None:
    """Ott et al. (2018): 0.001 at its highest, after 4,000 updates, for the big model."""
    recipe, big = load_recipe("wmt14_en_de_big_large_batch"), load_recipe("wmt14_en_de_big")
    assert (recipe.model, recipe.data) == (big.model, big.data)
    train = recipe.train
    assert (train.warmup_updates, train.batch_target_tokens) == (4000, 400_000)
    rate = inverse_sqrt(4000, d_model=recipe.model.d_model, warmup=train.warmup_updates)
    assert train.learning_rate_scale * rate == pytest.approx(0.001, rel=1e-3)


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
        ("a\0.toml", "no name holds a null character"),
    ],
)
def test_an_unknown_recipe_is_a_usage_error(name: str, facts: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_recipe(name)
    assert facts in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda path: None, "the recipe {path} does not exist"),
        (Path.mkdir, "the recipe {path} is a folder, not a file"),
        (
            lambda path: path.write_bytes(b"# gr\xfc"),
            "the recipe {path} is not UTF-8 text (byte 5)",
        ),
        (lambda path: path.symlink_to("/dev/zero"), "the recipe {path} has more than 1,000,000"),
    ],
)
def test_an_unreadable_recipe_is_named(
    tmp_path: Path, make: Callable[[Path], object], facts: str
) -> None:
    path = tmp_path / "my.toml"
    make(path)
    with pytest.raises(NmtError) as raised:
        load_recipe(str(path))
    assert str(raised.value).startswith(facts.format(path=path))


def test_a_recipe_is_read_from_stdin() -> None:
    program = (
        "from nmt.recipe.files import load_recipe; "
        "r = load_recipe('-'); print(r.name, r.model.heads)"
    )
    command = [sys.executable, "-c", program]
    given = "[model]\nheads = 3\n"
    printed = subprocess.check_output(command, input=given, text=True)
    assert printed == "stdin 3\n"


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
    options = ["--set", "train.max_updates=3", "--max-updates", "1", "--set", "train.seed=8"]
    assert nmt("train", tiny, *options).code == 0
    written = load_recipe("runs/tiny/recipe.toml")
    assert (written.train.max_updates, written.train.seed) == (1, 8)
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
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.toml"]


def test_recipes_and_their_names_have_types() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"write_recipe takes a Recipe, .* not 5$"):
        write_recipe(wrong, "a.toml")
    for name in (None, b"pocket", 5):
        wrong = name
        for call in (read_recipe, lambda name: write_recipe(read_recipe("pocket"), name)):
            with pytest.raises(TypeError, match=f"named by a str or a Path, not {name!r}$"):
                call(wrong)


def test_a_recipe_can_extend_another(tmp_path: Path) -> None:
    """Settings that are not set are inherited, the name is not; paths are relative to the file."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "one.toml").write_text(
        'extends = "multi30k_en_de"\nname = "first"\n[model]\nheads = 2\n[train]\nseed = 5\n'
    )
    (folder / "two.toml").write_text('extends = "one.toml"\n[train]\nseed = 6\n')
    base, one, two = (
        load_recipe(str(name))
        for name in ("multi30k_en_de", folder / "one.toml", folder / "two.toml")
    )
    assert (one.name, two.name) == ("first", "two")
    assert (one.model.heads, one.train.seed, two.model.heads, two.train.seed) == (2, 5, 2, 6)
    assert two.model == replace(base.model, heads=2)
    assert two.train == replace(base.train, seed=6)
    assert two.data == base.data
    assert parse_recipe(to_toml(two), "other", "nowhere") == two


@pytest.mark.parametrize("setting", ["max_update = 5\n", "seed = 'x'\n"])
def test_an_error_names_the_recipe_in_which_it_is(tmp_path: Path, setting: str) -> None:
    """A bad value that is replaced does no harm."""
    (tmp_path / "base.toml").write_text(f"[train]\nmax_updates = 0\n{setting}")
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[train]\nmax_updates = 5\n')
    with pytest.raises(NmtError, match=r"base\.toml: ") as raised:
        load_recipe(str(tmp_path / "mine.toml"))
    assert "mine.toml" not in str(raised.value)
    (tmp_path / "base.toml").write_text("[train]\nmax_updates = 0\n")
    assert load_recipe(str(tmp_path / "mine.toml")).train.max_updates == 5


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ('"pockett"', "a.toml extends 'pockett': no recipe 'pockett'; did you mean 'pocket'?"),
        ('"b.toml"', "b.toml extends 'a.toml', which extends it in turn"),
        ('"folder/a.toml"', "extends it in turn"),
        ('"loop.toml"', "cannot read the recipe {tmp}/loop.toml: Too many levels"),
        ('"none.toml"', "a.toml extends 'none.toml', but {tmp}/none.toml does not exist"),
        ('"b\\u0000.toml"', "no name holds a null character"),
        ("3", "extends is 3 but must name a recipe"),
        ('""', "extends is '' but must name a recipe"),
        (
            '"none.safetensors"',
            "a.toml extends 'none.safetensors', but {tmp}/none.safetensors does",
        ),
        ('"no.safetensors"', "{tmp}/no.safetensors is not an intact model file"),
        ('"foreign.safetensors"', "of this program, because it holds no recipe"),
        ('"syntax.safetensors"', "recipe inside {tmp}/syntax.safetensors is not valid TOML"),
        ('"more.safetensors"', "the recipe inside {tmp}/more.safetensors extends another"),
    ],
)
def test_a_recipe_that_cannot_be_extended_is_named(tmp_path: Path, text: str, facts: str) -> None:
    (tmp_path / "a.toml").write_text(f"extends = {text}")
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    (tmp_path / "no.safetensors").write_text("[train]\nseed = 1\n")
    save_file({"x": numpy.zeros(1, numpy.float32)}, tmp_path / "foreign.safetensors")
    write_model(tmp_path / "syntax.safetensors", "[model")
    write_model(tmp_path / "more.safetensors", 'extends = "b.toml"')
    with pytest.raises(NmtError) as raised:
        load_recipe(str(tmp_path / "a.toml"))
    assert facts.format(tmp=tmp_path) in str(raised.value)


def test_recipes_extend_each_other_twenty_deep_and_no_deeper(tmp_path: Path) -> None:
    """A chain of 1,500 was followed until Python's recursion ended it with a traceback."""
    for number in range(1500):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"\n')
    (tmp_path / "20.toml").write_text("[model]\nheads = 3\n")
    assert load_recipe(str(tmp_path / "1.toml")).model.heads == 3
    for first in (0, 21):
        with pytest.raises(NmtError, match="may extend each other at most 20 deep"):
            load_recipe(str(tmp_path / f"{first}.toml"))


def write_model(path: Path, recipe: str) -> Path:
    save_file({"x": numpy.zeros(1, numpy.float32)}, path, {"recipe": recipe})
    return path


def test_the_recipe_inside_a_model_is_extended(tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "{tiny_run / "model.safetensors"}"\n[train]\nmax_updates = 7\n')
    found, base = load_recipe(str(path)), load_recipe(str(tiny_run / "recipe.toml"))
    assert (found.model, found.tokenizer, found.data) == (base.model, base.tokenizer, base.data)
    assert (found.name, found.train.max_updates) == ("mine", 7)


def test_the_model_that_a_model_started_from_is_not_taken_over(tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", '[train]\ninit_from = "old.safetensors"\nseed = 5\n')
    (tmp_path / "a.toml").write_text('extends = "m.safetensors"\n')
    train = load_recipe(str(tmp_path / "a.toml")).train
    assert (train.init_from, train.seed) == ("", 5)


def test_a_recipe_names_the_model_from_its_own_folder() -> None:
    for model, output, link in (
        ("m.safetensors", "a.toml", "m.safetensors"),
        ("m.safetensors", "sub/a.toml", "../m.safetensors"),
        ("sub/m.safetensors", "sub/a.toml", "m.safetensors"),
        ("/models/m.safetensors", "sub/a.toml", "/models/m.safetensors"),
    ):
        assert name_from(Path(model), Path(output).parent) == link
