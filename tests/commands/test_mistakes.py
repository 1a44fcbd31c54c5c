"""Each mistake on a command line is one sentence, found before any work; nothing is written.

What a command refuses because of the content of a model or a text is in the tests of the command.
"""

import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import REFERENCES, contents, give_stdin, write
from tests.conftest import Run
from tests.corpora.corpora import corpus
from tests.corpora.corpora import write as write_pairs

# A command line with its spaces, and a part of the message. {run} is a run folder.
USAGE = {
    "bogus": "no command 'bogus'",
    "average": "Missing argument 'RUN'",
    "average runs/x --last 2 --updates 3": "--updates",
    # ablate
    "ablate tiny.toml --dry-run": "nothing varies",
    "ablate tiny.toml --dry-run --vary model.d_ff=64 --device nonsense": "is not on this machine",
    "ablate tiny.toml --dry-run --vary model.d_ff=64 --output ref/x": "cannot be written",
    "ablate tiny.toml --dry-run --vary model.d_ff=64 --output taken": "is not a run folder",
    # check
    "check pokcet": "pocket",
    "check pocket --limit max_deviaton=2": "max_deviation",
    "check pocket --limit max_deviation=0": "at least 1",
    "check pocket --limit sample_pairs=1.5": "must be a whole number",
    "check pocket --limit least_letters=0": "it is for a filter of `nmt clean --also`",
    "check pocket --dev a.en a.de": "leave out --dev",
    "check pocket --write-recipe x.toml": "pocket is a recipe already",
    "check c.en c.de --write-recipe x.txt": "--write-recipe x.txt must end in .toml",
    "check c.en c.de --write-recipe tiny.toml": "name another recipe with --write-recipe",
    "check c.x1 c.x2 --write-recipe x.toml": "codes of two languages",
    "check c.en c.de --write-recipe x.toml --html x.toml": "are the same file",
    # clean
    "clean c.en c.de -o out --only copeid": "copied",
    "clean c.en c.de -o out --without empty": "always removed",
    "clean c.en c.de -o out --limit slip_evidence=3": "no effect here: it is for `nmt check`",
    "clean c.en c.de -o out --limit most_word_characters=3": "the filter long_word is off",
    "clean c.en c.de -o out --only copied --limit max_deviation=3": "filter length_ratio is off",
    "clean c.en c.de -o out --only duplicates --without copied": "--only leaves it out already",
    "clean c.en c.de -o out --without numbers": "this filter is off unless --also adds it",
    "clean c.en c.de -o out --also numbers --without numbers": "--also names it",
    "clean c.en c.de -o out --also copied": "this filter is on already",
    "clean c.en c.de -o .": ". is a folder; add a slash",  # the files would be hidden
    "clean c.en c.de -o out --keep-share 0.5": "need --model and --reverse-model",
    "clean c.en c.de -o out --model x --reverse-model y": "--keep-share 0.8",
    "clean c.en c.de -o out --keep-share nan": "'nan' is not a number",
    # evaluate
    "evaluate --language-pair en-de": "--language-pair needs --test-set",
    "evaluate a b --test-set wmt14": "do not name SOURCE and REFERENCE",
    "evaluate --target-language fr": "need --hypotheses",
    "evaluate --hypotheses ref c.en c.de": "not in the language of the other references",
    "evaluate c.de c.en --model {run}": "are exchanged: the model translates en to de",
    "evaluate --hypotheses ref ref --compare {run}": "needs sources to translate",
    "evaluate --hypotheses ref ref --model {run}": "leave out --model",
    "evaluate --hypotheses ref ref --device cpu": "--device needs a model",
    "evaluate --hypotheses ref ref --data-dir .": "--data-dir is the folder of the recipe",
    "evaluate --test-set wmt14 --data-dir .": "--data-dir is the folder of the recipe",
    "evaluate --hypotheses - /dev/stdin": "stdin (-) is named twice",
    "evaluate --hypotheses ref ref --card card.txt": "must end in .json or .md",
    # explain and inspect
    "explain c.en": "takes a sentence, but c.en is a file",
    "explain --compare a": "requires 2 arguments",
    "explain --compare {run} {run} {run} sun": "put the sentence in quotes",
    "explain --compare {run} {run} --model {run} sun": "leave out --model",
    "explain --model {run} --model {run} sun": "name two with --compare MODEL MODEL",
    "explain --output - sun": "stdout",
    "explain --model {run} --data-dir . --output dev.tgt": "is an input of this command",
    "explain --model {run} --data-dir . --output dev.tgt sun": "is an input of this command",
    "inspect pocket --heads": "pocket is a recipe; name a model",
    "inspect pocket --data-dir .": "--data-dir is read with --heads only",
    "inspect {run} --set model.heads=4": "[decode]",
    # fetch
    "fetch opus-mt-ende": "no recipe or model 'opus-mt-ende'; did you mean 'opus-mt-en-de",
    "fetch opus-mt-en-..": "no recipe or model",
    "fetch Helsinki-NLP/../opus-mt-en-de": "no recipe or model",
    f"fetch opus-mt-en-{100 * 'e'}": "no recipe or model",
    "fetch opus-mt-a-b --set train.seed=1": "--set changes settings of a recipe",
    "fetch pocket --revision x": "--revision is for models",
    "fetch pocket --hub http://x": "--hub is for models",
    "fetch opus-mt-a-b --hub ftp://x": "is not an http(s) address",
    "fetch opus-mt-a-b --hub http://127.0.0.1:1 --revision ": "is not a commit, a branch or a tag",
    "fetch opus-mt-a-b --hub http://127.0.0.1:1 --revision a/../b": "is not a commit, a branch",
    "fetch opus-mt-a-b --hub http://127.0.0.1:1 --revision /etc": "is not a commit, a branch",
    "fetch opus-mt-a-b --hub http://127.0.0.1:1 --revision a?b": "is not a commit, a branch",
    # init
    "init - c.de": "the text is read twice, so it cannot be stdin",
    "init c.en /dev/null": "is not a file",
    "init c.en c.de -o a\nb.toml": "cannot name a recipe",
    "init c.en c.de --data-dir c.en/x": "--data-dir 'c.en/x/mine/train.en' cannot be",
    "init c.en c.de --target-language german": "is not an ISO 639 code",
    "init c.en c.de c.en": "has no partner: give text as SOURCE TARGET SOURCE TARGET",
    "init c.en c.de c.de c.en": "is given twice, as c.en + c.de before; leave one out; --both-dir",
    "init c.en c.de c.en c.de --source-language en,eng": "en and eng are one language; name it by",
    "init c.en c.de c.en c.de --target-language de,fr,it": "has 3 codes, but there are 2 texts",
    "init c.en c.de c.en c.de --target-language de,fr --dev c.en c.de": "are for one corpus",
    "init c.en c.de --target-language en --both-directions": "c.en + c.de has one language; leave",
    "init c.en c.de --init-from old.bin": "must end in .safetensors",
    # report and rerank
    "report a b c d e f g": "name at most 6",
    "report {run} {run}/../tiny": "name each run once",
    "rerank - --source in.src": "name a --model or a --reverse-model",
    "rerank - --source in.src --model {run} --tune in.src": "--tune needs --weights",
    "rerank - --source in.src --model {run} --metric chrf": "--metric and --seed need --tune",
    "rerank - --source in.src --model {run} --tune - --weights w.json": "stdin (-) is named twice",
    "rerank - --source in.src --model {run} --output in.src": "is an input of this command",
    "rerank in.src --source in.src --model {run} --set decode.beam_size=2": "has no effect here",
    # scale and score
    "scale tiny.toml --dry-run --sizes a": "--sizes takes numbers",
    "scale tiny.toml --dry-run --sizes=": "--sizes takes numbers",
    "scale tiny.toml --dry-run --seeds=": "--seeds takes numbers",
    "scale tiny.toml --dry-run --sizes 9": "a size is a multiple of 4",
    "scale tiny.toml --dry-run --check 0": "a size is a multiple of 4",
    "scale tiny.toml --dry-run --shares 1/0": "--shares takes numbers",
    "scale tiny.toml --dry-run --shares 0": "train.share",
    "score in.src in.src --columns 1,2": "--columns is for one file with columns",
    "score in.src --columns 1": "'1' is not two numbers of columns, such as 1,2",
    "score - -": "stdin (-) is named twice",
    "score in.src in.src --model {run} --set decode.beam_size=2": "has no effect here",
    "score in.src in.src --output in.src": "in.src is an input of this command",
    # serve
    "serve --port 0 --model {run} --set train.seed=1": "cannot change train.seed",
    "serve --port 0 --model {run} --device cuda:99": "cuda:99",
    "serve --port 0 --processes 1 --model {run} --model {run}/best.safetensors": "both for en-de",
    # split
    "split c.en c.de -o ": "-o",
    "split c.en c.de -o m/ --dev -1": "--dev",
    # train
    "train pocket pocket": "but 2 names were given, and there are no files pocket",
    "train c.en c.en": "is given as source and as target",
    "train mine.toml c.de": "mine.toml is a recipe by its name",
    "train pocket --source-language en": "are for SOURCE and TARGET",
    "train c.en c.de --run c.en": "is a file; name a folder",
    "train c.x1 c.x2": "--target-language",
    "train c.x1": "must be a recipe, and `nmt init SOURCE TARGET` writes one for two text files",
    "train runs/none": "there is no run folder runs/none",
    "train best.safetensors": "best.safetensors is a model, not a recipe",
    "train tiny.toml --run /": "has no name",
    # translate: settings of the search
    "translate in.src --model {run} --min-length 5 --max-length 4": "lower decode.min_length",
    "translate in.src --model {run} --device cuda:99": "device 'cuda:99' ",
    "translate in.src --model {run} --sample --beam-size 4": "leave out --beam-size",
    "translate in.src --model {run} --top-k 5": "(decode.top_k) is for samples; add --sample",
    "translate in.src --model {run} --candidates 5": "is for minimum Bayes risk; add --mbr chrf",
    # translate: inputs and outputs
    "translate in.src --output-format text --n-best 2": "--output-format text holds one transl",
    "translate in.src --prefix in.src --prefix-column": "use one",
    "translate in.src --prefix - --glossary -": "stdin (-) is named twice",
    "translate in.src --flags mine.jsonl": "--flags mine.jsonl is a model",
    "translate in.src --flags terms --glossary terms": "--flags terms is an input of this command",
    "translate in.src --flags out --output out": "are the same file, out; name two",
    "translate in.src --output out.GZ": "--output out.GZ would not be compressed; leave out .GZ",
    "translate in.src --alignments old.safetensors": "is a model; name another file, or move it",
    "translate in.src --flags f --output out --resume": "use --part",
    "translate in.src --alignments a --output out --resume": "--resume keeps unfinished",
    "translate in.src --alignments a --output out --keep-partial": "--keep-partial keeps",
    "translate in.src --resume": "--resume needs --output",
    "translate in.src --resume --output /dev/null": "is not a regular file",
    "translate in.src --resume --keep-partial --output out": "--keep-partial has no effect",
    "translate - --part 1/2": "save it in a file",
    "translate --interactive": "--interactive needs a terminal",
    "translate in.src --model {run} --prefix dev.src --output out": "there is a prefix but no text",
    "translate terms --model {run} --prefix in.src --output out": "has more lines than the source",
    # translate: files with a format
    "translate ": "the name is empty; name a path",
    "translate  --output-dir x": "the name is empty",
    "translate docs": "is a folder; add --output-dir",
    "translate docs/a.txt docs/more/b.txt": "2 files need --output-dir",
    "translate --output-dir x": "--output-dir needs files",
    "translate docs/*.md --output-dir x": "no file matches the pattern",
    "translate docs --output o --output-dir x": "use one of them",
    "translate docs --output-dir docs": "sources are never overwritten",
    "translate docs --output-dir x --flags x/a.txt": "--flags x/a.txt is written for --output-dir",
    "translate docs/a.txt --format text --n-best 2": "--n-best is for plain lines",
    "translate in.src --format lines --output-dir x --to-column 1": "give one file and --output",
    "translate docs/a.txt --format text --columns 1": "--columns is for tables",
    "translate docs/a.txt --memory m.tmx": "--memory is for files with a format",
    "translate docs/a.txt --format text --include *": "--include is for folders",
    "translate docs/a.txt --flags -": "--flags writes a file and cannot write to stdout",
    "translate docs/a.txt --format nothing": "there is no format 'nothing'",
    "translate page.html --output b.php": "is a file of the format",
    "translate a.xlsx": ".xlsx files are not supported; save it as .csv",
    "translate page.php": "--format html",
    "translate page.html.gz": "page.html.gz is packed, and of packed files only plain lines are",
    "translate docs.tar.xz": "unpack it, and translate what is in it",
}
# Likewise, for what is missing or bad.
INPUT = {
    "evaluate --hypotheses ref ref c.en": "ref ends after line 3 while c.en goes on",
    "ablate tiny.toml --dry-run --vary model.d_ff=64 --data-dir no": "base, seed 1: no/train.src",
    "ablate tiny.toml --dry-run --vary model.d_ff=64 --set train.init_from=ref": "ref",
    "explain \n": "takes one sentence",
    "explain a\nb": "2 lines",
    "explain \udcff": "not UTF-8",
    "explain --compare {run} sun": "the model sun does not exist; name another with --compare",
    "init c.en": "c.en, line 1: no tab between source and target",
    "init c.en c.de --init-from c.en": "c.en is not an intact model file",
    "report": "`nmt train`",
    "score in.src terms --output out --model {run}": "but terms has 1: terms ends after line 1",
    "serve --port 0 --model {run} --api-keys none": "the file of API keys none does not exist",
    "train tiny.toml --run ref/run": "cannot write into ref/run: ",
    "train tiny.toml --set data.target_language=Chinese": "which is no ISO 639 code",
    "train c.en": "c.en, line 1: no tab between source and target",
    "translate none": "the text file none does not exist; name another, or - for stdin",
}


