"""Minimal English morphology for types and questions: number, head nouns, verbs, closed classes.

Custom rules, because inflection libraries assume that the number of a word is known. Of the 3,757
most common head nouns of mined types, ``singular`` changes 10 (plurals: "fungi", "children"),
``inflect`` 67 ("bus" to "bu"), ``textblob`` 42 ("harbour" to "harbmy").
"""

from __future__ import annotations

from functools import cache

from ner_retriever_rag.encoder.kinds import kind_names

AUXILIARIES = frozenset(
    """
    is are was were be been being am do does did has have had can could will would shall should
    may might must isn't aren't wasn't weren't don't doesn't didn't hasn't haven't can't
    """.split()
)
PREPOSITIONS = frozenset(
    """
    about above across after against along among around at away before behind below beneath beside
    between beyond by concerning despite down during except for from in inside into like near of
    off on onto opposite out outside over past per regarding since through throughout till to
    toward towards under until up upon via with within without
    """.split()
)
# Other words that end a noun phrase.
CLAUSE_WORDS = frozenset(
    """
    that which who whom whose where when while because if than as and or but nor so not also ever
    never once later now still then first most only both there here i you he she it we they them
    us me the a an this these those his her its their our my your what why how
    """.split()
)
DETERMINERS = frozenset(
    """
    a an the any some all every each both few several many most more other various different
    certain no one two three four five six seven eight nine ten twelve twenty hundred dozen of
    these those this
    """.split()
)
# Adjectives that say nothing about the type.
VAGUE = frozenset(
    """
    famous well-known best-known notable major main chief important popular prominent good great
    nice interesting common typical particular possible specific
    """.split()
)
SUPERLATIVES = frozenset(
    """
    first second third fourth fifth last next latest earliest oldest youngest newest largest
    biggest greatest smallest longest shortest tallest highest lowest deepest widest fastest
    slowest richest poorest best worst heaviest hottest coldest brightest busiest nearest farthest
    northernmost southernmost most least only
    """.split()
)
# Nouns that are not entity types: questions about them ask for a quantity, a reason, a date.
NON_ENTITY_NOUNS = frozenset(
    """
    age amount answer argument average aim benefit cause chance colour color consequence cost date
    day decade definition degree depth difference distance duration effect explanation fact
    function gist goal half height history hour impact importance information kilometer kilometre
    length life link matter meaning mile minute month moral motive odds opinion order outcome
    percent percentage plot point population possibility price problem proof purpose rate reason
    relation relationship result role salary second secret sense significance size speed status
    sum summary temperature thing time total trick truth use value volume way weather week weight
    width year
    """.split()
)
# Present and past forms of verbs common in questions that cannot be recognized by their ending.
_VERBS = frozenset(
    """
    allow appear attack attend bear become begin belong border break bring build burn buy carry
    cause change come compete compose contain cover create cross cut defeat depict design destroy
    die discover divide draw drink eat employ end erupt escape exist explode explore face fall
    feature feed fight fill find fit flow fly form found freeze get give go grow handle hang happen
    have help hit hold host hunt include infect influence inhabit introduce invade invent involve
    join keep kill know lay lead leave lie live lose lower make mark marry mean meet move need
    occur offer open operate orbit own pass pay perform play pollinate practise practice precede
    prevent produce prohibit protect provide publish reach read receive regulate release represent
    rise rule run save say see sell send separate serve show sign sing sink sit spread stand start
    stop succeed supply surround swim take teach tell tend think treat use visit wear weigh win
    work write
    """.split()
)
_PAST_FORMS = frozenset(
    """
    ate became began bore bought broke brought built burnt came caught chose cut did died drank
    drew drove fell felt fled flew forbade fought found froze gave got grew had held hid hit hung
    kept knew laid lay led left lit lost made meant met overthrew paid put ran rang read rode rose
    said sang sank sat saw sent set shone shot shut slept sold spent split spoke spread stole stood
    struck stuck swam swept swore taught thought threw told took went woke won wore wrote
    known seen written taken given born made worn drawn driven eaten flown grown shown sung thrown
    """.split()
)
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
    "dormice": "dormouse", "geese": "goose", "feet": "foot", "teeth": "tooth", "oxen": "ox",
    "wolves": "wolf", "knives": "knife", "wives": "wife", "lives": "life", "leaves": "leaf",
    "loaves": "loaf", "calves": "calf", "halves": "half", "shelves": "shelf",
    "thieves": "thief", "elves": "elf", "dwarves": "dwarf", "scarves": "scarf",
    "hooves": "hoof", "criteria": "criterion", "phenomena": "phenomenon",
    "bacteria": "bacterium", "protozoa": "protozoon", "phyla": "phylum", "fungi": "fungus",
    "cacti": "cactus", "alumni": "alumnus", "nuclei": "nucleus", "sarcophagi": "sarcophagus",
    "genera": "genus", "subgenera": "subgenus", "larvae": "larva", "algae": "alga",
    "nebulae": "nebula", "antennae": "antenna", "vertebrae": "vertebra", "formulae": "formula",
    "media": "medium", "matrices": "matrix", "oases": "oasis", "crises": "crisis",
    "theses": "thesis", "diagnoses": "diagnosis", "mantises": "mantis", "lenses": "lens",
    "gases": "gas", "buses": "bus", "minibuses": "minibus", "biases": "bias",
    "atlases": "atlas", "canvases": "canvas", "axes": "axe", "movies": "movie",
    "cookies": "cookie", "zombies": "zombie", "pies": "pie", "ties": "tie", "shoes": "shoe",
    "canoes": "canoe", "quizzes": "quiz",
    # The singular looks like a plural, or the plural like a singular.
    "rabbis": "rabbi", "taxis": "taxi", "kiwis": "kiwi", "tsunamis": "tsunami",
    "safaris": "safari", "gurus": "guru", "menus": "menu", "emus": "emu",
}  # fmt: skip
_PLURALS = {one: many for many, one in _IRREGULAR.items()}
_UNCHANGED = frozenset(
    """
    species subspecies series miniseries aircraft spacecraft watercraft fish sheep deer corps
    chassis headquarters
    """.split()
)
_NOT_PLURAL = frozenset(
    """
    always perhaps this his its was has does chess news physics mathematics politics economics
    athletics gymnastics genetics linguistics electronics ethics robotics optics acoustics
    aeronautics logistics graphics statistics ceramics atlas canvas gas lens bias thanks yes
    towards besides overseas
    """.split()
)
_NOT_MEN = frozenset("specimen regimen abdomen dolmen acumen".split())
_NOT_MAN = frozenset("human german roman shaman ottoman talisman caiman".split())
_OES = ("hero", "tato", "mato", "volcano", "echo", "torpedo", "tornado", "mosquito", "buffalo")
_UNCOUNTABLE = frozenset(
    "cattle equipment furniture information money news research software water".split()
)
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def is_plural(word: str) -> bool:
    """Whether a word looks like a plural noun."""
    low = word.lower()
    if low in _IRREGULAR or low in _UNCHANGED:
        return True
    if low in _NOT_PLURAL or len(low) < 4 or low.endswith("'s"):
        return False
    if low.endswith(("men", "people", "eaus")):
        return low not in _NOT_MEN
    return low.endswith("s") and not low.endswith(("ss", "us", "is"))


