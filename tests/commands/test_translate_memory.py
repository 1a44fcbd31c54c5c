"""`nmt translate` with translation memories."""

from pathlib import Path

from nmt.documents.memory import Memory
from tests.commands.conftest import translate
from tests.conftest import Run


def test_a_memory_that_was_written_is_used_again(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    source = tmp_path / "a.txt"
    source.write_text("sun moon\n\nrain 12\n")
    memory, out = tmp_path / "new.tmx", tmp_path / "out.txt"
    options = ("--format", "text", "--output", out)
    translate(nmt, skilled_run, source, *options, "--write-memory", memory)
    first = out.read_text()
    assert len(Memory.read([memory], "", "", 1.0)) == 2
    source.write_text("sun moon\n\nrain 13\n")
    result = translate(nmt, skilled_run, source, *options, "--memory", memory)
    assert out.read_text() == first.replace("12", "13")
    assert "1 from the memory 100 %, 1 from the memory 99 %" in result.err
    result = translate(
        nmt, skilled_run, source, *options, "--memory", memory, "--memory-threshold", "1"
    )
    assert "1 from the memory 100 %, 1 translated" in result.err


def test_what_is_no_memory_is_named(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("sun moon\n")
    options = ("translate", "--model", skilled_run, source, "--format", "text", "--memory", source)
    result = nmt(*options)
    assert result.code == 1
    assert f"{source}: line 1: the XML is not well-formed" in result.err


def test_a_memory_of_other_languages_is_noted(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source, memory = tmp_path / "a.txt", tmp_path / "empty.tmx"
    source.write_text("sun moon\n")
    memory.write_text('<tmx version="1.4"><header/><body/></tmx>')
    result = translate(nmt, skilled_run, source, "--format", "text", "--memory", memory)
    assert f"{memory}: no unit has texts in both languages of the model" in result.err
