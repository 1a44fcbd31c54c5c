"""The names of OPUS-MT models; importing them is fast enough for the shell's completion."""

import re

OWNER = "Helsinki-NLP"
NAME = re.compile(r"opus-mt(-[A-Za-z0-9_]+){2,}")
LONGEST_NAME = 96  # characters; a hub allows no more

# For suggestions and the shell's completion; every model that the hub has can be downloaded.
PAIRS = (
    "en-ROMANCE en-ar en-cs en-da en-de en-el en-es en-fi en-fr en-he en-hi en-hu en-id en-it"
    " en-jap en-mul en-nl en-ro en-ru en-sv en-uk en-vi en-zh ROMANCE-en ar-en cs-en da-en"
    " de-en es-en fi-en fr-en hi-en hu-en it-en ja-en ko-en mul-en nl-en pl-en ru-en sv-en"
    " tr-en uk-en vi-en zh-en de-es de-fr es-de es-fr fr-de fr-es"
)
COMMON = tuple(f"opus-mt-{pair}" for pair in PAIRS.split())


def model_name(text: str) -> str | None:
    """Return the name of an OPUS-MT model, without the owner if that was given; None if it is none.

    Whether the hub has a model of this name is not known before it is asked.
    """
    name = text.removeprefix(f"{OWNER}/")
    return name if len(name) <= LONGEST_NAME and NAME.fullmatch(name) else None
