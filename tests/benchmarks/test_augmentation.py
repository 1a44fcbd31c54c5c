"""Back-translation is measured with the pairs of one half and the targets of the other."""

import gzip
from importlib import import_module
from pathlib import Path

from nmt.recipe.files import load_recipe


def test_the_corpus_is_divided_and_the_recipes_are_of_one_shape(tmp_path: Path) -> None:
    script = import_module("augmentation")
    corpora, work = tmp_path / "corpora", tmp_path / "work"
    work.mkdir()
    (corpora / "tatoeba").mkdir(parents=True)
    for language in script.LANGUAGES:
        for name in ("train", "valid", "test"):
            text = "".join(f"{language} {number}\n" for number in range(5)).encode()
            (corpora / "tatoeba" / f"{name}.{language}.gz").write_bytes(gzip.compress(text))
    place = script.Place(corpora, work, 70)
    script.divide(place)
    texts = {path.name: gzip.decompress(path.read_bytes()).decode() for path in work.iterdir()}
    assert texts == {
        "half.en.gz": "en 0\nen 2\nen 4\n",
        "half.de.gz": "de 0\nde 2\nde 4\n",
        "mono.de.gz": "de 1\nde 3\n",
    }
    for name in ("half", "reverse"):
        script.write_recipe(place, name, swapped=name == "reverse")
    half, reverse = (load_recipe(str(place.recipe(name))) for name in ("half", "reverse"))
    assert (half.model, half.train, half.tokenizer) == (
        reverse.model,
        reverse.train,
        reverse.tokenizer,
    )
    assert (half.train.max_updates, half.train.warmup_updates) == (70, 4)
    for ours, theirs in zip(
        (*half.data.train, *half.data.dev, *half.data.test.values()),
        (*reverse.data.train, *reverse.data.dev, *reverse.data.test.values()),
        strict=True,
    ):
        assert ours.names == theirs.names[::-1]
    assert (half.data.source_language, reverse.data.source_language) == ("en", "de")
