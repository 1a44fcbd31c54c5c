"""The pocket corpus's word forms, German and English, against forms written by hand."""

import pytest

from data.pocket import english, german
from data.pocket.lexicon import load_lexicon

LEXICON = load_lexicon()
PERSONS = ((1, "sg"), (2, "sg"), (3, "sg"), (1, "pl"), (3, "pl"))


# --- German morphology ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lemma", "determiner", "number", "forms"),
    [
        ("Mann", "the", "sg", ("der Mann", "den Mann", "dem Mann")),
        ("Mann", "the", "pl", ("die Männer", "die Männer", "den Männern")),
        ("Student", "the", "sg", ("der Student", "den Studenten", "dem Studenten")),
        ("Student", "a", "sg", ("ein Student", "einen Studenten", "einem Studenten")),
        ("Nachbar", "the", "sg", ("der Nachbar", "den Nachbarn", "dem Nachbarn")),
        ("Löwe", "the", "pl", ("die Löwen", "die Löwen", "den Löwen")),
        ("Frau", "my", "sg", ("meine Frau", "meine Frau", "meiner Frau")),
        ("Kind", "kein", "sg", ("kein Kind", "kein Kind", "keinem Kind")),
        ("Kind", "our", "pl", ("unsere Kinder", "unsere Kinder", "unseren Kindern")),
        ("Auto", "this", "pl", ("diese Autos", "diese Autos", "diesen Autos")),
        ("Buch", "many", "pl", ("viele Bücher", "viele Bücher", "vielen Büchern")),
        ("Apfel", "three", "pl", ("drei Äpfel", "drei Äpfel", "drei Äpfeln")),
        ("Schule", "every", "sg", ("jede Schule", "jede Schule", "jeder Schule")),
        ("Museum", "which", "pl", ("welche Museen", "welche Museen", "welchen Museen")),
        ("Kellnerin", "some", "pl", ("einige Kellnerinnen",) * 2 + ("einigen Kellnerinnen",)),
    ],
)
def test_noun_paradigm(lemma: str, determiner: str, number: str, forms: tuple[str, ...]) -> None:
    noun = LEXICON.noun(lemma)
    found = tuple(
        f"{german.determiner_form(determiner, noun.gender, case, number)} "
        f"{german.noun_form(noun, case, number)}"
        for case in ("nominative", "accusative", "dative")
    )
    assert found == forms


def test_genitive() -> None:
    facts = {"Regen": "des Regens", "Konzert": "des Konzerts", "Hochzeit": "der Hochzeit"}
    for lemma, expected in facts.items():
        noun = LEXICON.noun(lemma)
        article = german.determiner_form("the", noun.gender, "genitive", "sg")
        assert f"{article} {german.noun_form(noun, 'genitive', 'sg')}" == expected


@pytest.mark.parametrize(
    ("determiner", "number", "endings"),
    [
        ("the", "sg", "e e e en e e en en en en en en"),
        ("the", "pl", "en en en en en en en en en en en en"),
        ("a", "sg", "er e es en e es en en en en en en"),
        ("", "sg", "er e es en e es em er em en er en"),
        ("many", "pl", "e e e e e e en en en er er er"),
        ("two", "pl", "e e e e e e en en en er er er"),
        ("all", "pl", "en en en en en en en en en en en en"),
        ("kein", "pl", "en en en en en en en en en en en en"),
    ],
)
def test_adjective_endings(determiner: str, number: str, endings: str) -> None:
    adjective = next(entry for entry in LEXICON.adjectives if entry.german == "alt")
    found = [
        german.adjective_form(adjective, determiner, gender, case, number).removeprefix("alt")
        for case in german.CASES
        for gender in "mfn"
    ]
    assert found == endings.split()


def test_adjective_stems_differ_from_the_predicate() -> None:
    stems = {entry.german: entry.stem for entry in LEXICON.adjectives}
    assert (stems["teuer"], stems["dunkel"], stems["hoch"], stems["müde"]) == (
        "teur",
        "dunkl",
        "hoh",
        "müd",
    )


