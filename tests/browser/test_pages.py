"""Every page in headless Chromium: nothing foreign, nothing unreadable, nothing beside the screen."""

import httpx
import pytest

from services.worklist_api.pages.rendering import BUILT
from tests.browser.seeding import BASELINE, CURRENT, FAILED, RADIOGRAPH, STANDING

PHONE = (390, 844)
PAGES = [
    "/",
    f"/exams/{CURRENT}",
    f"/exams/{RADIOGRAPH}",
    f"/exams/{STANDING}",
    "/exams/2.25.5",
    f"/exams/{CURRENT}/trends",
    f"/exams/{RADIOGRAPH}/radiographs",
    "/operator",
    f"/operator/exams/{FAILED}",
    f"/rules?exam={CURRENT}",
    "/docs",
]

WITH_IMAGES = (f"/exams/{CURRENT}", f"/exams/{STANDING}", f"/exams/{RADIOGRAPH}/radiographs")
"""Pages whose policy allows the codecs of an image viewer."""

CONTRAST = """() => {
  const lightness = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha] = channels(getComputedStyle(at).backgroundColor);
      if (alpha === undefined || alpha > 0.5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("script, [disabled], .overlay")) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [lightness(channels(ink).slice(0, 3)), lightness(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""

AXE = BUILT.parent / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIOLATIONS = """(tags) => axe.run({ runOnly: { type: "tag", values: tags } }).then((found) =>
  found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`)))"""

UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, button, a[href], img")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.getAttribute("aria-label") || each.textContent.trim() || each.hasAttribute("alt")
    || each.querySelector("img[alt]") || each.labels?.length || each.title))
  .map((each) => each.outerHTML.slice(0, 80))"""


def check_manners(visit, path):
    """Nothing foreign, no complaint, nothing beside the screen, no barrier by WCAG 2.2 AA and axe's own advice."""
    status = visit.open(path).status
    assert status == (404 if path.endswith("2.25.5") else 200)
    missing = "Failed to load resource: the server responded with a status of 404 (Not Found)"
    assert visit.complaints == ([missing] if status == 404 else [])
    assert visit.hosts == {visit.address.removeprefix("http://")}
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visit.page.evaluate(AXE.read_text(encoding="utf-8"))
    assert visit.page.evaluate(VIOLATIONS, WCAG) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_keeps_to_itself_and_can_be_read_by_everybody(visit, path):
    """Contrast of WCAG AA, a name for every control, one heading."""
    check_manners(visit, path)
    assert visit.page.evaluate(CONTRAST) == []
    assert visit.page.evaluate(UNNAMED) == []
    assert visit.page.locator("h1").count() == 1


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_a_phone(visit, path):
    check_manners(visit, path)


def test_axe_finds_a_barrier_that_is_there(visit):
    visit.open("/")
    visit.page.evaluate(AXE.read_text(encoding="utf-8"))
    visit.page.evaluate("document.querySelector('input[name=search]').closest('label').replaceWith('Search')")
    visit.page.evaluate("document.body.append(Object.assign(document.createElement('input'), { type: 'text' }))")
    assert any(each.startswith("label") for each in visit.page.evaluate(VIOLATIONS, WCAG))


def test_the_contrast_measure_finds_a_poor_one(visit):
    visit.open("/")
    visit.page.evaluate("document.querySelector('h1').style.color = 'rgb(60, 60, 60)'")
    assert len(visit.page.evaluate(CONTRAST)) == 1


def test_the_keyboard_reaches_the_content_first_and_shows_where_it_is(visit):
    visit.open("/")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "Skip to content"
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_no_page_runs_what_is_not_its_own_script(site):
    for path in PAGES:
        policy = httpx.get(f"{site.address}{path}", timeout=10).headers["content-security-policy"]
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert ("wasm-unsafe-eval" in policy) == (path in WITH_IMAGES)


def test_trends_show_every_exam_with_its_interval(visit):
    visit.open(f"/exams/{BASELINE}/trends")
    margins = visit.page.locator("section", has=visit.page.get_by_role("heading", name="Spacer position L4-L5"))
    assert margins.locator("circle.value").count() == 2
    assert "threshold 2.0" in margins.locator("svg").text_content()


def test_rules_are_tried_on_a_past_exam(visit):
    visit.open("/rules")
    assert visit.page.locator("tr.is-fired").count() == 0
    visit.page.get_by_label("Try on a past exam").select_option(CURRENT)
    visit.page.get_by_role("button", name="Try").click()
    assert "spacer-migration" in " ".join(visit.page.locator("tr.is-fired").all_inner_texts())
