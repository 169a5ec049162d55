"""Take a picture of the page in a real Chromium: `python -m tools.screenshot URL OUT.png`.

--width N --height N   size in CSS pixels (1280 x 900)
--wait SELECTOR        what must be there first (default: a value in the table of sites)
--dark                 the dark colours
--full                 the whole page, not only what fits
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from tools.chromium import find
from tools.npm import NpmError

VALUE = "#sites [data-value]"


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--wait", default=VALUE)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args(arguments)
    try:
        chromium = find(lambda line: print(f"chromium: {line}", flush=True))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=str(chromium.path), args=list(chromium.flags), env={**chromium.environment}
            )
            # Without a locale Chromium reports a language that uPlot cannot read.
            page = browser.new_page(
                viewport={"width": options.width, "height": options.height},
                locale="nl-BE",
                timezone_id="Europe/Brussels",
                color_scheme="dark" if options.dark else "light",
            )
            page.goto(options.url)
            page.wait_for_selector(options.wait, timeout=30_000)
            page.wait_for_timeout(800)  # map and chart draw after the values
            options.out.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(options.out), full_page=options.full)
            browser.close()
    except (NpmError, BrowserError) as error:
        print(f"screenshot: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    print(f"screenshot: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
