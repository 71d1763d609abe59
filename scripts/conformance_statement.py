"""Write docs/conformance-statement.md: the parts that the code knows are made from it, the rest is in the template.

``python scripts/conformance_statement.py`` writes the document; ``tests/unit/house`` tells where it is not current.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, DEFAULT_TRANSFER_SYNTAXES

from plumbline.adapters.dimse.ups_scp import EVENT, PULL, PUSH, QUERY, SERVED, WATCH
from plumbline.reports.codes import PRIVATE_SCHEME, code_table
from plumbline.settings import Settings
from plumbline.triage.priority import Priority
from plumbline.worklist.attributes import RETURNED_BY_SEARCH, UPS_ATTRIBUTES, Attribute, Requirement
from plumbline.worklist.refusals import Notice, Refusal
from services.worklist_api.ups.statuses import STATUS_BY_TRANSACTION, STATUS_OF_REFUSAL, WARNING_BY_TRANSACTION

HOUSE = Path(__file__).parents[1]
TEMPLATE = HOUSE / "docs" / "conformance-statement.template.md"
DOCUMENT = HOUSE / "docs" / "conformance-statement.md"
FIRST_LINE = "<!-- Written by scripts/conformance_statement.py from conformance-statement.template.md; edit that. -->\n"

UPS_SERVICES = {
    PUSH: ("UPS Push", "N-CREATE, N-GET, N-ACTION (request cancel)"),
    WATCH: ("UPS Watch", "C-FIND, N-GET, N-ACTION (request cancel, subscribe, unsubscribe, suspend)"),
    PULL: ("UPS Pull", "C-FIND, N-GET, N-SET, N-ACTION (change state)"),
    EVENT: ("UPS Event", "N-EVENT-REPORT"),
    QUERY: ("UPS Query", "C-FIND"),
}

TESTS: Mapping[str, str] = {
    "Verification SCP": "integration/test_listener.py::test_only_who_is_allowed_may_call_and_only_by_our_name",
    "Storage SCP": "integration/test_listener.py::test_every_transfer_syntax_arrives_as_it_was_sent",
    "Storage SCU": "integration/test_destinations.py::test_objects_arrive_at_orthanc_over_dicom_and_it_commits_to_them",
    "Storage Commitment SCU": (
        "integration/test_destinations.py::test_objects_arrive_at_orthanc_over_dicom_and_it_commits_to_them"
    ),
    "Storage Commitment SCP": "integration/test_commitment.py::test_orthanc_asks_and_is_told",
    "UPS Push SCP": "integration/test_ups_dimse.py::test_a_workitem_is_created_claimed_updated_and_completed",
    "UPS Pull SCP": "integration/test_ups_dimse.py::test_a_workitem_is_created_claimed_updated_and_completed",
    "UPS Watch SCP": "integration/test_ups_dimse.py::test_a_filtered_subscription_is_for_what_matches",
    "UPS Query SCP": "integration/test_ups_dimse.py::test_a_search_matches_as_upsrs_does_and_says_what_was_asked_for",
    "UPS Event SCP": (
        "integration/test_ups_dimse.py::test_a_subscriber_hears_every_event_in_order_also_those_while_it_was_away"
    ),
    "UPS Push and Pull SCU": "integration/test_ups_dimse.py::test_our_user_drives_a_workitem_at_a_foreign_manager",
    "AIW-I pull, another performer": (
        "integration/test_processing_workitems.py::"
        "test_pull_another_performer_finds_claims_and_completes_the_task_over_dicom"
    ),
    "AIW-I triggered pull, a subscriber": (
        "integration/test_processing_workitems.py::"
        "test_triggered_pull_a_web_subscriber_is_told_of_the_task_and_claims_it"
    ),
    "AIW-I push, another manager": (
        "integration/test_processing_workitems.py::test_push_what_another_manager_schedules_for_us_is_performed"
    ),
    "UPS-RS and UPS over DIMSE, one state machine": (
        "integration/test_ups_both_faces.py::both_faces_show_the_state_of_the_model"
    ),
    "UPS-RS search": (
        "integration/test_ups_rs.py::test_search_gives_the_readings_in_order_and_dicomweb_client_reads_them"
    ),
    "UPS-RS retrieve": "integration/test_ups_rs.py::test_retrieve_gives_every_referenced_instance",
    "UPS-RS change state": "integration/test_ups_rs.py::test_a_reader_claims_and_a_second_one_is_refused",
    "UPS-RS create": (
        "unit/services/worklist_api/test_ups_transactions.py::test_a_created_workitem_is_found_at_its_location"
    ),
    "UPS-RS update": (
        "unit/services/worklist_api/test_ups_transactions.py::"
        "test_a_claimed_workitem_is_updated_and_completed_by_who_holds_the_lock"
    ),
    "UPS-RS request cancellation": (
        "unit/services/worklist_api/test_ups_transactions.py::test_a_request_cancels_what_nobody_has_claimed"
    ),
    "UPS-RS subscribe and unsubscribe": (
        "unit/services/worklist_api/test_ups_events.py::test_unsubscribing_from_all_ends_everything"
    ),
    "UPS-RS suspend": (
        "unit/services/worklist_api/test_ups_events.py::test_suspending_stops_new_workitems_and_keeps_the_others"
    ),
    "UPS-RS event channel": (
        "unit/services/worklist_api/test_ups_events.py::test_the_channel_tells_what_waited_and_then_what_happens"
    ),
    "UPS-RS event channel, several processes": (
        "integration/test_api_processes.py::test_events_reach_subscribers_connected_to_another_process_once"
    ),
    "UPS Watch and Query SCU": "integration/test_ups_dimse.py::test_our_user_watches_and_looks",
    "UPS Event SCU": (
        "integration/test_ups_dimse.py::test_what_becomes_of_a_reading_at_a_foreign_manager_is_taken_over"
    ),
    "UPS-RS fuzzy matching": (
        "unit/services/worklist_api/test_ups_search.py::"
        "test_names_are_found_however_they_are_written_where_that_is_asked_for"
    ),
    "Retrieve capabilities": (
        "unit/services/worklist_api/test_ups_search.py::test_the_service_describes_what_it_answers"
    ),
    "STOW-RS user": "integration/test_destinations.py::test_objects_arrive_at_orthanc_over_dicomweb_once",
    "Modality Worklist files": "integration/test_destinations.py::test_a_worklist_file_is_there_for_the_plugin",
    "Study Root Query/Retrieve SCU": (
        "integration/test_remote_archives.py::test_what_is_wanted_comes_as_it_is_stored_and_nothing_else"
    ),
    "Comprehensive 3D SR": "conformance/test_reports.py::test_dciodvfy_accepts_the_report",
    "Key Object Selection": "conformance/test_reports.py::test_dciodvfy_and_dsrdump_accept_the_key_objects",
    "Rejection note": "conformance/test_reports.py::test_a_rejection_note_is_a_valid_key_object_selection",
    "Secondary Capture": "conformance/test_reports.py::test_dciodvfy_accepts_the_pictures",
    "TLS": "integration/test_listener_tls.py::test_storescu_and_pynetdicom_store_over_tls",
    "HL7 ORU^R01": "integration/test_destinations.py::test_a_result_arrives_over_mllp",
}
"""The test of each claimed transaction, below ``tests``; tests/unit/house holds the names to what is there."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def ups_classes() -> str:
    """UPS SOP Classes that the listener accepts."""
    return table(("SOP Class", "UID", "Role", "Services"), _ups_rows())