def singular(noun: str) -> str:
    """The singular of a noun, or the word itself if it has none; preserves case."""
    low = noun.lower()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if not is_plural(noun) or low in _UNCHANGED:
        return noun
    if low.endswith("men"):
        return noun[:-2] + "an"
    if low.endswith("people"):
        return noun[:-4] + "rson"
    if low.endswith("ies"):
        return noun[:-3] + "y"
    if low.endswith(("sses", "shes", "ches", "xes", "tzes", "zzes", "oes")):
        return noun[:-2]
    if low.endswith(("cuses", "nuses", "puses", "ruses", "suses", "tuses", "lises")):
        return noun[:-2]
    if low.endswith(("lyses", "theses")):
        return noun[:-2] + "is"
    if low.endswith("wolves"):
        return noun[:-3] + "f"
    if low.endswith("wives"):
        return noun[:-3] + "fe"
    return noun[:-1]


def plural(noun: str) -> str:
    """The plural of a noun, or the word itself if it is one already; preserves case."""
    low = noun.lower()
    if low in _PLURALS:
        return _PLURALS[low]
    if is_plural(noun) or low in _UNCOUNTABLE or low.endswith(("ics", "fish")):
        return noun
    if low.endswith("man") and low not in _NOT_MAN:
        return noun[:-2] + "en"
    if low.endswith("person"):
        return noun[:-4] + "ople"
    if low.endswith("y") and low[-2:-1] not in set("aeiou"):
        return noun[:-1] + "ies"
    if low.endswith("wolf"):
        return noun[:-1] + "ves"
    if low.endswith("wife"):
        return noun[:-2] + "ves"
    if low.endswith("sis"):
        return noun[:-2] + "es"
    return noun + ("es" if low.endswith((*_SIBILANTS, *_OES)) else "s")


def head_noun(phrase: str) -> str:
    """The head noun of a type phrase, lowercased: "body of water" keeps its complement.

    Raises:
        IndexError: If the phrase is empty.
    """
    words = phrase.lower().split()
    for i, word in enumerate(words):
        if word == "of" and i:
            return " ".join(words[i - 1 :])
    return words[-1]


def is_verb(word: str) -> bool:
    """Whether a word is a present or past form of a verb common in questions."""
    low = word.lower()
    if low in _VERBS or low in _PAST_FORMS:
        return True
    stems = {"s": low[:-1], "es": low[:-2], "ies": low[:-3] + "y"}
    return any(low.endswith(ending) and stem in _VERBS for ending, stem in stems.items())


def is_past(word: str) -> bool:
    """Whether a word looks like a past tense or past participle."""
    return word.lower() in _PAST_FORMS or word.lower().endswith("ed")


def is_noun(word: str) -> bool:
    """Whether a word is the head noun of one of the shipped kinds, singular or plural."""
    return singular(word).lower() in _nouns()


@cache
def _nouns() -> frozenset[str]:
    return frozenset(kind.split()[-1] for kind in kind_names())
