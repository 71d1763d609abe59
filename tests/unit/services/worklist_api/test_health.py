import structlog.testing

from plumbline.errors import Unavailable


def test_live_says_only_that_the_process_answers(client):
    assert client.get("/health/live").json() == {"status": "live"}


def test_ready_when_everything_answers(site, client):
    site.probes["database"] = lambda: None
    assert client.get("/health/ready").json() == {"status": "ready", "checks": {"database": "answers"}}


def test_not_ready_names_what_does_not_answer(site, client):
    def down() -> None:
        raise Unavailable("the archive does not answer")

    site.probes.update(database=lambda: None, archive=down)
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "answers", "archive": "the archive does not answer."}


def test_metrics_count_workitems_by_state_and_priority_and_name_no_patient(site, client):
    site.add_reading(1, "STAT"), site.add_reading(2), site.add_reading(3)
    client.get("/exams/2.25.771")
    text = client.get("/metrics").text
    assert 'plumbline_worklist_workitems{priority="LOW",state="SCHEDULED"} 2.0' in text
    assert 'plumbline_worklist_oldest_seconds{priority="HIGH"} 120.0' in text
    assert 'route="/exams/{study_instance_uid}"' in text
    assert "PLB-0001" not in text
    assert "Example" not in text


def test_an_unexpected_failure_is_a_problem_without_details(site, client):
    def fail() -> None:
        raise RuntimeError("secret")

    site.probes["broken"] = fail
    with structlog.testing.capture_logs() as logged:
        response = client.get("/health/ready")
    assert [each["error"] for each in logged] == ["RuntimeError"]
    assert response.status_code == 500
    assert "secret" not in response.text
