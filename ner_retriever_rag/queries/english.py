"""Just enough English to find the noun phrase of a question: plurals, verbs, closed classes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

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
# What else no noun phrase goes on after.
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
# Say nothing about the kind of thing.
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
# Nouns that name no kind of entity: who asks for them wants a quantity, a reason, a date.
NO_KIND = frozenset(
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
# Present and past of verbs that questions are asked with, where the ending does not give them away.
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
_PASTS = frozenset(
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
    "geese": "goose", "feet": "foot", "teeth": "tooth", "oxen": "ox", "wolves": "wolf",
    "knives": "knife", "wives": "wife", "lives": "life", "leaves": "leaf", "loaves": "loaf",
    "calves": "calf", "halves": "half", "shelves": "shelf", "thieves": "thief", "elves": "elf",
    "criteria": "criterion", "phenomena": "phenomenon", "bacteria": "bacterium",
    "fungi": "fungus", "cacti": "cactus", "alumni": "alumnus", "genera": "genus",
    "larvae": "larva", "nuclei": "nucleus", "media": "medium", "oases": "oasis",
    "crises": "crisis", "theses": "thesis", "lenses": "lens", "gases": "gas", "buses": "bus",
    "axes": "axe", "movies": "movie", "cookies": "cookie", "zombies": "zombie",
    "pies": "pie", "ties": "tie", "shoes": "shoe", "canoes": "canoe", "heroes": "hero",
}  # fmt: skip
_UNCHANGED = frozenset("species series aircraft spacecraft fish sheep deer headquarters".split())
_NOT_PLURAL = frozenset(
    """
    always perhaps this his its was has does chess news physics mathematics politics economics
    athletics gymnastics genetics linguistics atlas canvas gas lens thanks yes towards besides
    overseas
    """.split()
)


def is_plural(word: str) -> bool:
    """Whether a word looks like a plural noun."""
    low = word.lower()
    if low in _IRREGULAR or low in _UNCHANGED:
        return True
    if low in _NOT_PLURAL or len(low) < 4 or low.endswith("'s"):
        return False
    man = low.endswith(("women", "men")) and low not in {"specimen", "regimen", "abdomen"}
    return man or (low.endswith("s") and not low.endswith(("ss", "us", "is")))


def singular(noun: str) -> str:
    """The singular of a noun, the word itself where it has none; the case of letters stays."""
    low = noun.lower()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if not is_plural(noun) or low in _UNCHANGED:
        return noun
    if low.endswith("men"):
        return noun[:-2] + "an"
    if low.endswith("ies"):
        return noun[:-3] + "y"
    if low.endswith(("sses", "shes", "ches", "xes", "zzes", "oes", "ruses", "tuses", "puses")):
        return noun[:-2]
    if low.endswith("wolves"):
        return noun[:-3] + "f"
    return noun[:-1]


def is_verb(word: str) -> bool:
    """Whether a word is a verb in the present or past that questions are asked with."""
    low = word.lower()
    if low in _VERBS or low in _PASTS:
        return True
    stems = {"s": low[:-1], "es": low[:-2], "ies": low[:-3] + "y"}
    return any(low.endswith(ending) and stem in _VERBS for ending, stem in stems.items())


def is_past(word: str) -> bool:
    """Whether a word looks like a verb's past or participle."""
    return word.lower() in _PASTS or word.lower().endswith("ed")


def is_noun(word: str) -> bool:
    """Whether a word is the head noun of one of the shipped kinds, in either number."""
    return singular(word).lower() in _nouns()


@cache
def _nouns() -> frozenset[str]:
    kinds = files("ner_retriever_rag.encoder").joinpath("kinds.txt").read_text(encoding="utf-8")
    return frozenset(kind.split()[-1] for kind in kinds.splitlines())
