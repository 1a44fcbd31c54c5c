"""How HTML's elements and attributes are read: what is a sentence's part, and what is no text."""


def names(words: str) -> frozenset[str]:
    """Return the names in a text with spaces between them."""
    return frozenset(words.split())


# Parts of a sentence. What is not named here divides texts, as <p> and unknown elements do.
INLINE = names(
    "a abbr acronym b bdi bdo big blink cite data del dfn em font i ins mark nobr output q rb rp rt"
    " ruby s slot small span strike strong sub sup time tt u"
    " br img input wbr"
)
VOID = names("area base br col embed hr img input link meta param source track wbr")
VOID_INLINE = VOID & INLINE

# Elements that stay as they are, in a sentence ...
OPAQUE_INLINE = names("code kbd math samp svg tt var")
NO_WORD = names("svg")  # ... though not as words of it
# ... and elsewhere.
RAW_TEXT = names("iframe noembed noframes script style textarea xmp")  # holds no tags
OPAQUE_BLOCKS = RAW_TEXT | names("noscript pre template")
OPAQUE = OPAQUE_INLINE | OPAQUE_BLOCKS
WORDS = OPAQUE_INLINE | (INLINE - VOID)  # stand in a sentence if they stay as they are

HEADINGS = names("h1 h2 h3 h4 h5 h6 title")
LABELS = names("button label legend option title")  # never several sentences

# Attributes that people read, on any element and on some.
READ = names("alt aria-description aria-label placeholder title")
READ_ON = {
    "optgroup": names("label"),
    "option": names("label"),
    "track": names("label"),
    "table": names("summary"),
}
BUTTONS = names("button reset submit")  # types of <input> that show their value
READ_META = names(
    "description keywords og:title og:description og:image:alt twitter:title twitter:description"
    " twitter:image:alt"
)
