"""Runs axe-core on the current page. If the same part of the stylesheet applies, only rules that measure can differ."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

THEMES = ("light", "dark")
# Rules that measure colours and space on the screen. All other rules read the document, including its hidden parts.
MEASURING = ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size")
# With reduced motion, colours follow the theme within a frame.
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Every media condition of a stylesheet or an element, with whether it is met. light-dark() is no such condition, and it
# affects only colours.
CONDITIONS = """() => {
  const within = rules => [...rules].flatMap(rule => [rule.media?.mediaText, ...within(rule.cssRules ?? [])])
  const sheets = [...document.styleSheets].flatMap(sheet => within(sheet.cssRules))
  const elements = [...document.querySelectorAll('source, link, style')].map(element => element.media)
  return [...sheets, ...elements].filter(Boolean).map(media => `${media}: ${matchMedia(media).matches}`).join()
}"""


def violations(page: Page, *, rules: tuple[str, ...] = ()) -> list[str]:
    """The violations that axe finds by `rules`, or by all its rules, one sentence each. The script stays on the page
    for the next run.
    """
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    broken = page.evaluate("options => axe.run(document, options).then(found => found.violations)", options)
    return [
        f"{rule['id']}: {node['target'][0]} {node['failureSummary'].splitlines()[-1].strip()}"
        for rule in broken
        for node in rule["nodes"]
    ]


class Looks:
    """Checks one page in one theme and size after the other. All rules run again only if other media conditions are
    met.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self._seen: set[str] = set()

    def violations(self, theme: str) -> list[str]:
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        self.page.evaluate(TWO_FRAMES)
        conditions = self.page.evaluate(CONDITIONS)
        rules = MEASURING if conditions in self._seen else ()
        self._seen.add(conditions)
        return violations(self.page, rules=rules)
