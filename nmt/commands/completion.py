"""Complete settings, values, recipes, runs and devices in the shell.

click calls the functions; each gets the text that was typed and returns what it may become. If
none fits, the shell completes names of files where it is offered to.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)

from nmt.config import DECLARED, SECTIONS
from nmt.errors import NmtError
from nmt.recipe.files import shipped_recipes
from nmt.runs.run_folder import EVERYDAY, RUNS
from nmt.runs.runs import possible_runs
from nmt.system.files import is_present

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
DEVICES = ("auto", "cpu", "cuda", "mps")

# click's own function has three faults: it takes a setting for several words, because bash splits
# words at "="; it adds a space after "section.key="; it forgets recipes where files fit too.
BASH_SOURCE = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain)
                COMPREPLY+=("$value")
                [[ $value == *= ]] && compopt -o nospace
                ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done < <(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_CWORD="$2" \\
        %(complete_var)s=bash_complete "$1" 2> /dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class BashCompletion(BashComplete):
    """Complete words that hold "=" or ":", at which bash splits them.

    COMP_WORDS is the line up to the cursor, COMP_CWORD the part of the last word that bash will
    replace.
    """

    source_template = BASH_SOURCE
    kept = ""  # the start of the last word, which bash keeps
    option = ""  # an option in the last word, as "--device=": click completes what follows it

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the finished words after the program's name, and the unfinished last word."""
        mark = "x"  # ends the last word, which may be empty
        *words, marked = split_arg_string(os.environ["COMP_WORDS"] + mark)
        last = marked.removesuffix(mark)
        self.kept = last.removesuffix(os.environ["COMP_CWORD"])
        if last.startswith("--") and "=" in last:
            self.option = last[: last.index("=") + 1]
        return words[1:], last

    def format_completion(self, item: CompletionItem) -> str:
        """Return an item's type, and the text that replaces the part that bash replaces."""
        return f"{item.type},{(self.option + item.value).removeprefix(self.kept)}"


def completer(find: Callable[[str], Iterable[str]], *, files: bool = False) -> Completer:
    """Return a function for click that offers what `find` finds for the typed text.

    files: offer names of files too.
    """

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        found = [CompletionItem(text) for text in find(incomplete) if text.startswith(incomplete)]
        return found + [CompletionItem(incomplete, type="file")] * files

    return complete


def settings(typed: str) -> list[str]:
    """Return the settings as `section.key=`, or the setting that was typed with its values."""
    name, equals, _ = typed.partition("=")
    if not equals:
        return [f"{known}=" for known in DECLARED]
    return [f"{name}={value}" for value in list_values(name)]


def decode_settings(typed: str) -> list[str]:
    """Return the [decode] settings like `settings`."""
    return [text for text in settings(typed) if text.startswith("decode.")]


def varied_settings(typed: str) -> list[str]:
    """Return the texts that `--vary` may have: several settings, several values of each."""
    before, blank, last = typed.rpartition(" ")
    name, equals, listed = last.partition("=")
    if not equals or "," not in listed:
        return [before + blank + text for text in settings(last)]
    given = listed.split(",")[:-1]
    start = f"{before}{blank}{name}={','.join(given)},"
    return [start + value for value in list_values(name) if value not in given]


def list_values(name: str) -> tuple[str, ...]:
    """Return the values of a setting that has a few; none for a number or a free text."""
    declared = DECLARED.get(name)
    if declared is None:
        return ()
    if isinstance(declared.default, bool):
        return ("true", "false")
    choices: tuple[str, ...] = declared.metadata["choices"]
    return choices


def run_folders(typed: str) -> list[str]:
    """Return the run folders under runs/."""
    with suppress(NmtError):
        return [str(run.path) for run in possible_runs(RUNS) if is_present(run.recipe)]
    return []


def fetched(typed: str) -> list[str]:
    """Return what `nmt fetch` takes: recipes, and common models once something is typed."""
    from nmt.interop.opus.hub import COMMON

    return shipped_recipes() + ([*COMMON] if typed else [])


complete_recipe = completer(lambda typed: shipped_recipes(), files=True)
complete_recipe_or_run = completer(lambda typed: shipped_recipes() + run_folders(typed), files=True)
complete_fetched = completer(fetched, files=True)
complete_run = completer(run_folders, files=True)
complete_model = completer(lambda typed: [EVERYDAY, *run_folders(typed)], files=True)
complete_setting = completer(settings)
complete_decode_setting = completer(decode_settings)
complete_settings = completer(lambda typed: [*SECTIONS, *DECLARED])
complete_varied = completer(varied_settings)
complete_device = completer(lambda typed: DEVICES)
