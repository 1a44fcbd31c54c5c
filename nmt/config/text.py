"""Settings of the text: [data] and [tokenizer]."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from nmt.config.setting import setting


@dataclass(frozen=True)
class TextFiles:
    """Parallel text: two aligned files, one TSV file with two columns, or one bilingual file.

    Names are relative to the data folder. Files ending in .gz, .xz and .sgm are read as such.
    """

    source: str = setting("", "file of source segments, one per line")
    target: str = setting("", "file of target segments, aligned line by line")
    tsv: str = setting("", "instead of source and target: one file with a tab between them")
    file: str = setting("", "instead of source and target: one bilingual file, such as memory.tmx")
    labels: str = setting("", "labels, one per line; `nmt evaluate` counts exact matches by label")
    references: tuple[str, ...] = setting((), "files of further references of a test set")
    tag: str = setting(
        "",
        "token before each source of a training corpus, such as <BT> for synthetic sources (Caswell"
        " et al., 2019)",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files that hold the segments."""
        return (self.tsv or self.file,) if self.tsv or self.file else (self.source, self.target)

    @property
    def title(self) -> str:
        """Names of the files that hold the segments, and the tag, as one text."""
        return " + ".join(self.names) + (f" with the tag {self.tag}" if self.tag else "")


@dataclass(frozen=True)
class Download:
    """A file that `nmt fetch` downloads into the data folder."""

    url: str = setting("", "address of the file")
    to: str = setting("", "file name below the data folder")
    sha256: str = setting("", "expected SHA-256; if empty, that of the first download is recorded")
    unpack: tuple[str, ...] = setting((), "members of a tar archive to unpack into its folder")

    @property
    def files(self) -> tuple[PurePosixPath, ...]:
        """Names, below the data folder, of the file and of what is unpacked from it."""
        path = PurePosixPath(self.to)
        return (path, *(path.parent / member for member in self.unpack))


@dataclass(frozen=True)
class DataSettings:
    """The text that a model is trained, validated and tested on."""

    source_language: str = setting(
        "en",
        "source language's ISO 639 code, for reports; selects text of bilingual files",
        may_change=True,
    )
    target_language: str = setting(
        "de",
        "target language's ISO 639 code; selects BLEU's tokenizer, and text of bilingual files",
        may_change=True,
    )
    train: tuple[TextFiles, ...] = setting((), "training corpora")
    dev: tuple[TextFiles, ...] = setting((), "validation corpora; the best model is chosen on them")
    test: dict[str, TextFiles] = setting(
        {}, "test sets by name, scored by `nmt evaluate`", may_change=True
    )
    downloads: tuple[Download, ...] = setting(
        (), "files that `nmt fetch` downloads", may_change=True
    )
    metric: str = setting(
        "bleu",
        "bleu (section 6.1), or error_rate: wrong tokens and wrong sequences; a source with several"
        " targets counts once",
        choices=("bleu", "error_rate"),
    )
    max_length: int = setting(
        250, "most tokens per side; longer training pairs are dropped and counted", (1, 65_000)
    )
    max_ratio: float = setting(
        9.0, "longer side / shorter side, in tokens; pairs above it are dropped", (1, 65_000)
    )

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the training corpora, each once, in the order of their first corpus."""
        return tuple(dict.fromkeys(files.tag for files in self.train if files.tag))

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files that hold the segments of every corpus."""
        corpora = (*self.train, *self.dev, *self.test.values())
        return tuple(name for files in corpora for name in files.names)


@dataclass(frozen=True)
class TokenizerSettings:
    """The vocabulary that SentencePiece learns (section 5.1)."""

    vocab_size: int = setting(
        37_000,
        "vocabulary size (section 5.1); an upper limit if kind is char or word",
        (8, 1_000_000),
    )
    kind: str = setting(
        "bpe",
        "kind of token: bpe (section 5.1), char (a character) or word (a symbol between spaces);"
        " imported: that of the model of another program, in train.init_from",
        choices=("bpe", "char", "word", "imported"),
    )
    joint: bool = setting(
        True, "one vocabulary for both languages (section 5.1); false: one for each language"
    )
    character_coverage: float = setting(
        1.0, "share of the corpus's characters that the vocabulary covers", (0.9, 1)
    )
    byte_fallback: bool = setting(
        False,
        "spell characters outside the vocabulary as bytes, so that any text can be read and"
        " written; 256 of the tokens are bytes; needs kind=bpe",
    )
    sample_lines: int = setting(
        5_000_000,
        "most lines to learn from; a larger corpus, or one above 300 MB, is sampled",
        (1, 1_000_000_000),
    )
