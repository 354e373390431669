"""The characters: drawings of each person, one for each face.

The faces have the same order for everyone: at rest, eyes shut, then the mouth open in two or three ways. So the same
exposure sheet, such as a blink, fits all.
"""

from __future__ import annotations

from .people import Person, Traits

SCHOOL_FACES = (("26", "02", "10"), ("20", "02", "10"), ("26", "03", "11"), ("26", "25", "08"), ("19", "26", "03"))
EVENING_FACES = (
    ("wide", "smile", "neutral"),
    ("bow", "smile", "neutral"),
    ("happy", "agape", "raised"),
    ("wide", "laugh", "happy"),
    ("humble", "sad", "sad"),
)
CITY_FACES = ("smile", "calm", "awe", "explaining", "smileBig")
PLAIN_HEAD: Traits = tuple((f"{extra}Probability", 0) for extra in ("details", "earrings", "glasses"))
PLAIN_FACE: Traits = tuple((f"{extra}Probability", 0) for extra in ("mask", "facialHair", "accessories"))


def face(eyes: str, mouth: str, brows: str) -> Traits:
    return (("eyesVariant", eyes), ("mouthVariant", mouth), ("eyebrowsVariant", brows))


def pupil(name: str, hair: str, colour: str, skin: str, clothes: str) -> tuple[Person, ...]:
    """Return the drawings of a person in the show school: ink outlines, flat colours."""
    look: Traits = (("hairVariant", hair), ("hairColor", colour), ("skinColor", skin), *PLAIN_HEAD)
    faces = [face(*(f"variant{number}" for number in numbers)) for numbers in SCHOOL_FACES]
    return tuple(Person(name, "adventurer", look, each, clothes) for each in faces)


def neighbour(name: str, hair: str, behind: str, colour: str, clothes: tuple[str, str]) -> tuple[Person, ...]:
    """Return the drawings of a person in the show evening: hairline outlines, two tones."""
    look: Traits = (
        *(("hairVariant", hair), ("hairColor", colour), ("skinColor", "#f1c3a5"), ("beardProbability", 0)),
        *(("rearHairVariant", behind or "neckHigh"), ("rearHairProbability", 100 if behind else 0)),
        *(("clothesVariant", clothes[0]), ("clothesColor", clothes[1])),
    )
    return tuple(Person(name, "toon-head", look, face(*words)) for words in EVENING_FACES)


def citizen(name: str, head: str, colour: str, skin: str, clothes: str) -> tuple[Person, ...]:
    """Return the drawings of a person in the show city: thick ink outlines."""
    look: Traits = (("headVariant", head), ("headContrastColor", colour), ("skinColor", skin), *PLAIN_FACE)
    look = (*look, ("clothingColor", clothes))
    return tuple(Person(name, "open-peeps", look, (("expressionVariant", word),)) for word in CITY_FACES)


MIKA = pupil("mika", "long12", "#562306", "#f2d3b1", "#5b8fd6")
RIN = pupil("rin", "long08", "#dba3be", "#f2d3b1", "#f2f2f5")
SORA = pupil("sora", "long04", "#85c2c6", "#f2d3b1", "#33415c")
TARO = pupil("taro", "short16", "#b9a05f", "#ecad80", "#c0392b")
KEN = pupil("ken", "short08", "#222244", "#f2d3b1", "#2f6d5a")
YUI = pupil("yui", "long19", "#3eac2c", "#f2d3b1", "#e6b04a")

HANA = neighbour("hana", "sideComed", "longWavy", "#d9738a", ("dress", "#731ac3"))
JUN = neighbour("jun", "spiky", "", "#3c5fa0", ("openJacket", "#b11f1f"))
MAI = neighbour("mai", "bun", "shoulderHigh", "#7a4a9a", ("turtleNeck", "#eab308"))

ADA = citizen("ada", "bangs", "#c93305", "#ffdbb4", "#78e185")
BO = citizen("bo", "pomp", "#b58143", "#edb98a", "#e78276")
IDA = citizen("ida", "mediumBangs2", "#e8e1e1", "#ffdbb4", "#e279c7")