@pytest.fixture
def work_folder(tiny: Path, tree: Path, source: Path, tiny_run: Path) -> Path:
    """Return the current folder, with files of every kind."""
    folder = tree.parent
    for name in ("mine.jsonl", "old.bin"):
        shutil.copy(tiny_run / "model.safetensors", folder / name)
    (folder / "taken/base/seed-1").mkdir(parents=True)
    (folder / "taken/base/seed-1/notes.txt").touch()
    (folder / "old.safetensors").write_text("weights of the user")
    (folder / "terms").write_text("sun\tmoon\n")
    (folder / "a.xlsx").write_bytes(b"PK\3\4\0\xff")
    (folder / "page.html").write_text("<p>sun")
    (folder / "page.php").write_text("<p>sun {{ moon }} <%= star %></p>\n")
    write(folder / "ref", *REFERENCES)
    for number, path in enumerate(write_pairs(folder, corpus(9)), start=1):
        shutil.copy(path, folder / f"c.x{number}")
    return folder


@pytest.mark.parametrize("line", [*USAGE, *INPUT])
def test_a_mistake_is_one_sentence(
    nmt: Run, work_folder: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    give_stdin(monkeypatch, work_folder / "in.src")
    before = contents(work_folder)
    result = nmt(*line.format(run=tiny_run).split(" "))
    assert (result.code, result.out) == (2 if line in USAGE else 1, "")
    message = result.err.splitlines()[-1]
    assert (USAGE | INPUT)[line] in message
    assert message.startswith(("nmt: ", "Error: "))
    assert contents(work_folder) == before
