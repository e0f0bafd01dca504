"""Pictures of a page for the docs: `make pictures` writes the demo's again.

python -m tests.report.page.pictures report.html docs/pictures [NAME]
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from tests.report.page.browser import Browser, chromium

COLOURS = 256  # of a palette: a third of the bytes, and nobody sees it
CELL = "#cell=check_delta_ce_growth%5Bblocks.0.hook_resid_pre-64%3A254%5D"
# Name, width and height, light or dark, and what is looked at.
PICTURES = (
    ("page", 1280, 1180, "light", ""),
    ("page-figures", 1280, 860, "light", "#figure-context"),
    ("page-cell", 1280, 900, "dark", CELL),
    ("page-400", 400, 900, "light", ""),
)
# Of other pages than the demo's: taken where they are named.
OTHERS = (
    ("fault-page", 1280, 400, "light", "#map-filters"),
    ("regression-page", 1280, 900, "light", "#figure-regression"),
)


def main(page: Path, folder: Path, only: str = "") -> None:
    """Take the pictures of a page, or the one of this name."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        wanted = [each for each in (*PICTURES, *OTHERS) if each[0] == only] or PICTURES
        for name, width, height, scheme, fragment in wanted:
            browser.size(width, height)
            browser.scheme(scheme)
            browser.open(page.resolve(), fragment)
            if fragment.startswith("#figure"):
                browser.draw_all()
            if fragment.startswith(("#figure", "#map")):
                browser.run("document.querySelector(arguments[0]).scrollIntoView()", fragment)
            take(browser, folder / f"{name}.png")


def take(browser: Browser, file: Path) -> None:
    """What is in the window, with few colours."""
    shot = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    shot.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        file, optimize=True
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
