"""Languages by their ISO 639 codes: names, kinds of writing, and what a file's name states."""

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

# English names by codes of two letters (ISO 639-1). Three-letter codes are accepted too, but not
# guessed from names: `src` is one of them.
NAMES = (
    "aa Afar, ab Abkhazian, ae Avestan, af Afrikaans, ak Akan, am Amharic, an Aragonese, "
    "ar Arabic, as Assamese, av Avaric, ay Aymara, az Azerbaijani, ba Bashkir, be Belarusian, "
    "bg Bulgarian, bh Bihari, bi Bislama, bm Bambara, bn Bengali, bo Tibetan, br Breton, "
    "bs Bosnian, ca Catalan, ce Chechen, ch Chamorro, co Corsican, cr Cree, cs Czech, "
    "cu Church Slavic, cv Chuvash, cy Welsh, da Danish, de German, dv Divehi, dz Dzongkha, "
    "ee Ewe, el Greek, en English, eo Esperanto, es Spanish, et Estonian, eu Basque, fa Persian, "
    "ff Fulah, fi Finnish, fj Fijian, fo Faroese, fr French, fy Western Frisian, ga Irish, "
    "gd Scottish Gaelic, gl Galician, gn Guarani, gu Gujarati, gv Manx, ha Hausa, he Hebrew, "
    "hi Hindi, ho Hiri Motu, hr Croatian, ht Haitian Creole, hu Hungarian, hy Armenian, "
    "hz Herero, ia Interlingua, id Indonesian, ie Interlingue, ig Igbo, ii Sichuan Yi, "
    "ik Inupiaq, io Ido, is Icelandic, it Italian, iu Inuktitut, ja Japanese, jv Javanese, "
    "ka Georgian, kg Kongo, ki Kikuyu, kj Kuanyama, kk Kazakh, kl Greenlandic, km Khmer, "
    "kn Kannada, ko Korean, kr Kanuri, ks Kashmiri, ku Kurdish, kv Komi, kw Cornish, ky Kyrgyz, "
    "la Latin, lb Luxembourgish, lg Ganda, li Limburgish, ln Lingala, lo Lao, lt Lithuanian, "
    "lu Luba-Katanga, lv Latvian, mg Malagasy, mh Marshallese, mi Maori, mk Macedonian, "
    "ml Malayalam, mn Mongolian, mr Marathi, ms Malay, mt Maltese, my Burmese, na Nauru, "
    "nb Norwegian Bokmål, nd North Ndebele, ne Nepali, ng Ndonga, nl Dutch, "
    "nn Norwegian Nynorsk, no Norwegian, nr South Ndebele, nv Navajo, ny Chichewa, oc Occitan, "
    "oj Ojibwa, om Oromo, or Odia, os Ossetian, pa Punjabi, pi Pali, pl Polish, ps Pashto, "
    "pt Portuguese, qu Quechua, rm Romansh, rn Rundi, ro Romanian, ru Russian, rw Kinyarwanda, "
    "sa Sanskrit, sc Sardinian, sd Sindhi, se Northern Sami, sg Sango, si Sinhala, sk Slovak, "
    "sl Slovenian, sm Samoan, sn Shona, so Somali, sq Albanian, sr Serbian, ss Swati, "
    "st Southern Sotho, su Sundanese, sv Swedish, sw Swahili, ta Tamil, te Telugu, tg Tajik, "
    "th Thai, ti Tigrinya, tk Turkmen, tl Tagalog, tn Tswana, to Tonga, tr Turkish, ts Tsonga, "
    "tt Tatar, tw Twi, ty Tahitian, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, ve Venda, "
    "vi Vietnamese, vo Volapük, wa Walloon, wo Wolof, xh Xhosa, yi Yiddish, yo Yoruba, "
    "za Zhuang, zh Chinese, zu Zulu"
)
BY_CODE = dict(name.split(" ", 1) for name in NAMES.split(", "))
# Codes of three letters (ISO 639-2 and 639-3) of languages that have one of two. `jap` is no code,
# but in the names of OPUS-MT models.
THREE_LETTERS = (
    "ara=ar bel=be bos=bs bul=bg cat=ca ces=cs chi=zh cmn=zh cze=cs dan=da deu=de dut=nl ell=el"
    " eng=en est=et fas=fa fin=fi fra=fr fre=fr ger=de gle=ga glg=gl gre=el guj=gu heb=he hin=hi"
    " hrv=hr hun=hu ind=id isl=is ita=it jap=ja jpn=ja kat=ka kaz=kk kor=ko lav=lv lit=lt mkd=mk"
    " msa=ms nld=nl nob=nb nor=no per=fa pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl"
    " spa=es sqi=sq srp=sr swe=sv tam=ta tel=te tha=th tur=tr ukr=uk urd=ur vie=vi zho=zh"
)
SHORTER = dict(codes.split("=") for codes in THREE_LETTERS.split())
# Languages without spaces between words need sacreBLEU's own segmentation. Korean has spaces, but
# its words have many endings.
BLEU_TOKENIZERS = {"zh": "zh", "yue": "zh", "wuu": "zh", "lzh": "zh", "ja": "char", "ko": "char"}
WMT_TOKENIZER = "13a"
# Neither between words nor between sentences. Thai, Lao, Khmer and Burmese have none between words,
# but some after a sentence.
WITHOUT_SPACES = frozenset({"zh", "ja", "yue", "wuu", "lzh"})
NORWEGIAN = frozenset({"no", "nb", "nn"})  # a language, and its two written forms
SEPARATOR = re.compile("[-_]")
CODE = re.compile(r"[a-z]{2,3}")
ENDING = re.compile(r"([a-z]{2})([-_][A-Za-z]{2,4})*")  # such as de and zh-Hans-CN
CODE_PAIR = re.compile(r"(?:^|[._])([a-z]{2})[-_]([a-z]{2})(?:\.\w+)?$")  # as in pairs.en-de.tsv
PACKED = (".gz", ".xz")
TEXT = (".txt", ".sgm")
TABLES = (".tsv", ".tab")  # with both languages in one file
BILINGUAL = (".tmx", ".xlf", ".xliff", ".po")  # likewise, with elements or messages
# Catalogues of messages and memories, whose names state the language of the translations, if any.
CATALOGUES = (*BILINGUAL, ".pot", ".ts")
TEXT_ENDINGS = (*TABLES, *BILINGUAL, *PACKED, *TEXT)


