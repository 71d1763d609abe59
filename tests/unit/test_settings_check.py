"""``check-config``: everything that is wrong at once, each with its key and a remedy, and what counts from where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from plumbline.errors import Misconfigured
from plumbline.observability import tracing
from plumbline.priors.choice import ScoreWeights
from plumbline.priors.comparability import score
from plumbline.settings import PriorSettings, ScoreWeightSettings, Settings, load_settings
from plumbline.settings_check import SettingsReport, check_settings
from plumbline.site_policy import site_policy


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Write a settings file in a folder of its own, and look at it."""

    def look(settings: dict | str | bytes, **variables: str) -> SettingsReport:
        file = tmp_path / "plumbline.yaml"
        text = yaml.safe_dump(settings, allow_unicode=True) if isinstance(settings, dict) else settings
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setenv("PLUMBLINE_SETTINGS", str(file))
        monkeypatch.chdir(tmp_path)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return check_settings()

    return look


def told(report: SettingsReport) -> dict[str, str]:
    return {problem.key: str(problem) for problem in report.problems}


def test_settings_that_are_right_have_no_problem_and_name_their_sources(site, tmp_path):
    report = site({"listener": {"port": 104}}, PLUMBLINE_API__PORT="8081")
    assert report.problems == ()
    found = {each.key: (each.value, each.source) for each in report.effective}
    assert found["listener.port"] == ("104", str(tmp_path / "plumbline.yaml"))
    assert found["api.port"] == ("8081", "PLUMBLINE_API__PORT")
    assert found["hl7.port"] == ("2575", "default")


def test_weights_of_the_choice_are_checked_and_one_of_them_has_to_count(site):
    parts = ("modality", "region", "levels", "view", "time", "geometry", "quality")
    wrong = told(site({"priors": {"score_weights": {"levels": -1, "colour": 2}}}))
    assert set(wrong) == {"priors.score_weights.levels", "priors.score_weights.colour"}
    none = site({"priors": {"score_weights": dict.fromkeys(parts, 0)}})
    assert "at least one part must count" in str(none.problems[0])


def test_weights_of_the_site_make_the_scores_of_candidates():
    settings = Settings(priors=PriorSettings(score_weights=ScoreWeightSettings(time=5)))
    policy = site_policy(settings).priors
    assert policy.weights == ScoreWeights(time=5)
    far, near = ({"modality": 1.0, "time": time} for time in (0.2, 0.8))
    assert score(near, policy) - score(far, policy) == pytest.approx(0.6 * 5 / 8)


def test_everything_that_is_wrong_is_told_at_once(site):
    problems = told(
        site(
            {
                "listner": {},
                "listener": {"port": 0, "peers": [{"ae_titel": "CT"}]},
                "destinations": [
                    {"kind": "webhook", "name": "ris", "url": "http://ris", "secret": "x"},
                    {"kind": "fax"},
                ],
                "site": {"time_zone": "Europe/Berlinn"},
                "thresholds": {"no_such": 1.0, "none_either": 2.0},
            },
            PLUMBLINE_PAHT__TICK_S="1",
        )
    )
    assert problems.keys() == {
        "PLUMBLINE_PAHT__TICK_S",
        "listner",
        "listener.port",
        "listener.peers.0.ae_title",
        "listener.peers.0.ae_titel",
        "destinations.0.secret_file",
        "destinations.0.secret",
        "destinations.1.kind",
        "site.time_zone",
        "thresholds.no_such",
        "thresholds.none_either",
    }