@pytest.mark.parametrize(
    ("lemma", "forms"),
    [
        ("kaufen", "kaufe kaufst kauft kaufen kaufen"),
        ("arbeiten", "arbeite arbeitest arbeitet arbeiten arbeiten"),
        ("zeichnen", "zeichne zeichnest zeichnet zeichnen zeichnen"),
        ("wohnen", "wohne wohnst wohnt wohnen wohnen"),
        ("lesen", "lese liest liest lesen lesen"),
        ("essen", "esse isst isst essen essen"),
        ("einladen", "lade lädst lädt laden laden"),
        ("sitzen", "sitze sitzt sitzt sitzen sitzen"),
        ("fangen", "fange fängst fängt fangen fangen"),
        ("sammeln", "sammle sammelst sammelt sammeln sammeln"),
        ("ändern", "ändere änderst ändert ändern ändern"),
        ("wissen", "weiß weißt weiß wissen wissen"),
        ("mögen", "mag magst mag mögen mögen"),
        ("haben", "habe hast hat haben haben"),
        ("nachlaufen", "laufe läufst läuft laufen laufen"),
        ("teilnehmen", "nehme nimmst nimmt nehmen nehmen"),
    ],
)
def test_present_tense(lemma: str, forms: str) -> None:
    verb = LEXICON.verbs[lemma]
    assert [german.present_form(verb, *person) for person in PERSONS] == forms.split()


@pytest.mark.parametrize(
    ("lemma", "auxiliary", "participle", "infinitive"),
    [
        ("aufmachen", "haben", "aufgemacht", "aufzumachen"),
        ("einschlafen", "sein", "eingeschlafen", "einzuschlafen"),
        ("zurückkommen", "sein", "zurückgekommen", "zurückzukommen"),
        ("abtrocknen", "haben", "abgetrocknet", "abzutrocknen"),
        ("vorbereiten", "haben", "vorbereitet", "vorzubereiten"),
        ("anprobieren", "haben", "anprobiert", "anzuprobieren"),
        ("besuchen", "haben", "besucht", "zu besuchen"),
        ("reparieren", "haben", "repariert", "zu reparieren"),
        ("übersetzen", "haben", "übersetzt", "zu übersetzen"),
        ("gießen", "haben", "gegossen", "zu gießen"),
        ("folgen", "sein", "gefolgt", "zu folgen"),
        ("gratulieren", "haben", "gratuliert", "zu gratulieren"),
        ("gehören", "haben", "gehört", "zu gehören"),
    ],
)
def test_participles_and_infinitives(
    lemma: str, auxiliary: str, participle: str, infinitive: str
) -> None:
    verb = LEXICON.verbs[lemma]
    assert (verb.auxiliary, verb.german_participle) == (auxiliary, participle)
    assert german.zu_infinitive(verb) == infinitive


# --- English morphology --------------------------------------------------------------------


def test_english_irregular_verbs() -> None:
    forms = {
        verb.lemma: (verb.past, verb.participle, verb.gerund) for verb in LEXICON.verbs.values()
    }
    assert forms["essen"] == ("ate", "eaten", "eating")
    assert forms["schreiben"] == ("wrote", "written", "writing")
    assert forms["schwimmen"] == ("swam", "swum", "swimming")
    assert forms["planen"] == ("planned", "planned", "planning")
    assert forms["aufräumen"] == ("tidied", "tidied", "tidying")
    assert forms["liegen"] == ("lay", "lain", "lying")
    assert forms["legen"] == ("laid", "laid", "laying")


def test_english_third_person_and_articles() -> None:
    bases = {"watch": "watches", "carry": "carries", "play": "plays", "go": "goes", "have": "has"}
    assert {base: english.third_person(base) for base in bases} == bases
    articles = {"apple": "an", "university": "a", "old": "an", "house": "a", "umbrella": "an"}
    assert {word: english.indefinite_article(word) for word in articles} == articles


def test_english_irregular_plurals() -> None:
    plurals = {noun.english: noun.english_plural for noun in LEXICON.nouns}
    expected = {
        "child": "children",
        "wife": "wives",
        "mouse": "mice",
        "goose": "geese",
        "policeman": "policemen",
        "tomato": "tomatoes",
        "baby": "babies",
        "shelf": "shelves",
        "bus stop": "bus stops",
    }
    assert {word: plurals[word] for word in expected} == expected
