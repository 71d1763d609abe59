"""The exam page in a browser: the reading from claim to opinion, the images in one frame, landmarks, paper."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from plumbline.adapters.database.news import DatabaseNews
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.exams.identity import IdentityPolicy
from plumbline.observability.clock import SystemClock
from plumbline.worklist.states import State
from tests.browser.conftest import until
from tests.browser.figures import note
from tests.browser.seeding import BASELINE, CURRENT, FAILED, RADIOGRAPH, STANDING

PHONE = (390, 844)
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
STILLS_PAINTED_S = """() => new Promise((resolve) => new PerformanceObserver((list) => resolve(
  Math.max(...list.getEntries().map((entry) => entry.renderTime)) / 1000,
)).observe({ type: "element", buffered: true }))"""
CORRELATION = """() => {
  const pixels = [...document.querySelectorAll("#viewer .pane canvas")].map((canvas) => {
    const { width, height } = canvas;
    const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    return Array.from({ length: data.length / 4 }, (_, index) => data[4 * index]);
  });
  const [a, b] = pixels;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((value, index) => {
    const [x, y] = [value - ma, (b[index] ?? 0) - mb];
    ab += x * y; aa += x * x; bb += y * y;
  });
  return ab / Math.sqrt(aa * bb);
}"""


def loaded(page):
    until(page, "document.getElementById('viewer').dataset.loaded === 'yes'", 60)
    page.wait_for_timeout(500)


def test_the_page_says_what_against_what_and_how_certainly(visit):
    visit.open(f"/exams/{CURRENT}")
    assert "spacer is not where it was" in visit.page.locator("h1").inner_text()
    basis = visit.page.locator(".basis").inner_text()
    assert "± " in basis
    assert "Compared with the baseline of 6 Mar 2026." in basis
    assert "confidence" in basis


def test_the_timeline_has_the_operation_the_chosen_and_the_others(visit):
    visit.open(f"/exams/{CURRENT}")
    moments = visit.page.locator(".moment").all_inner_texts()
    assert [text.splitlines()[0] for text in moments] == ["2 Mar 2026", "6 Mar 2026", "8 Jun 2026", "Date not known"]
    assert "TLIF L4-L5" in moments[0]
    assert "first comparable CT" in moments[1]
    assert "It shows the chest." in moments[3]
    assert "No preoperative exam is in the archive." in visit.page.locator(".missing").inner_text()


def test_both_exams_are_shown_in_one_frame_and_move_together(visit, capsys):
    visit.open(f"/exams/{CURRENT}")
    page = visit.page
    until(page, PAINTED)
    stills_s = page.evaluate(STILLS_PAINTED_S)
    loaded(page)
    together = page.evaluate(CORRELATION)
    assert together > 0.9
    outlines = "[...document.querySelectorAll('#viewer .outline')].map((path) => path.getAttribute('d').length > 20)"
    assert page.evaluate(outlines) == [True] * 4
    assert all("± " in told for told in page.locator("#viewer .told").all_text_contents())
    before = page.evaluate("[...document.querySelectorAll('#viewer .outline')].map((path) => path.getAttribute('d'))")
    page.locator(".pictures").hover()
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(300)
    after = page.evaluate("[...document.querySelectorAll('#viewer .outline')].map((path) => path.getAttribute('d'))")
    assert all(one != other for one, other in zip(before, after, strict=True))
    page.get_by_role("button", name="Fade").click()
    undistorted = """[...document.querySelectorAll('#viewer canvas')].every((canvas) =>
      Math.abs(canvas.width / canvas.height - canvas.clientWidth / canvas.clientHeight) < 0.02)"""
    visit.wait_until(undistorted)
    assert page.evaluate("document.querySelector('#viewer canvas').clientWidth") > 1000
    marks = page.evaluate("performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime / 1000])")
    seconds = dict(marks)
    note(
        capsys,
        exam_first_paint_s=page.evaluate(PAINTED) / 1000,
        exam_registered_stills_s=stills_s,
        exam_viewer_first_slices_s=seconds["viewer-first"],
        exam_viewer_complete_s=seconds["viewer-complete"],
    )
    assert visit.complaints == []


def test_both_exams_are_seen_in_one_frame_before_and_without_any_script(chromium, site):
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{site.address}/exams/{CURRENT}", wait_until="networkidle")
    boxes = []
    for kind in ("current", "reference"):
        pane = page.locator(f"[data-pane={kind}]")
        shown = np.asarray(Image.open(io.BytesIO(pane.screenshot())).convert("L"), dtype=float)
        boxes.append(shown[: shown.shape[0] // 10 * 10, : shown.shape[1] // 10 * 10])
    context.close()
    assert min(each.max() for each in boxes) > 250, "the metal of the spacer is in neither or one of them only"
    width = min(each.shape[1] for each in boxes)
    together = np.corrcoef(*(each[:, :width].ravel() for each in boxes))[0, 1]
    assert together > 0.8


def test_the_stills_turn_to_the_plane_that_is_asked_for(visit):
    visit.page.route("**/images", lambda _route: None)  # so that the volumes never come
    visit.open(f"/exams/{CURRENT}")
    shown = visit.page.locator("#viewer .still [data-plane]:not([hidden])")
    assert [each.get_attribute("data-plane") for each in shown.all()] == ["sagittal", "sagittal"]
    visit.page.get_by_role("button", name="Axial").click()
    visit.wait_until(
        "[...document.querySelectorAll('.still [data-plane=axial]')].every((each) => !each.hasAttribute('hidden'))"
    )
    assert [each.get_attribute("data-plane") for each in shown.all()] == ["axial", "axial"]
    visit.page.unroute_all(behavior="ignoreErrors")


def test_without_the_transform_the_images_would_not_lie_over_each_other(visit):
    """So that the test before this one can fail."""

    def displaced(route):
        answer = route.fetch()
        body = answer.text().replace('"translation_mm": [', '"translation_mm": [9.0, 12.0, 9.0], "was": [')
        route.fulfill(response=answer, body=body)

    visit.page.route(f"**/exams/{CURRENT}", displaced)
    visit.open(f"/exams/{CURRENT}")
    loaded(visit.page)
    assert visit.page.evaluate(CORRELATION) < 0.9


def test_the_reference_can_be_faded_and_blinked_over_the_current_exam(visit):
    visit.open(f"/exams/{CURRENT}")
    page = visit.page
    page.get_by_role("button", name="Fade").click()
    boxes = [page.locator(f"[data-pane={kind}]").bounding_box() for kind in ("current", "reference")]
    assert boxes[0] == boxes[1]
    page.get_by_label("How much of the reference").fill("20")
    opacity = "document.querySelector('[data-pane=reference]').style.opacity"
    assert page.evaluate(opacity) == "0.2"
    page.get_by_role("button", name="Blink").click()
    until(page, f"{opacity} === '0'", 3)
    until(page, f"{opacity} === '1'", 3)
    page.get_by_role("button", name="Side by side").click()
    assert page.evaluate(opacity) == "1"


def test_an_open_page_says_that_somebody_has_claimed_its_reading(visit, site):
    visit.open(f"/exams/{RADIOGRAPH}")
    news = visit.page.locator("#news")
    visit.page.wait_for_timeout(700)
    assert news.is_hidden()
    worklist = DatabaseWorkitems(site.store, SystemClock())
    worklist.change_state(f"{RADIOGRAPH}.77", State.IN_PROGRESS, transaction_uid="2.25.4711")
    news.wait_for(timeout=8000)
    assert "Somebody has claimed this reading." in news.inner_text()


def test_other_viewers_open_with_both_exams_chosen(visit):
    visit.open(f"/exams/{CURRENT}")
    link = visit.page.get_by_role("link", name="Open in OHIF").get_attribute("href")
    assert link == f"https://ohif.invalid/viewer?StudyInstanceUIDs={CURRENT},{BASELINE}"


def test_on_paper_there_are_findings_and_evidence_and_no_controls(visit):
    visit.open(f"/exams/{CURRENT}")
    visit.page.emulate_media(media="print")
    assert visit.page.locator("#viewer").is_hidden()
    assert visit.page.locator(".reading form").is_hidden()
    assert visit.page.locator("nav").first.is_hidden()
    assert visit.page.locator(".finding").first.is_visible()
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("visit", [PHONE], indirect=True)  # where the images wait until they are asked for
def test_a_reading_is_claimed_once_and_finished_with_an_opinion(visit, chromium, site):
    address = f"/exams/{BASELINE}"
    visit.introduce("Ada Reader", address)
    visit.page.get_by_role("button", name="Claim").click()
    assert "with Ada Reader" in visit.page.locator(".verdict").inner_text()
    other = chromium.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}).new_page()
    other.goto(f"{site.address}{address}")
    other.get_by_label("Your name").fill("Bob Other")
    other.get_by_role("button", name="Continue").click()
    assert "Ada Reader has this reading." in other.locator(".reading").inner_text()
    other.context.close()
    visit.page.get_by_label("What you see instead").fill("The marker is a clip.")
    visit.page.get_by_role("button", name="Disagree").click()
    assert "Ada Reader disagreed" in visit.page.locator(".reading").inner_text()
    assert "The marker is a clip." in visit.page.locator(".reading").inner_text()
    stored = httpx.get(f"{site.address}/dicom-web/workitems/{BASELINE}.77", timeout=10).json()[0]
    assert stored["00741000"]["Value"] == ["COMPLETED"]
    performed = stored["00741216"]["Value"][0]
    assert "The marker is a clip." in performed["00400280"]["Value"][0]
    assert "00081195" not in stored


@pytest.mark.parametrize("path", ["claim", "agree", "disagree"])
def test_nobody_reads_without_a_name_or_from_a_page_of_another_site(site, path):
    answer = httpx.post(f"{site.address}/exams/{CURRENT}/{path}", data={"reason": "x"}, timeout=10)
    assert answer.status_code == 403
    foreign = httpx.post(
        f"{site.address}/session", data={"reader": "Eve"}, headers={"Origin": "http://evil.example"}, timeout=10
    )
    assert foreign.status_code == 403


def test_landmarks_are_set_moved_and_removed_and_have_their_author(visit, site):
    address = f"/exams/{RADIOGRAPH}/radiographs"
    visit.introduce("Ada Reader", address)
    page = visit.page
    until(page, "document.getElementById('radiographs').dataset.loaded === 'yes'", 30)
    box = page.locator(".radiographs .pane").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x, y)
    page.locator("[data-list] tr").wait_for()

    def kept():
        return httpx.get(f"{site.address}/api/exams/{RADIOGRAPH}/landmarks", timeout=10).json()["landmarks"]

    (first,) = kept()
    assert (first["name"], first["author"]) == ("S1 superior endplate anterior", "Ada Reader")
    assert first["column"] == pytest.approx(150, abs=1.5)
    assert first["row"] == pytest.approx(200, abs=1.5)
    with page.expect_response("**/landmarks"):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 40, y, steps=4)
        page.mouse.up()
    (moved,) = kept()
    assert moved["column"] > first["column"] + 5
    assert moved["row"] == pytest.approx(first["row"], abs=1.0)
    page.locator(".radiographs .pane").focus()
    with page.expect_response("**/landmarks"):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
    (nudged,) = kept()
    assert nudged["column"] == pytest.approx(moved["column"] + 1, abs=0.01)
    assert nudged["row"] == pytest.approx(moved["row"] + 10, abs=0.01)
    with page.expect_response("**/landmarks"):
        page.get_by_role("button", name="Remove").click()
    assert kept() == []


def test_landmarks_are_measured_and_go_into_the_report_with_their_author(visit, site):
    visit.introduce("Ora Reader", f"/exams/{STANDING}/radiographs")
    page = visit.page
    page.get_by_role("heading", name="Measured from the landmarks").wait_for(timeout=30_000)
    angles = page.locator("[data-measured] tbody").inner_text()
    assert "Pelvic incidence" in angles
    assert "Lumbar lordosis" in angles
    assert "set by Ada Reader" in page.locator("[data-reasons]").inner_text()
    page.get_by_role("button", name="Put into the report").click()
    page.get_by_text("a new result appears on the exam's page").wait_for()
    told = DatabaseNews(site.store, SystemClock(), IdentityPolicy(None)).unsettled(STANDING)
    assert told is not None
    assert told.reasons == ("A reader set landmarks on its radiographs.",)
    visit.open(f"/exams/{STANDING}")
    finding = page.locator(".finding").inner_text()
    assert "Landmarks set by Ada Reader: S1 superior endplate anterior" in finding
    visit.open(f"/operator/exams/{STANDING}")
    assert "Had the landmarks put into the report" in page.locator("#history").inner_text()


def test_a_failed_step_opens_to_its_path_and_is_done_again(visit):
    visit.introduce("Ora Operator", "/operator")
    page = visit.page
    row = page.locator("#failures tbody tr")
    assert "The worker ended each time" in row.inner_text()
    row.get_by_role("link").click()
    assert "compare" in page.locator("tr.is-failed").first.inner_text()
    history = page.locator("#history tbody").inner_text()
    for told in ("compare failed for good", "lost its worker", "The dataset ends inside an element.", "First image"):
        assert told in history
    page.get_by_role("button", name="Do again").click()
    page.wait_for_url(f"**/operator/exams/{FAILED}")
    assert page.locator("section:not(#history) tr.is-failed").count() == 0
    assert "Had the step compare done again" in page.locator("#history tbody tr").first.inner_text()
    visit.open("/operator")
    assert "Ora Operator" in page.locator("#deeds").inner_text()
    assert "Nothing failed." in page.locator("#failures").inner_text()


def test_what_was_not_delivered_is_sent_again(visit):
    visit.introduce("Ora Operator", "/operator")
    letter = visit.page.locator("#undelivered tr.is-failed")
    assert "The receiver rejected the message (AR)." in letter.inner_text()
    with visit.page.expect_navigation():
        letter.get_by_role("button", name="Send again").click()
    assert visit.page.locator("#undelivered tr.is-failed").count() == 0
    assert "a delivery to ris sent again" in visit.page.locator("#deeds").inner_text()