@pytest.mark.parametrize(
    ("settings", "key", "right"),
    [
        ({"listner": {}}, "listner", "Did you mean listener?"),
        ({"listener": {"prot": 1}}, "listener.prot", "Did you mean listener.port?"),
        (
            {"listener": {"peers": [{"ae_title": "A", "adresses": []}]}},
            "listener.peers.0.adresses",
            "peers.0.addresses?",
        ),
        (
            {"destinations": [{"kind": "fhir", "name": "a", "url": "http://u", "token_file": "x"}]},
            "destinations.0.token_file",
            "bearer_token_file?",
        ),
        (
            {"priors": {"remotes": [{"kind": "dicomweb", "name": "a", "url": "http://u", "user": "x"}]}},
            "priors.remotes.0.user",
            "priors.remotes.0.username?",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_right_one_also_at_start(site, settings, key, right):
    assert right in told(site(settings))[key]
    with pytest.raises(Misconfigured, match=key):
        load_settings()


def test_one_wrong_section_does_not_hide_what_is_wrong_in_another(site, tmp_path):
    (tmp_path / "rules.yaml").write_text("rules:\n  - {name: a, priority: SOON, says: b, when: {}}\n")
    problems = told(site({"api": {"port": -1}, "site": {"triage_rules": "rules.yaml"}}))
    assert "api.port" in problems
    assert any(key.startswith("rules.yaml line 2") for key in problems)


def test_a_route_to_nobody_is_found(site, tmp_path):
    rule = "{name: a, priority: STAT, says: b, when: {order.red_flags: {contains: infection}}}"
    (tmp_path / "rules.yaml").write_text(f"rules:\n  - {rule}\nrouting:\n  - {{name: all, to: [riss]}}\n")
    destination = {"kind": "hl7", "name": "ris", "host": "ris", "port": 2575}
    problems = told(site({"destinations": [destination], "site": {"triage_rules": "rules.yaml"}}))
    assert "Did you mean ris?" in problems["rules.yaml line 4"]


def test_secrets_have_to_be_there_and_for_us_alone(site, tmp_path):
    (tmp_path / "open").write_text("secret")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    (tmp_path / "open").chmod(0o644)
    remote = {"kind": "dicomweb", "name": "a", "url": "http://u", "secret_file": "empty"}
    problems = told(
        site(
            {
                "orthanc": {"password_file": "open"},
                "redis_password_file": "absent",
                "priors": {"remotes": [remote]},
                "listener": {"tls": {"certificate": "none.pem", "key": "none.key"}},
            }
        )
    )
    assert "everybody may read it" in problems["orthanc.password_file"]
    assert "cannot be read" in problems["redis_password_file"]
    assert "is empty" in problems["priors.remotes.0.secret_file"]
    assert {"listener.tls.certificate", "listener.tls.key"} <= problems.keys()


def test_a_password_in_an_address_is_a_problem_and_is_shown_to_nobody(site):
    report = site({"database_url": "postgresql+psycopg://plumbline:hunter2@db/plumbline"})
    assert "Use database_password_file" in told(report)["database_url"]
    assert "hunter2" not in repr(report)


def test_two_faces_on_one_port_are_found(site):
    assert "that of listener.port already" in told(site({"hl7": {"port": 11112}}))["hl7.port"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not YAML: expected the node content"),
        ("api:\n\tport: 1", "cannot start any token, line 2"),
        ("- a\n- b\n", "must hold sections"),
        ("1: a\n", "must hold sections"),
        ("on: a\n", "must hold sections"),
        ("api: \x00", "special characters are not allowed"),
        ("hl7:\n  port: 1\n  host: a\n  port: 2\n", "'port' is written twice, first in line 2, line 4"),
        ("api: {port: 1}\nhl7: {}\napi: {port: 2}\n", "'api' is written twice, first in line 1, line 3"),
        ("api: {port: 1, port: 2}\n", "'port' is written twice"),
        ("hl7: {? [a] : b}\n", "unhashable key, line 1"),
        (b"api:\n  title: Lesepl\xe4tze\n", "is not UTF-8 in line 2. Save it as UTF-8"),
        (b"\xff\xfea\x00", "is not UTF-8 in line 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem_also_at_start(site, text, words):
    problems = told(site(text))
    assert list(problems) == ["PLUMBLINE_SETTINGS"]
    assert words in problems["PLUMBLINE_SETTINGS"]
    with pytest.raises(Misconfigured):
        load_settings()


def test_a_byte_order_mark_does_no_harm(site):
    assert site(b"\xef\xbb\xbfapi: {port: 8081}\n").problems == ()


def nested(key: str, value: object) -> dict:
    """Settings with one value, whose key names sections, and lists of one item by a 0."""
    for part in reversed(key.split(".")):
        value = [value] if part == "0" else {part: value}
    assert isinstance(value, dict)
    return value


PEER = {"ae_title": "CT1"}
DIMSE = {"kind": "dimse", "name": "a", "ae_title": "PACS", "host": "pacs", "port": 104}
FHIR = {"kind": "fhir", "name": "a", "url": "https://fhir/r4"}
WRONG = [
    ("hl7.addresses.0", "10.0.0.0/99", "an IP address or a network"),
    ("hl7.addresses.0", "interface-engine", "an IP address or a network"),
    ("listener.peers.0", PEER | {"addresses": ["nonsense"]}, "an IP address or a network"),
    ("listener.peers.0", PEER | {"host": "http://ct1"}, "without scheme"),
    ("listener.peers.0", {"ae_title": "SEVENTEEN_LETTERS"}, "1 to 16 characters"),
    ("listener.ae_title", "A\\B", "without backslashes"),
    ("listener.ae_title", "A\tB", "control characters"),
    ("listener.ae_title", "   ", "not of spaces alone"),
    ("listener.ae_title", "LESEPLÄTZE", "ASCII"),
    ("priors.remotes.0", DIMSE | {"move_destination": "X" * 17}, "1 to 16 characters"),
    ("priors.remotes.0", DIMSE | {"calling_ae_title": ""}, "1 to 16 characters"),
    ("priors.remotes.0", DIMSE | {"host": "pacs:104"}, "without scheme, port"),
    ("priors.remotes.0", DIMSE | {"retrieve": "move"}, "does not let it in"),
    ("priors.remotes.0", {"kind": "dicomweb", "name": "a", "url": "pacs/dicom-web"}, "http://HOST"),
    ("destinations.0", FHIR | {"url": "https://fhir/r4?x=1"}, "without ? and #"),
    ("destinations.0", FHIR | {"url": "https://me:hunter2@fhir/r4"}, "it has a password in it"),
    ("orthanc.url", "127.0.0.1:8042", "http://HOST"),
    ("orthanc.url", "http://orthanc:99999", "http://HOST"),
    ("orthanc.url", "http://or thanc", "http://HOST"),
    ("redis_url", "http://x", "redis://HOST"),
    ("redis_url", "redis://", "redis://HOST"),
    ("redis_url", "redis://x/name", "the number of a database"),
    ("database_url", "mysql://db/plumbline", "sqlite://, postgresql+psycopg://"),
    ("database_url", "nonsense", "sqlite://, postgresql+psycopg://"),
    ("database_password_file", "/dev/null", "database_url is not set"),
    ("site.public_url", "nonsense", "http://HOST"),
    ("site.dicomweb_url", "ftp://pacs", "http://HOST"),
    ("api.host", "0.0.0.0:8080", "without scheme, port"),
    ("api.port", 11112, "port 11112 is that of listener.port already"),
    ("api.port", 9112, "port 9112 is that of listener.metrics_port already"),
    ("metrics.port", 8080, "port 8080 is that of api.port already"),
    ("listener", {"port": 104, "tls": {"certificate": "a", "key": "b", "port": 104}}, "that of the listener"),
    ("listener.commitment", {"first_retry_s": 10, "longest_retry_s": 5}, "less than first_retry_s, which is 10"),
    ("priors", {"postoperative_days": 90, "intermediate_days": 30}, "less than postoperative_days, which is 90"),
    ("priors.remotes", [DIMSE, DIMSE], "the same name"),
    ("readiness", {"canary_every_s": 30}, "less than canary_every_s, which is 30"),
    ("path.tick_s", float("inf"), "finite"),
    ("thresholds", {"vacuum_hu": float("nan")}, "finite"),
    ("api.reader_header", "X Remote User", "the name of an HTTP header"),
    ("api.viewer_links", {"OHIF": "ohif/{studies}"}, "begin with a scheme"),
    ("api.viewer_links", {"OHIF": "javascript:alert(1)"}, "begin with a scheme"),
    ("hl7.passed_over.0", "SIU", "such as SIU^S12"),
    ("hl7.processing_ids.0", "X", "'P', 'T' or 'D'"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG)
def test_a_value_that_cannot_be_right_is_told_with_its_key_and_without_itself(site, key, value, words):
    ((where, problem),) = told(site(nested(key, value))).items()
    assert where.startswith(key.removesuffix(".0"))
    assert words in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "settings",
    [
        {"hl7": {"addresses": ["10.0.0.0/8", "10.1.2.3/8", "fd00::/8"], "port": 11112, "host": "10.0.0.5"}},
        {"listener": {"peers": [{"ae_title": "CT 1", "host": "ct-1.radiology.example"}], "host": "::"}},
        {"redis_url": "rediss://redis:6380", "database_url": "postgresql+psycopg://u@db:5432/plumbline"},
        {"priors": {"remotes": [DIMSE | {"retrieve": "move", "ae_title": "ORTHANC"}]}},
        {"api": {"viewer_links": {"Weasis": "weasis://?uid={studies}"}, "reader_header": "X-Remote-User"}},
        {"site": {"public_url": "https://worklist.example/plumbline/"}, "orthanc": {"url": "http://[::1]:8042"}},
        {"listener": {"tls": {"certificate": "c.pem", "key": "k.pem", "port": None}}},
    ],
)
def test_what_sites_write_is_right(site, tmp_path, settings):
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_bytes(b"# M\xfcller\n-----BEGIN")
        (tmp_path / name).chmod(0o600)
    assert site(settings).problems == ()


def test_keys_that_come_from_an_anchor_are_not_written_twice(site):
    text = "api: &quiet {host: 127.0.0.1, port: 8081}\nmetrics: {<<: *quiet, port: 9113}\n"
    assert site(text).problems == ()


def test_a_secret_in_another_character_set_is_told(site, tmp_path):
    (tmp_path / "secret").write_bytes("schlüssel".encode("latin-1"))
    (tmp_path / "secret").chmod(0o600)
    problems = told(site({"orthanc": {"username": "plumbline", "password_file": "secret"}}))
    assert "is not UTF-8" in problems["orthanc.password_file"]
    with pytest.raises(Misconfigured, match="is not UTF-8 in line 1"):
        _ = Settings(redis_password_file=tmp_path / "secret").broker_url


def test_rules_in_another_character_set_are_told(site, tmp_path):
    (tmp_path / "rules.yaml").write_bytes("rules: []  # für alle".encode("latin-1"))
    assert any("is not UTF-8" in each for each in told(site({"site": {"triage_rules": "rules.yaml"}})).values())


def test_a_variable_that_is_not_json_is_a_problem(site):
    assert "PLUMBLINE_*" in told(site({}, PLUMBLINE_LISTENER__PEERS="CT"))


def test_a_password_from_a_file_reaches_the_addresses_whole(tmp_path):
    (tmp_path / "secret").write_text("a/b@c\n")
    settings = Settings(
        database_url="postgresql+psycopg://plumbline@db:5432/plumbline",
        database_password_file=tmp_path / "secret",
        redis_url="redis://redis:6379/0",
        redis_password_file=tmp_path / "secret",
    )
    assert settings.store_url == "postgresql+psycopg://plumbline:a%2Fb%40c@db:5432/plumbline"
    assert settings.broker_url == "redis://:a%2Fb%40c@redis:6379/0"


def test_a_password_file_that_is_away_is_named(tmp_path):
    settings = Settings(redis_password_file=tmp_path / "absent")
    with pytest.raises(Misconfigured, match="redis_password_file"):
        _ = settings.broker_url


@pytest.mark.parametrize(("settings", "code"), [("{}", 0), ("listener: {port: x}", 2)])
def test_the_exit_code_says_whether_all_is_right(tmp_path, settings, code):
    (tmp_path / "s.yaml").write_text(settings)
    done = subprocess.run(
        [sys.executable, "-m", "plumbline", "check-config", "--json"],
        env={"PLUMBLINE_SETTINGS": str(tmp_path / "s.yaml"), "PATH": str(Path(sys.executable).parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert bool(json.loads(done.stdout)["problems"]) is bool(code)


@pytest.mark.parametrize(
    "wrong", ["collector:4318", "grpc://collector:4317", "http://", "http://me:secret@collector:4318", "http://c/?k=1"]
)
def test_a_collector_without_a_whole_address_or_with_a_secret_in_it_is_told(site, wrong):
    problem = told(site({"tracing": {"endpoint": wrong}}))["tracing.endpoint"]
    assert "it should" in problem
    assert "secret" not in problem


def test_traces_without_their_packages_are_told(site, monkeypatch):
    monkeypatch.setattr(tracing, "LIBRARY", "not_installed.exporter")
    problems = told(site({"tracing": {"endpoint": "http://collector:4318"}}))
    assert list(problems) == ["tracing.endpoint"]
    assert "Install plumbline[tracing]" in problems["tracing.endpoint"]


def test_the_usual_path_is_added_to_a_collectors_address(site):
    report = site({"tracing": {"endpoint": "https://collector:4318/"}})
    assert report.problems == ()
    assert {each.key: each.value for each in report.effective}["tracing.endpoint"] == (
        '"https://collector:4318/v1/traces"'
    )
