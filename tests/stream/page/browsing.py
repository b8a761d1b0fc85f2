"""A real Chromium that looks at pages of runs."""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE_S = 100.0
_RATE = re.compile(r"([\d.]+)(?: ± ([\d.]+))? (MHz|kHz|Hz)")
_UNITS = {"MHz": 1e6, "kHz": 1e3, "Hz": 1.0}


class Browser:
    """A window of some width on a page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.wait(lambda: self.js("return document.documentElement.dataset.shown !== undefined"))

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """What the condition is, once it is true."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.1)
        raise AssertionError(f"it did not come to that; the page says: {self.js('return document.body.innerText')}")

    def text(self, selector: str) -> str:
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def rows(self, table: str) -> list[list[str]]:
        """The cells of a table's body."""
        script = "return [...arguments[0].tBodies[0].rows].map((r) => [...r.cells].map((c) => c.textContent))"
        return self.js(script, self.element(f"#{table}"))

    def element(self, selector: str) -> Any:
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        element = self.element(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def press(self, key: str) -> None:
        """A key, for whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(key).perform()

    def choose(self, selector: str, value: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.element(selector)).select_by_value(value)

    def complaints(self) -> list[str]:
        """What the console was told that is an error or a warning."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@contextmanager
def browser(width: int, height: int = 900, is_dark: bool = False) -> Iterator[Browser]:
    """A headless Chromium; skips where there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install '.[dev]'")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(chromedriver))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield Browser(driver)
    finally:
        driver.quit()


def rate_hz(text: str) -> Any:
    """The rate that a text tells, to be compared with one that is not rounded."""
    if text == "0":
        return 0.0
    match = _RATE.fullmatch(text)
    assert match, f"{text!r} is no rate"
    number, _, unit = match.groups()
    # With an error as many digits as are written, else three.
    digits = len(number.partition(".")[2]) if "±" in text else 2 - math.floor(math.log10(float(number)))
    return pytest.approx(float(number) * _UNITS[unit], abs=0.51 * 10.0**-digits * _UNITS[unit])
