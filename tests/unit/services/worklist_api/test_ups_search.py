import email
from xml.etree import ElementTree

import pytest

from plumbline.worklist.native_xml import from_xml

URL = "/dicom-web/workitems"
PRIORITY, LABEL, UID, NAME, TRANSACTION_UID = "00741200", "00741204", "00080018", "00100010", "00081195"


def uids(response) -> list[str]:
    return [item[UID]["Value"][0] for item in response.json()]


def test_an_empty_worklist_answers_204(client):
    response = client.get(URL)
    assert (response.status_code, response.content) == (204, b"")


def test_the_most_urgent_come_first_and_then_the_oldest(site, client):
    routine, urgent_old = site.add_reading(1, "ROUTINE"), site.add_reading(2, "URGENT")
    stat, urgent_young = site.add_reading(3, "STAT"), site.add_reading(4, "URGENT")
    response = client.get(URL)
    assert response.headers["content-type"] == "application/dicom+json"
    assert uids(response) == [stat, urgent_old, urgent_young, routine]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"ScheduledProcedureStepPriority": "HIGH"}, [3]),
        ({"00741200": "HIGH"}, [3]),
        ({"ProcedureStepState": "SCHEDULED"}, [3, 1, 2]),
        ({"ProcedureStepState": "IN PROGRESS"}, []),
        ({"StudyInstanceUID": "2.25.771,2.25.772"}, [1, 2]),
        ({"SOPInstanceUID": "2.25.992"}, [2]),
        ({"PatientName": "second*"}, [2]),
        ({"PatientName": "*"}, [3, 1, 2]),
        ({"PatientID": "PLB-0001"}, [3, 1, 2]),
        ({"PatientID": "plb-0001"}, []),
        ({"ReferencedRequestSequence.AccessionNumber": "A00002"}, [2]),
        ({"0040A370.00080050": "A0000?"}, [3, 1, 2]),
        ({"AccessionNumber": "A00002"}, [2]),
        ({"ScheduledProcedureStepStartDateTime": "*"}, [3, 1, 2]),
        ({"ScheduledWorkitemCodeSequence.CodeValue": "110005"}, [3, 1, 2]),
        ({"ScheduledWorkitemCodeSequence.CodeValue": "110001"}, []),
        ({"ScheduledProcedureStepStartDateTime": "20260302-20260303"}, [3, 1, 2]),
        ({"ScheduledProcedureStepStartDateTime": "-20260301"}, []),
        ({"PatientBirthDate": "19610101-19611231", "ScheduledProcedureStepPriority": "LOW"}, [1, 2]),
    ],
)
def test_matching_keys_select(site, client, parameters, found):
    site.add_reading(1), site.add_reading(2, name="Second^Patient"), site.add_reading(3, "STAT")
    response = client.get(URL, params=parameters)
    assert ([] if response.status_code == 204 else uids(response)) == [f"2.25.99{number}" for number in found]


def test_paging_says_when_more_can_be_had(site, client):
    for number in (1, 2, 3):
        site.add_reading(number)
    first, last = client.get(URL, params={"limit": 2}), client.get(URL, params={"limit": 2, "offset": 2})
    assert (first.status_code, len(first.json())) == (206, 2)
    assert first.headers["warning"].startswith("299 ")
    assert (last.status_code, uids(last)) == (200, ["2.25.993"])


def test_a_result_carries_the_usual_attributes_and_more_when_asked(site, client):
    site.add_reading(1)
    usual = client.get(URL).json()[0]
    assert {PRIORITY, LABEL, NAME} <= set(usual)
    assert "00404010" not in usual
    assert "00404010" in client.get(URL, params={"includefield": "00404010"}).json()[0]
    everything = client.get(URL, params={"includefield": "all"}).json()[0]
    assert set(usual) < set(everything)


def test_a_key_that_is_matched_is_returned(site, client):
    site.add_reading(1)
    assert "00404010" in client.get(URL, params={"ScheduledProcedureStepModificationDateTime": ""}).json()[0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"NoSuchKeyword": "x"},
        {"limit": "-1"},
        {"limit": "many"},
        {"offset": "1e3"},
        {"PatientBirthDate": "yesterday"},
        {"includefield": "NoSuchKeyword"},
        {"ReferencedRequestSequence": "x"},
    ],
)
def test_a_query_that_cannot_be_used_is_refused_with_the_parameter(client, parameters):
    response = client.get(URL, params=parameters)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert "detail" in response.json()


def test_retrieve_gives_everything_but_the_lock(site, client):
    uid = site.add_reading(1)
    response = client.get(f"{URL}/{uid}")
    assert response.status_code == 200
    [dataset] = response.json()
    assert dataset[UID]["Value"] == [uid]
    assert TRANSACTION_UID not in dataset