def _ups_rows() -> Iterator[Sequence[object]]:
    for uid in SERVED:
        name, services = UPS_SERVICES[uid]
        yield name, uid, "SCP", services


def ups_syntaxes() -> str:
    """Transfer syntaxes of the UPS SOP Classes."""
    return table(("Transfer Syntax", "UID"), ((UID(uid).name, uid) for uid in DEFAULT_TRANSFER_SYNTAXES))


def storage_syntaxes() -> str:
    """Transfer syntaxes that are known by name; others are kept as they come."""
    return table(("Transfer Syntax", "UID"), ((UID(uid).name, uid) for uid in ALL_TRANSFER_SYNTAXES))


def ups_attributes() -> str:
    """PS3.4 table CC.2.5-3 as it is enforced, and what a search returns."""
    head = ("Attribute", "Tag", "N-CREATE", "N-SET", "Final state", "Returned by search")
    return table(head, _attribute_rows(UPS_ATTRIBUTES, 0))


def _attribute_rows(rows: Mapping[str, Attribute], depth: int) -> Iterator[Sequence[object]]:
    for row in rows.values():
        tag = f"({row.tag[:4]},{row.tag[4:]})"
        found = "yes" if depth == 0 and row.tag in RETURNED_BY_SEARCH else ""
        yield ">" * depth + row.keyword, tag, _types(row.create), _types(row.update), row.final.value, found
        yield from _attribute_rows(row.items, depth + 1)


