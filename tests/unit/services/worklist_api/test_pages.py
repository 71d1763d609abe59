import re

from plumbline.errors import Unavailable

PNG = b"\x89PNG\r\n\x1a\n"


def test_an_empty_worklist_says_so(client):
    assert "Nothing waits" in client.get("/").text


def test_the_worklist_shows_priority_patient_reason_and_links_to_the_exam(site, client, moved_spacer):
    site.add_reading(1, "URGENT", "The spacer at L4-L5 moved 3.1 mm backward.", "47 days since surgery.")
    site.add_result(1, moved_spacer)
    page = client.get("/").text
    for shown in ("URGENT", "Example, Ada", "The spacer at L4-L5 moved", "1 Mar 2026", ">47<", "L4-L5", "Waiting"):
        assert shown in page
    assert 'href="/exams/2.25.771"' in page


def test_without_a_positive_finding_the_planned_level_is_shown(site, client, moved_spacer):
    site.add_reading(1)
    site.add_result(1, {**moved_spacer, "findings": [], "exam": {"planned": ["L3-L4", "L4-L5"]}})
    assert client.get("/api/worklist").json()["entries"][0]["levels"] == ["L3-L4", "L4-L5"]


def test_the_order_on_the_page_is_priority_then_age(site, client):
    for number, priority in ((1, "ROUTINE"), (2, "URGENT"), (3, "STAT"), (4, "URGENT")):
        site.add_reading(number, priority)
    assert re.findall(r"/exams/2\.25\.77(\d)", client.get("/").text) == ["3", "2", "4", "1"]


def test_the_exam_page_shows_what_was_found_against_what_and_how_certainly(site, client, moved_spacer):
    site.add_reading(1, "URGENT")
    study_uid = site.add_result(1, moved_spacer, ("Sagittal, L4-L5", PNG))
    page = client.get(f"/exams/{study_uid}").text
    for shown in (
        "The spacer at L4-L5 moved 3.1 mm backward.",
        "Spacer migration",
        "Translation posterior",
        "−3.1",
        "0.4",
        "Baseline",
        "Chest CT.",
        "No exam before the operation",
        "2.25.771.90.1",
        "named from the sacrum",
        f"/api/exams/{study_uid}/evidence/1.png",
    ):
        assert shown in page


def test_an_exam_that_is_not_compared_yet_shows_its_provisional_priority(site, client):
    site.add_reading(1, "STAT", "New deficit after surgery.")
    response = client.get("/exams/2.25.771")
    assert response.status_code == 200
    assert "New deficit after surgery." in response.text
    assert "provisional" in response.text


def test_an_unknown_exam_is_404(client):
    assert client.get("/exams/2.25.5").status_code == 404
    assert client.get("/api/exams/2.25.5").status_code == 404
    assert client.get("/api/exams/not-a-uid").status_code == 400


def test_text_from_outside_cannot_become_markup(site, client):
    site.add_reading(1, "STAT", "<script>alert(1)</script>", name="<b>Name^X")
    page = client.get("/").text
    assert "<script>" not in page
    assert "<b>Name" not in page


def test_no_page_names_another_host_and_the_policy_forbids_it(site, client, moved_spacer):
    site.add_reading(1)
    study_uid = site.add_result(1, moved_spacer)
    for address in ("/", f"/exams/{study_uid}", "/docs", "/static/plumbline.css"):
        response = client.get(address)
        assert response.status_code == 200
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//|@import|url\(""", response.text)
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_interfaces_page_lists_every_operation(client):
    page = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page


def test_the_openapi_document_promises_only_answers_that_are_given(client):
    operations = [each for path in client.get("/openapi.json").json()["paths"].values() for each in path.values()]
    assert not [each["summary"] for each in operations if "422" in each["responses"]]
    assert any("400" in each["responses"] for each in operations)


def test_json_gives_the_same_order_and_the_stored_result(site, client, moved_spacer):
    site.add_reading(1, "ROUTINE"), site.add_reading(2, "STAT")
    study_uid = site.add_result(1, moved_spacer, ("Sagittal", PNG))
    assert [each["priority"] for each in client.get("/api/worklist").json()["entries"]] == ["STAT", "ROUTINE"]
    details = client.get(f"/api/exams/{study_uid}").json()
    assert details["result"] == moved_spacer
    picture = client.get(details["evidence"][0]["address"])
    assert (picture.headers["content-type"], picture.content) == ("image/png", PNG)
    assert "private" in picture.headers["cache-control"]
    newest = client.get(f"/api/exams/{study_uid}/evidence/1.png")
    assert (newest.headers["cache-control"], newest.content) == ("no-store", PNG)
    assert client.get(f"/api/exams/{study_uid}/evidence/1.png?revision=7").status_code == 404
    assert client.get(f"/api/exams/{study_uid}/evidence/2.png").status_code == 404


def test_a_person_is_told_of_a_failure_on_a_page_and_a_machine_in_json(site, client):
    def down(_query) -> None:
        raise Unavailable("the database does not answer")

    site.worklist.store.search = down
    page, answer = client.get("/", headers={"Accept": "text/html"}), client.get("/api/worklist")
    assert (page.status_code, answer.status_code) == (503, 503)
    assert page.headers["retry-after"] == answer.headers["retry-after"]
    assert "<h1>Another system does not answer</h1>" in page.text
    assert answer.json()["detail"] == "the database does not answer."
