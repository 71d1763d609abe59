"""The worklist in a browser: order, filters, keys, live updates, ten thousand rows."""

import re
import time
from datetime import timedelta

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.tables import WorkitemRow
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.observability.clock import SystemClock
from plumbline.settings import Settings
from plumbline.testing import invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from tests.browser.conftest import Visit, served, until
from tests.browser.figures import note
from tests.browser.seeding import CURRENT

PHONE = (390, 844)
MANY = 10_000
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def addresses(page):
    return page.locator("a.exam").evaluate_all("links => links.map((link) => link.getAttribute('href'))")


def test_the_most_urgent_exam_is_on_top_and_opens_its_reasons(visit):
    visit.open("/")
    marks = visit.page.locator("table.worklist .priority").all_inner_texts()
    assert marks == sorted(marks, key=["STAT", "URGENT", "ROUTINE"].index)
    visit.page.locator("a.exam").first.click()
    assert "spacer" in visit.page.locator("h1").inner_text()


def test_filters_change_the_list_without_a_reload_and_a_search_stays_out_of_the_address(visit):
    visit.open("/")
    visit.page.evaluate("window.isSamePage = true")
    visit.page.get_by_label("Check").select_option("spacer-migration")
    visit.page.wait_for_url("**/?check=spacer-migration")
    visit.page.get_by_label("Search").fill("doe joan a102")
    visit.wait_until("document.getElementById('total').textContent === '1'")
    assert addresses(visit.page) == [f"/exams/{CURRENT}"]
    assert "doe" not in visit.page.url.lower()
    assert visit.page.evaluate("window.isSamePage")
    visit.page.get_by_label("Search").fill("nobody of this name")
    visit.page.get_by_text("Nothing matches this view").or_(visit.page.get_by_text("Nothing waits")).wait_for()


def test_a_view_is_saved_in_this_browser_without_its_search(visit):
    visit.open("/?priority=URGENT")
    visit.page.once("dialog", lambda dialog: dialog.accept("Mine"))
    visit.page.get_by_role("button", name="Save this view").click()
    visit.open("/")
    visit.page.get_by_role("button", name="Mine", exact=True).click()
    visit.page.wait_for_url("**/?priority=URGENT")
    assert "search" not in visit.page.evaluate("localStorage.getItem('plumbline.views')")


def test_keys_move_open_and_search(visit):
    visit.open("/")
    focused = "document.activeElement.getAttribute('href')"
    first, second = addresses(visit.page)[:2]
    for key, where in (("j", first), ("j", second), ("k", first)):
        visit.page.keyboard.press(key)
        assert visit.page.evaluate(focused) == where
    visit.page.keyboard.press("/")
    assert visit.page.evaluate("document.activeElement.name") == "search"
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url(f"**{first}")


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
def test_on_a_phone_the_reason_comes_right_after_the_priority(visit):
    visit.open("/")
    first = visit.page.locator("table.worklist tbody tr").first
    priority = first.locator("td[data-label=Priority]").bounding_box()
    why, patient = first.locator("td.why").bounding_box(), first.locator("td[data-label=Patient]").bounding_box()
    assert priority["y"] < why["y"] < patient["y"]


def dataset(number: int, priority: str, clock):
    study = invented_ct_study(number)
    return study, reading_workitem(
        study,
        TriageDecision(Priority(priority), ("It came while you looked.",)),
        workitem_uid=f"2.25.9000{number}",
        scheduled_at=clock.now() - timedelta(minutes=1),
        source=RetrievalSource("ORTHANC"),
        patient_name="Later^Lea",
    )


def test_a_new_reading_appears_by_itself_and_the_focus_stays(visit, site):
    visit.open("/")
    visit.page.wait_for_timeout(700)
    visit.page.keyboard.press("j")
    focused = visit.page.evaluate("document.activeElement.getAttribute('href')")
    study, reading = dataset(501, "STAT", SystemClock())
    worklist = DatabaseWorkitems(site.store, SystemClock())
    worklist.upsert_reading("2.25.9000501", study.study_instance_uid, reading)
    visit.page.get_by_text("It came while you looked.").wait_for(timeout=5000)
    assert addresses(visit.page)[0] == f"/exams/{study.study_instance_uid}"
    assert visit.page.evaluate("document.activeElement.getAttribute('href')") == focused
    worklist.cancel("2.25.9000501", reason="The test is over.")
    visit.page.get_by_text("It came while you looked.").wait_for(state="detached", timeout=5000)


def test_a_lost_link_is_said(visit):
    links = []
    visit.page.route_web_socket("**/live", lambda link: (links.append(link), link.connect_to_server()))
    visit.open("/")
    visit.page.wait_for_timeout(700)
    assert visit.page.locator("#link-lost").is_hidden()
    links[0].close()
    assert "may be out of date since" in visit.page.locator("#link-lost").inner_text()
    visit.page.locator("#link-lost").wait_for(state="hidden", timeout=8000)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A worklist of ten thousand readings, written in one transaction."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("crowded"))
    store, clock = open_store(settings.store_url), SystemClock()
    study, reading = dataset(1, "ROUTINE", clock)
    DatabaseWorkitems(store, clock).upsert_reading("2.25.90001", study.study_instance_uid, reading)
    with store.begin() as session:
        template = session.get_one(WorkitemRow, "2.25.90001")
        columns = [column.key for column in WorkitemRow.__table__.columns if column.key != "workitem_uid"]
        values = {name: getattr(template, name) for name in columns}
        session.add_all(
            WorkitemRow(**{**values, "workitem_uid": f"2.25.8{number:05}", "study_instance_uid": f"2.25.7{number:05}"})
            for number in range(1, MANY)
        )
    store.engine.dispose()
    with served(settings) as address:
        yield address


def test_ten_thousand_rows_paint_at_once_and_scroll_without_holding_them_all(chromium, crowded, capsys):
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    visit = Visit(page, crowded)
    visit.open("/")  # the first reader of a new process waits for the board to be read
    visit.open("/")
    until(page, PAINTED)
    painted_s = page.evaluate(PAINTED) / 1000
    assert page.locator("#total").inner_text() == str(MANY)
    page.evaluate(
        """() => {
          window.longest = 0;
          let last = performance.now();
          const tick = (now) => {
            window.longest = Math.max(window.longest, now - last);
            last = now;
            requestAnimationFrame(tick);
          };
          requestAnimationFrame(tick);
        }"""
    )
    for _ in range(25):
        page.mouse.wheel(0, 1500)
        time.sleep(0.02)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    last = re.compile(r"^/exams/2\.25\.7")
    until(page, "document.querySelector('#worklist > tbody:last-child a.exam') !== null", 10)
    assert last.match(addresses(page)[-1])
    assert page.locator("table.worklist tbody tr").count() < 1200
    longest_s = page.evaluate("window.longest") / 1000
    note(capsys, worklist_10000_first_paint_s=painted_s, worklist_10000_longest_frame_s=longest_s)
    page.close()


def test_the_worklist_is_painted_and_says_how_fast(visit, capsys):
    visit.open("/")
    visit.wait_until(PAINTED)
    painted_ms = visit.page.evaluate(PAINTED)
    assert painted_ms > 0
    assert visit.page.locator("table.worklist tbody tr").count() > 0
    note(capsys, worklist_first_paint_s=painted_ms / 1000)
