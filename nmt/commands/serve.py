"""`nmt serve`: translate over HTTP."""

import sys
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_model
from nmt.commands.options import FILE, Range
from nmt.errors import NmtError
from nmt.runs.runs import choose_model
from nmt.system.log import note

WAIT = Range(0.01, 3600)
MISSING = "`nmt serve` needs Starlette and uvicorn: pip install 'attention-nmt[serve]'"


@click.command("serve")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[PAIR=]MODEL",
    shell_complete=complete_model,
    help="Model: a run folder or a .safetensors file, for all its languages or for PAIR, such as"
    f" en-de. May be repeated.{options.NEWEST_MODEL}",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on.",
)
@options.number("--port", click.IntRange(0, 65535), "Port to listen on; 0: a free one.", 5000)
@click.option("--api-keys", "key_file", type=FILE, help="File of API keys, one on each line.")
@options.number(
    "--max-characters", click.IntRange(1, 5_000_000), "Most characters of one request.", 100_000
)
@options.number("--max-queue", click.IntRange(1, 100_000), "Most requests that wait.", 512)
@options.number("--max-connections", click.IntRange(1, 100_000), "Most open connections.", 1000)
@options.number("--timeout", WAIT, "Longest time to translate a request.", 30, "SECONDS")
@options.number(
    "--read-timeout", WAIT, "Longest time to receive a request or send an answer.", 20, "SECONDS"
)
@options.number("--grace", Range(0, 3600), "Longest time to finish after a signal.", 30, "SECONDS")
@options.number(
    "--processes", click.IntRange(0, 1024), "CPU processes for each model; 0: one for each core.", 0
)
@click.option("--access-log", is_flag=True, help="Print a line for each request, not its text.")
@options.decode_flags("beam_size", "length_penalty")
@options.engine
@options.device
@options.set_decode()
def command(
    models: tuple[str, ...],
    host: str,
    port: int,
    key_file: Path | None,
    max_characters: int,
    max_queue: int,
    max_connections: int,
    timeout: float,
    read_timeout: float,
    grace: float,
    processes: int,
    access_log: bool,
    engine: str,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate over HTTP, with the interface of LibreTranslate.

    Open the address in a browser to try the server. Without --host, only this machine can reach it.
    SIGTERM or Ctrl-C stops the server when it has answered the requests that it has accepted.

    \b
    Examples:
      nmt serve
      nmt serve --model runs/multi30k_en_de --port 8080
      nmt serve --model runs/multi30k_en_de --engine ctranslate2
      nmt serve --model en-de=runs/one --model de-en=runs/two --api-keys keys.txt
    """
    try:
        from nmt.serving.server import serve
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("starlette", "uvicorn", "h11"):
            raise
        raise NmtError(MISSING) from error

    from nmt.serving.app import Options, read_keys
    from nmt.serving.worker import model_source

    if not models:
        chosen = choose_model()
        models = (str(chosen.path),)
        if chosen.reason:
            note(f"the model is {chosen.reason}; --model names another")
    sources = [model_source(model, device, overrides, engine) for model in models]
    limits = (max_characters, max_queue, timeout, read_timeout, grace, max_connections)
    server = Options(host, port, read_keys(key_file), processes, access_log, *limits)
    sys.exit(128 + serve(sources, server))
