"""Chromium without a window, as the tests and the pictures of the docs use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found(*names: str) -> str:
    """The first of some programs that is installed."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    raise AssertionError(
        f"none of {', '.join(names)} is installed, and the page is tested in a browser: on Debian, "
        "apt-get install chromium chromium-driver"
    )


class Browser:
    """One that opens pages from disk, and remembers what they asked for and complained of."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, page: Path, fragment: str = "") -> None:
        """A page anew; what earlier ones said is forgotten."""
        self.driver.get("about:blank")
        self.console(), self.requests()
        self.driver.get(page.as_uri() + fragment)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, seconds: float = 60.0) -> Any:
        """Until a script in the page returns something true."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, seconds, 0.05).until(lambda d: d.execute_script(script))

    def console(self) -> list[str]:
        """What was complained of since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since it was last asked."""
        entries = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [e["params"] for e in entries if e["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def size(self, width: int, height: int) -> None:
        """Of the window, in CSS pixels."""
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)

    def scheme(self, name: str) -> None:
        """Light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def draw_all(self) -> None:
        """Every figure, whether it is in view or not."""
        said = self.driver.execute_async_script(
            "const done = arguments[0], all = [...document.querySelectorAll('[data-figure]')];"
            "withPlotly().then((P) => Promise.all(all.map((each) => drawFigure(P, each))))"
            ".then(() => done(''), (error) => done(String(error)))"
        )
        assert said == ""


def follow(browser: Browser, fragment: str) -> None:
    """A link within the page."""
    browser.run("location.hash = arguments[0]; openFromHash(); testsFromHash()", fragment)


def text_of(browser: Browser, selector: str) -> str:
    text: str = browser.run("return document.querySelector(arguments[0]).textContent", selector)
    return text


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, until it is not needed any more."""
    options = webdriver.ChromeOptions()
    options.binary_location = found(*BROWSERS)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found("chromedriver")))
    driver.set_script_timeout(240)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
