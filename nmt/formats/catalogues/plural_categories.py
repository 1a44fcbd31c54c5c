"""Plural categories of Unicode CLDR: the forms of a message that a language needs for numbers."""

DEFAULT = ("one", "other")
ALL = ("zero", "one", "two", "few", "many", "other")
# Languages by what they need for whole numbers. French and its neighbours have "many" for millions,
# which is left out, because "other" stands for it.
LANGUAGES = {
    ("other",): "bm bo dz id ig ii ja jv km ko lo ms my sah ses sg su th to vi wo yo yue zh",
    ("one", "few", "many", "other"): "be cs lt pl ru sk uk",
    ("one", "few", "other"): "bs hr mo ro sh sr",
    ("one", "two", "few", "other"): "dsb gd hsb sl",
    ("one", "two", "few", "many", "other"): "br ga gv mt",
    ("one", "two", "other"): "he iu iw naq se sma smj smn sms",
    ("zero", "one", "other"): "ksh lag lv prg",
    ALL: "ar ars cy kw",
}
CATEGORIES = {code: names for names, codes in LANGUAGES.items() for code in codes.split()}


def categories_of(language: str) -> tuple[str, ...]:
    """Return the categories of a language, such as "pl" or "pt-BR"; those of English by default."""
    return CATEGORIES.get(language.replace("_", "-").partition("-")[0].lower(), DEFAULT)