def _types(requirement: Requirement | None) -> str:
    return "not allowed" if requirement is None else f"{requirement.user}/{requirement.provider}"


def ups_statuses() -> str:
    """Statuses of both faces, with what they mean."""
    rows = [(f"{each.dimse_status:04X}", STATUS_OF_REFUSAL.get(each, 400), each.sentence) for each in Refusal]
    notices = [(f"{each.dimse_status:04X}", "2xx with Warning", each.sentence) for each in Notice]
    return table(("DIMSE", "HTTP", "Meaning"), [*rows, *notices])


def ups_warnings() -> str:
    """Where a transaction of UPS-RS has a status or a Warning of its own."""
    pairs = sorted({*STATUS_BY_TRANSACTION, *WARNING_BY_TRANSACTION}, key=lambda pair: (pair[0].value, pair[1].name))
    rows = [
        (
            transaction.value,
            refusal.sentence,
            STATUS_BY_TRANSACTION.get((transaction, refusal), STATUS_OF_REFUSAL.get(refusal, 400)),
            WARNING_BY_TRANSACTION.get((transaction, refusal), refusal.sentence),
        )
        for transaction, refusal in pairs
    ]
    return table(("Transaction", "Refusal", "Status", "Warning: 299 plumbline:"), rows)


def priorities() -> str:
    """One priority in every language."""
    rows = [(each.value, each.ups, each.modality_worklist, each.hl7, each.fhir) for each in Priority]
    return table(("Priority", "UPS (0074,1200)", "Worklist (0040,1003)", "HL7 TQ1-9, OBR-27.6", "FHIR"), rows)


def private_codes() -> str:
    """Codes of the private scheme."""
    rows = [(row.value, row.meaning, row.used_for) for row in code_table() if row.scheme == PRIVATE_SCHEME]
    return table(("Code Value", "Code Meaning", "Used for"), rows)


def standard_codes() -> str:
    """Codes of standard schemes that the reports use."""
    rows = [(row.value, row.scheme, row.meaning, row.used_for) for row in code_table() if row.scheme != PRIVATE_SCHEME]
    return table(("Code Value", "Scheme", "Code Meaning", "Used for"), rows)


def network() -> str:
    """Defaults of the faces."""
    listener = Settings.model_fields["listener"].default
    api = Settings.model_fields["api"].default
    rows = [
        ("DICOM", f"AE Title {listener.ae_title}, port {listener.port}, on {listener.host}"),
        ("UPS-RS", f"port {api.port}, path /dicom-web/workitems, on {api.host}"),
        ("Maximum PDU", f"{listener.maximum_pdu_bytes} bytes"),
        ("Associations at once", listener.maximum_associations),
        ("Idle time", f"{listener.idle_timeout_s:g} s"),
    ]
    return table(("Parameter", "Default"), rows)


def tests() -> str:
    """Which test shows each claim."""
    return table(("Claim", "Test"), ((claim, f"`tests/{test}`") for claim, test in TESTS.items()))


PARTS: Mapping[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        ups_classes,
        ups_syntaxes,
        storage_syntaxes,
        ups_attributes,
        ups_statuses,
        ups_warnings,
        priorities,
        private_codes,
        standard_codes,
        network,
        tests,
    )
}


def document() -> str:
    """The whole document; raise ``KeyError`` where the template asks for a part that is not there."""
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    written = [PARTS[line[2:-2]]() if line.startswith("{{") and line.endswith("}}") else line for line in lines]
    return FIRST_LINE + "\n".join(written) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