def primary(code: str) -> str:
    """Return the language of a code: zh for zh-Hans, zh_TW and zho.

    It has two letters if the language has such a code, as far as `SHORTER` knows.
    """
    first = SEPARATOR.split(code, maxsplit=1)[0].lower()
    return SHORTER.get(first, first)


def is_same(first: str, second: str) -> bool:
    """Return whether two codes name one language: de, deu and de-DE do, zh-Hans and zh-Hant not."""
    regions = {SEPARATOR.sub("-", code.lower()).partition("-")[2] for code in (first, second)}
    return primary(first) == primary(second) and (len(regions) == 1 or "" in regions)


def same_codes(codes: Iterable[str]) -> str:
    """Return the first two codes that name one language, such as "de and deu"; "" for none."""
    pairs = combinations(codes, 2)
    return next((f"{first} and {second}" for first, second in pairs if is_same(first, second)), "")


def find_language(wanted: str, codes: Iterable[str]) -> list[str]:
    """Return the code that is wanted if it is among these, else those of the same language."""
    known = [*codes]
    return [wanted] if wanted in known else [code for code in known if is_same(code, wanted)]


def english_name(code: str) -> str:
    """Return the English name of a language; its code if the name is not known."""
    return BY_CODE.get(code, code)


def writes_spaces(code: str) -> bool:
    """Return whether a language has spaces between its sentences; True for an unknown one."""
    return primary(code) not in WITHOUT_SPACES


def bleu_tokenizer(language: str) -> str:
    """Return the name of sacreBLEU's tokenizer for a language: WMT's for most.

    The language may have a script or a country, as in zh-Hans and zh_TW.
    """
    return BLEU_TOKENIZERS.get(primary(language), WMT_TOKENIZER)


def is_language(code: str) -> bool:
    """Return whether a text has the form of an ISO 639 code; two letters must be a known one."""
    return CODE.fullmatch(code) is not None and (len(code) == 3 or code in BY_CODE)


def unpacked_name(path: Path) -> tuple[str, str]:
    """Return a file's name without .gz or .xz, and its ending in small letters, such as .tmx."""
    name = path.name
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name, Path(name).suffix.lower()


def language_in_name(path: Path) -> str:
    """Return the language that a file's name ends in, as in train.de.gz; "" if there is none."""
    name, _ = unpacked_name(path)
    for ending in (*TEXT, ".po"):
        name = name.removesuffix(ending)
    return language_of_ending(name.rpartition(".")[2])


def language_of_ending(ending: str) -> str:
    """Return the language that an ending names, such as de and pt-BR; "" if it names none."""
    match = ENDING.fullmatch(ending)
    return match[1] if match and match[1] in BY_CODE else ""


def is_text(path: Path) -> bool:
    """Return whether a path is that of a text by its name, where it could be a recipe or a run."""
    is_named = path.suffix.lower() in TEXT_ENDINGS or language_of_ending(path.suffix[1:])
    return bool(is_named) and not path.is_dir()


def is_contradicted(code: str, named: str) -> bool:
    """Return whether a file's name states another language than a code; "" states none."""
    languages = {primary(code), named or primary(code)}
    return len(languages) > 1 and not languages <= NORWEGIAN


def language_of_file(path: Path) -> str:
    """Return the language that a file's name states; "" if it states none, two or that of a target.

    The code is the last ending or the one before it, as in letter.de, letter.de.txt and
    letter.de.docx. In the name of a catalogue, such as app.de.po, it is that of the translations.
    """
    if unpacked_name(path)[1] in CATALOGUES or any(languages_in_names((path,))):
        return ""
    return language_in_name(path) or language_in_name(Path(unpacked_name(path)[0]).with_suffix(""))


def languages_in_names(paths: Sequence[Path]) -> tuple[str, str]:
    """Return the languages of parallel text by the names of its files; empty texts if unknown.

    paths: two, such as train.en and train.de, or one with both sides, such as pairs.en-de.tsv.
    """
    if len(paths) == 2:
        return language_in_name(paths[0]), language_in_name(paths[1])
    name, _ = unpacked_name(paths[0])
    match = CODE_PAIR.search(name)
    if match and {*match.groups()} <= BY_CODE.keys():
        return match[1], match[2]
    return "", ""
