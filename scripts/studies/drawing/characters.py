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
ISLAND_FACES = (("10", "02", "06"), ("19", "02", "06"), ("10", "08", "04"), ("09", "16", "04"), ("22", "05", "06"))
LINE_FACES = (
    ("eyes", "smile", "up"),
    ("smiling", "smile", "up"),
    ("eyes", "surprised", "up"),
    ("round", "laughing", "up"),
    ("smiling", "laughing", "eyelashesUp"),
)
GARDEN_FACES = (("open", "smile"), ("sleep", "smile"), ("open", "surprise"), ("happy", "bigSmile"), ("wink", "lips"))
PLAIN_HEAD: Traits = tuple((f"{extra}Probability", 0) for extra in ("details", "earrings", "glasses"))
PLAIN_ISLANDER: Traits = tuple(
    (f"{extra}Probability", 0) for extra in ("beard", "earrings", "freckles", "glasses", "hairAccessories")
)
PLAIN_TRAVELLER: Traits = tuple((f"{extra}Probability", 0) for extra in ("earrings", "facialHair", "glasses"))
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


def islander(name: str, hair: str, colour: str, skin: str, clothes: str) -> tuple[Person, ...]:
    """Return the drawings of a person in the hidden show island: brush lines, solid hair."""
    look: Traits = (("hairVariant", f"variant{hair}"), ("hairColor", colour), ("skinColor", skin), *PLAIN_ISLANDER)
    look = (*look, ("headVariant", "variant03"), ("noseVariant", "variant02"))
    faces: list[Traits] = [
        (
            *(("eyesVariant", f"variant{eyes}"), ("mouthVariant", f"happy{mouth}")),
            ("eyebrowsVariant", f"variant{brows}"),
        )
        for eyes, mouth, brows in ISLAND_FACES
    ]
    return tuple(Person(name, "lorelei", look, each, clothes) for each in faces)


def traveller(name: str, hair: str, colour: str, skin: str, clothes: tuple[str, str]) -> tuple[Person, ...]:
    """Return the drawings of a person in the hidden show line: bold outlines of one width."""
    look: Traits = (
        *(("hairVariant", hair), ("hairColor", colour), ("hairProbability", 100), ("baseColor", skin)),
        *(("clothesVariant", clothes[0]), ("shirtColor", clothes[1]), *PLAIN_TRAVELLER),
    )
    return tuple(Person(name, "micah", look, face(*words)) for words in LINE_FACES)


def gardener(name: str, hair: str, colour: str, skin: str, clothes: tuple[str, str]) -> tuple[Person, ...]:
    """Return the drawings of a person in the hidden show garden: flat colours without outlines."""
    look: Traits = (
        *(("hairVariant", hair), ("hairColor", colour), ("skinColor", skin), ("facialHairProbability", 0)),
        *(("clothesVariant", clothes[0]), ("clothingColor", clothes[1])),
    )
    faces: list[Traits] = [(("eyesVariant", eyes), ("mouthVariant", mouth)) for eyes, mouth in GARDEN_FACES]
    return tuple(Person(name, "personas", look, each) for each in faces)


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

NAMI = islander("nami", "13", "#2b3f6b", "#f2d3b1", "#e9eef5")
TETSU = islander("tetsu", "27", "#6b3a2a", "#e3b58c", "#35506b")
KOHARU = islander("koharu", "23", "#b5532f", "#f5dcc2", "#c94f6d")

ROSA = traveller("rosa", "full", "#7a2f1d", "#f9c9b6", ("collared", "#6bd9e9"))
EMIL = traveller("emil", "dougFunny", "#2a2a33", "#ac6651", ("crew", "#fc909f"))
LENA = traveller("lena", "pixie", "#f4d150", "#f9c9b6", ("open", "#9287ff"))

FLORA = gardener("flora", "pigtails", "#6c4545", "#eeb4a4", ("checkered", "#6dbb58"))
OTTO = gardener("otto", "curly", "#f29c65", "#e5a07e", ("squared", "#456dff"))
WILMA = gardener("wilma", "bobBangs", "#362c47", "#e7a391", ("rounded", "#f3b63a"))