def test_an_unknown_workitem_is_404(client):
    response = client.get(f"{URL}/2.25.1")
    assert response.status_code == 404
    assert response.json()["title"] == "There is no such workitem."


def test_a_media_type_that_cannot_be_had_is_refused(site, client):
    uid = site.add_reading(1)
    assert client.get(f"{URL}/{uid}", headers={"Accept": "text/html"}).status_code == 406
    assert client.get(f"{URL}/{uid}?accept=application/dicom%2Bjson").status_code == 200
    assert client.get(URL, headers={"Accept": "text/html, application/dicom+json;q=0"}).status_code == 406


def test_xml_comes_as_one_part_for_each_workitem(site, client):
    first, second = site.add_reading(1), site.add_reading(2)
    response = client.get(URL, headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert response.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"; boundary=')
    message = b"Content-Type: " + response.headers["content-type"].encode() + b"\r\n\r\n" + response.content
    parts = email.message_from_bytes(message).get_payload()
    assert [part.get_content_type() for part in parts] == ["application/dicom+xml"] * 2
    datasets = [from_xml(part.get_payload(decode=True)) for part in parts]
    assert [dataset[UID]["Value"] for dataset in datasets] == [[first], [second]]
    assert datasets == client.get(URL).json()


def test_a_retrieved_workitem_is_one_part_unless_parts_are_asked_for(site, client):
    uid = site.add_reading(1)
    plain = client.get(f"{URL}/{uid}", headers={"Accept": "application/dicom+xml"})
    assert plain.headers["content-type"] == "application/dicom+xml"
    assert from_xml(plain.content)[UID]["Value"] == [uid]
    parts = client.get(f"{URL}/{uid}", headers={"Accept": "multipart/related"})
    assert parts.headers["content-type"].startswith("multipart/related")


@pytest.mark.parametrize(
    ("accept", "sent"),
    [
        ("application/dicom+xml, application/dicom+json;q=0.1", "multipart/related"),
        ("application/dicom+xml;q=0.5, */*;q=0.5", "application/dicom+json"),
        ('multipart/related; type="application/dicom+json"', "application/dicom+json"),
        ("text/html, multipart/related; q=0.3", "multipart/related"),
    ],
)
def test_the_more_welcome_media_type_is_sent(site, client, accept, sent):
    site.add_reading(1)
    assert client.get(URL, headers={"Accept": accept}).headers["content-type"].startswith(sent)


def test_names_are_found_however_they_are_written_where_that_is_asked_for(site, client):
    uid = site.add_reading(1, name="Müller-Weiß^Zoë^Anna")
    site.add_reading(2, name="Mühlbauer^Zoë")
    for asked in ("mueller zoe", "WEISS^MULLER", "Zoe^Mull*"):
        plain = client.get(URL, params={"PatientName": asked})
        fuzzy = client.get(URL, params={"PatientName": asked, "fuzzymatching": "true"})
        assert plain.status_code == 204
        assert [each[UID]["Value"] for each in fuzzy.json()] == [[uid]]
    assert client.get(URL, params={"PatientName": "mueller zoe zoe", "fuzzymatching": "true"}).status_code == 204


def test_the_service_describes_what_it_answers(client):
    described = client.options("/dicom-web/", headers={"Accept": "application/vnd.sun.wadl+xml"})
    assert described.headers["content-type"] == "application/vnd.sun.wadl+xml"
    root = ElementTree.fromstring(described.content)
    wadl = "{http://wadl.dev.java.net/2009/02}"
    assert root[0].get("base") == "http://testserver/dicom-web"
    told = {}

    def walk(resource, path):
        for method in resource.findall(f"{wadl}method"):
            told[method.get("id")] = f"{method.get('name')} {path}"
        for below in resource.findall(f"{wadl}resource"):
            walk(below, f"{path}/{below.get('path')}")

    walk(root[0], "")
    assert told == {
        "SearchForUPS": "GET /workitems",
        "CreateUPS": "POST /workitems",
        "RetrieveUPS": "GET /workitems/{workitem_uid}",
        "UpdateUPS": "POST /workitems/{workitem_uid}",
        "ChangeUPSState": "PUT /workitems/{workitem_uid}/state",
        "RequestUPSCancellation": "POST /workitems/{workitem_uid}/cancelrequest",
        "CreateSubscription": "POST /workitems/{workitem_uid}/subscribers/{ae_title}",
        "DeleteSubscription": "DELETE /workitems/{workitem_uid}/subscribers/{ae_title}",
        "SuspendGlobalSubscription": "POST /workitems/{workitem_uid}/subscribers/{ae_title}/suspend",
        "OpenEventChannel": "GET /subscribers/{ae_title}",
    }
