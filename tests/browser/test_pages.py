"""The pages in headless Chromium: what a reader sees, on a desk and on a phone."""

import sys

import pytest

DESK, TABLET, PHONE = (1440, 900), (820, 1180), (390, 844)
PAGES = ["/", "/exams/2.25.771", "/exams/2.25.774", "/exams/2.25.5", "/docs"]

CONTRAST = """() => {
  const lightness = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha] = channels(getComputedStyle(at).backgroundColor);
      if (alpha === undefined || alpha > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [lightness(channels(style.color).slice(0, 3)), lightness(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("visit", [DESK, TABLET, PHONE], indirect=True)
@pytest.mark.parametrize("path", PAGES)
def test_no_page_complains_asks_other_hosts_or_scrolls_sideways(visit, path):
    status = visit.open(path).status
    assert status == (404 if path.endswith("2.25.5") else 200)
    expected = (
        ["Failed to load resource: the server responded with a status of 404 (Not Found)"] if status == 404 else []
    )
    assert visit.complaints == expected
    assert visit.hosts == {visit.address.removeprefix("http://")}
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("path", PAGES)
def test_every_text_has_the_contrast_of_wcag_aa(visit, path):
    visit.open(path)
    assert visit.page.evaluate(CONTRAST) == []


def test_the_contrast_measure_finds_a_poor_one(visit):
    visit.open("/")
    visit.page.evaluate("document.querySelector('h1').style.color = 'rgb(60, 60, 60)'")
    assert len(visit.page.evaluate(CONTRAST)) == 1


def test_the_most_urgent_exam_is_on_top_and_opens_its_reasons(visit):
    visit.open("/")
    marks = visit.page.locator("table.worklist .priority").all_inner_texts()
    assert marks == ["STAT", "URGENT", "ROUTINE", "ROUTINE"]
    visit.page.locator("table.worklist a.exam").first.click()
    assert "1.4 mm behind the posterior wall" in visit.page.locator("h1").inner_text()
    assert visit.page.locator(".finding.is-positive .status").inner_text() == "Positive"
    loaded = visit.page.locator("figure img").evaluate("image => image.complete && image.naturalWidth")
    assert loaded == 640


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
def test_on_a_phone_the_reason_comes_right_after_the_priority(visit):
    visit.open("/")
    first = visit.page.locator("table.worklist tbody tr").first
    priority = first.locator("td[data-label=Priority]").bounding_box()
    why, patient = first.locator("td.why").bounding_box(), first.locator("td[data-label=Patient]").bounding_box()
    assert priority["y"] < why["y"] < patient["y"]


def test_the_keyboard_reaches_the_content_first(visit):
    visit.open("/")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "Skip to content"


def test_the_page_is_painted_and_says_how_fast(visit, capsys):
    visit.open("/")
    visit.page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    painted_ms = visit.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    with capsys.disabled():
        sys.stdout.write(f"\n  worklist painted after {painted_ms:.0f} ms\n")
    assert painted_ms > 0
