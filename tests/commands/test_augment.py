"""`nmt augment`: pairs made by models, the recipe that trains with them, and what continues."""

import gzip
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora.augment import Made, made_pairs
from nmt.decoding.files.resumable import Resumption
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.subwords.tokenizer import load_tokenizer
from tests.commands.conftest import contents, in_languages, json_of, leftovers, translate
from tests.conftest import WORDS, Run

LINES = 200  # several chunks: 32, 128 and 41 lines


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    """Return a text of many lines, some of which are blank or not UTF-8."""
    draw = random.Random(3)
    lines = [" ".join(draw.choices(WORDS, k=draw.randint(1, 5))) for _ in range(LINES)]
    lines[4], lines[90], lines[91] = "", " \t", lines[0]
    path = tmp_path / "mono.de"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode() + b"\xff\xfe sun\n")
    return path


def augment(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Run the command, which must succeed, and return its report."""
    report: dict[str, Any] = json_of(nmt, "augment", *arguments)
    made = report["given"] + sum(model["kept"] for model in report["models"])
    texts = len(report["models"]) + (report["method"] == "diversification")
    assert made + sum(report["removed"].values()) == texts * report["lines"]
    return report


@pytest.fixture
def forward(skilled_run: Path, tmp_path: Path) -> Path:
    """Return a model that translates en to de."""
    return in_languages(skilled_run, tmp_path / "forward.safetensors", "en", "de")


def pairs(prefix: Path) -> list[tuple[str, str]]:
    sides = [Path(f"{prefix}.{side}").read_text("utf-8").splitlines() for side in ("en", "de")]
    return [*zip(*sides, strict=True)]


def rejected(prefix: Path) -> list[list[str]]:
    first, *rows = Path(f"{prefix}.rejected.tsv").read_text("utf-8").splitlines()
    assert first.split("\t") == ["line", "model", "reason", "detail", "source", "target"]
    return [row.split("\t") for row in rows]


@pytest.mark.parametrize("method", ["back-translation", "self-training"])
def test_pairs_are_the_text_and_its_translations(
    nmt: Run, method: str, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    report = augment(nmt, method, mono, "--model", reverse, "-o", tmp_path / "out")
    whole = mono.read_bytes()
    mono.write_bytes(whole[: whole.index(b"\xff")])
    lines = mono.read_text().splitlines()
    outputs = translate(nmt, reverse, mono).out.splitlines()
    swapped = method == "back-translation"
    expected = [pair[::-1] if swapped else pair for pair in zip(lines, outputs, strict=True)]
    bad = rejected(tmp_path / "out")
    indices = {int(row[0]) - 1 for row in bad}
    kept = [pair for index, pair in enumerate(expected) if index not in indices]
    endings = ["en", "de"] if swapped else ["de", "en"]
    sides = [Path(f"{tmp_path}/out.{ending}").read_text().splitlines() for ending in endings]
    assert [*zip(*sides, strict=True)] == kept
    assert report["removed"] == Counter(row[2] for row in bad)
    reasons = {int(row[0]): row[2] for row in bad}
    assert (reasons[5], reasons[91], reasons[92]) == ("empty", "empty", "duplicates")
    assert reasons[LINES + 1] == "unreadable"
    assert all(row[1] == "1" and row[3] for row in bad)
    assert leftovers(tmp_path) == []


def test_diversification_keeps_the_pairs_and_adds_each_models(
    nmt: Run, forward: Path, reverse: Path, tiny: Path, tmp_path: Path
) -> None:
    """The second forward model is a copy of the first, so that all of its pairs are repeats."""
    again = shutil.copy(forward, tmp_path / "again.safetensors")
    texts = ["dev.src", "dev.tgt"]
    given = [*zip(*(Path(text).read_text().splitlines() for text in texts), strict=True)]
    options = ["--model", forward, "--model", again, "--reverse-model", reverse]
    report = augment(nmt, "diversification", *texts, *options, "-o", tmp_path / "out")
    found = pairs(tmp_path / "out")
    assert len(found) == len({*found})
    assert found[: report["given"]] == [*dict.fromkeys(given)]
    first, second, backward = (model["kept"] for model in report["models"])
    middle = found[report["given"] :]
    assert (second, len(middle)) == (0, first + backward)
    sources, targets = zip(*given, strict=True)
    assert {source for source, _ in middle[:first]} <= {*sources}
    assert {target for _, target in middle[first:]} <= {*targets}


def test_packed_text_makes_packed_pairs_and_may_be_a_tsv_file(
    nmt: Run, forward: Path, tmp_path: Path
) -> None:
    """Nothing is written if no translation is good."""
    text = tmp_path / "pairs.en-de.tsv.gz"
    text.write_bytes(gzip.compress(b"sun moon\tMOON SUN\tmore\nno tab\nstar\t\n"))
    report = augment(nmt, "diversification", text, "--model", forward, "-o", tmp_path / "new")
    assert (report["lines"], report["given"]) == (3, 1)
    assert gzip.decompress((tmp_path / "new.de.gz").read_bytes()).startswith(b"MOON SUN\n")
    assert {row[0] for row in rejected(tmp_path / "new") if row[2] == "unreadable"} == {"2"}
    (tmp_path / "blank.en").write_text("\n \n")
    out = ["--model", forward, "-o", f"{tmp_path}/no/"]
    result = nmt("augment", "self-training", tmp_path / "blank.en", *out)
    assert result.code == 1
    assert result.err.endswith("most are left out for empty: lines with an empty side\n")
    assert [*(tmp_path / "no").iterdir()] == []


def test_the_recipe_trains_as_it_is_with_the_tag(
    nmt: Run, tiny: Path, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "more").symlink_to("real/deep")  # `..` leads to another folder than its name says
    new = tmp_path / "more" / "tagged.toml"
    made = augment(
        nmt,
        *("back-translation", mono, "--model", reverse, "-o", f"{tmp_path}/bt/"),
        *("--recipe", tiny, "--write-recipe", new),
    )
    assert made["tag"] == "<BT>"
    dev = {*f"{Path('dev.src').read_text()}{Path('dev.tgt').read_text()}".casefold().splitlines()}
    assert dev.isdisjoint(Path("bt/de").read_text().casefold().splitlines())
    assert made["removed"]["held_out"] > 0
    base, recipe = load_recipe(str(tiny)), load_recipe(str(new))
    assert recipe.data.train[:-1] == base.data.train
    assert recipe.data.train[-1].names == ("bt/en", "bt/de")
    assert (recipe.data.train[-1].tag, recipe.train) == ("<BT>", base.train)
    result = nmt("train", new, "--max-updates", 1)
    assert f"with the tag <BT>: {made['models'][0]['kept']} pairs kept" in result.err
    assert load_tokenizer(RunFolder(Path("runs/tagged")).tokenizer).source.tag_id("<BT>")


def test_diversified_text_takes_the_place_of_the_text(
    nmt: Run, tiny: Path, forward: Path, tmp_path: Path
) -> None:
    """Lines of the dev set, and of every reference of a test set, are left out."""
    dev = Path("dev.src").read_text("utf-8").splitlines()
    for name, first, second in (
        ("train.src", f"{dev[0].upper()}!", "sun nobody"),
        ("train.tgt", "SUN SUN SUN", "NEVER SEEN"),
    ):
        with Path(name).open("a") as stream:
            stream.write(f"{first}\n{second}\n")
    for name, line in (("second.tgt", "never, seen"), ("one.src", "hail"), ("one.tgt", "HAIL")):
        Path(name).write_text(f"{line}\n")
    one = 'test.one = { source = "one.src", target = "one.tgt", references = ["second.tgt"] }'
    tiny.write_text(tiny.read_text().replace("test.tiny =", f"{one}\ntest.tiny ="))
    options = ["--model", forward, "-o", tmp_path / "more", "--recipe", tiny]
    new = tmp_path / "new.toml"
    augment(nmt, "diversification", "train.src", "train.tgt", *options, "--write-recipe", new)
    (corpus,) = load_recipe(str(new)).data.train
    assert (corpus.names, corpus.tag) == (("more.en", "more.de"), "")
    given = {int(row[0]): row[2] for row in rejected(tmp_path / "more") if row[1] == "0"}
    assert given[121] == given[122] == "held_out"


def test_a_text_that_changes_meanwhile_makes_no_pairs(
    nmt: Run, reverse: Path, mono: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(*arguments: Any) -> Iterator[Made]:
        mono.write_bytes(mono.read_bytes()[5:])
        yield from made_pairs(*arguments)

    monkeypatch.setattr("nmt.corpora.augment.made_pairs", changing)
    result = nmt("augment", "back-translation", mono, "--model", reverse, "-o", tmp_path / "out")
    assert result.code == 2
    assert f"{mono} was changed while `nmt augment` ran" in result.err
    assert not [*tmp_path.glob("out.[edr]*")]


def test_what_does_not_fit_is_one_sentence(
    nmt: Run, tiny: Path, forward: Path, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    """A model of another language than the name of the text says is only noted."""
    out = ("-o", tmp_path / "out")
    model = ("--model", reverse)
    back, train = ("back-translation", mono, *out), ("self-training", mono, *out)
    new = ("--write-recipe", tmp_path / "new.toml")
    (tmp_path / "taken.toml").write_text("not a recipe")
    (tmp_path / "held.toml").write_text(
        f'extends = "{tiny}"\n[data]\ndev = [{{source = "held.en", target = "held.de"}}]\n'
    )
    for name in ("held.en", "held.de"):
        (tmp_path / name).write_text("mine\n")
    held = ("--recipe", tmp_path / "held.toml", *new, "--data-dir", tmp_path)
    recipe = (*back, *model, "--recipe", tiny)
    for arguments, reason in (
        (back, "name one with --model"),
        ((*train, mono, *model), "takes one text"),
        (("diversification", mono, mono, *out), "no model is given"),
        ((*back, *model, "--recipe", tiny), "need each other"),
        ((*back, *model, "--tag", "<X>"), "add --recipe and --write-recipe"),
        (("back-translation", mono, *model, *held, "-o", tmp_path / "held"), "held.en is an input"),
        ((*back, "--model", forward), "so back-translation needs a model that reads de"),
        ((*train, *model, "--model", forward), "one makes pairs de to en, the other en to de"),
        ((*recipe, "--write-recipe", tmp_path / "taken.toml"), "taken.toml"),
        ((*train, *model, "--recipe", tiny, *new), "but the new pairs are de to en"),
    ):
        result = nmt("augment", *arguments)
        assert (result.code in (1, 2), reason in result.err) == (True, True), arguments
    assert (tmp_path / "held.en").read_text() == "mine\n"
    assert leftovers(tmp_path) == []
    french = mono.rename(tmp_path / "mono.fr")
    result = nmt("augment", "back-translation", french, *model, *out)
    assert "mono.fr is fr by its name, but the model reads de" in result.err


class KilledError(BaseException):
    """Stands for SIGKILL."""


def stop_after(
    nmt: Run, patch: pytest.MonkeyPatch, chunks: int, arguments: tuple[object, ...]
) -> None:
    """Run the command until it has written so many chunks, but not the record of the last."""
    save, left = Resumption.save, [chunks]

    def stopping(self: Resumption, done: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KilledError
        save(self, done)

    with patch.context() as context:
        context.setattr(Resumption, "save", stopping)
        with pytest.raises(KilledError):
            nmt("augment", *arguments)


def test_the_same_command_continues_to_the_same_bytes(
    nmt: Run, reverse: Path, mono: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = shutil.copy(reverse, tmp_path / "second.safetensors")
    job = ("back-translation", mono, "--model", reverse, "--model", second, "--sample")
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    augment(nmt, *job, "-o", tmp_path / "whole" / "out")
    stopped = (*job, "-o", tmp_path / "stopped" / "out")
    for chunks in (2, 1, 3):  # each start continues the one before; the last is in the second pass
        stop_after(nmt, monkeypatch, chunks, stopped)
        assert {*leftovers(tmp_path / "stopped")} == {
            "out.translations.jsonl.partial",
            "out.translations.jsonl.partial.json",
        }
    augment(nmt, *stopped)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_another_text_or_setting_is_not_continued(
    nmt: Run, reverse: Path, mono: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ("back-translation", mono, "--model", reverse, "-o", tmp_path / "out")
    stop_after(nmt, monkeypatch, 2, job)
    before = mono.read_bytes()
    for arguments, text, reason in (
        ((*job, "--beam-size", 2), before, "another model or other options"),
        (job, before.replace(b"sun", b"moon", 1), "no longer those of the source"),
    ):
        mono.write_bytes(text)
        result = nmt("augment", *arguments)
        assert (result.code, reason in result.err.splitlines()[-1]) == (2, True)
        assert "are kept in" not in result.err  # the same command would not continue
    mono.write_bytes(before)
    augment(nmt, *job, "--batch-tokens", 600)
