"""Rules that change while the system runs: read again when they are right, left alone when they are not."""

import os

from plumbline.settings import Settings, SiteSettings
from plumbline.site_policy import ReloadedPolicy

RULE = "rules: [{{name: {name}, priority: STAT, says: x, when: {{exam.modality: CT}}}}]\n"


def write(path, text, second):
    path.write_text(text)
    os.utime(path, (second, second))


def names(policies):
    return [rule.name for rule in policies.current().rules.rules]


def test_changed_rules_are_in_force_without_a_restart_and_wrong_ones_are_not(tmp_path):
    path = tmp_path / "rules.yaml"
    write(path, RULE.format(name="first"), 1)
    policies = ReloadedPolicy(Settings(site=SiteSettings(triage_rules=path)))
    before = policies.current()
    assert names(policies) == ["first"]
    assert policies.current() is before
    write(path, RULE.format(name="second"), 2)
    assert names(policies) == ["second"]
    write(path, "rules: [{name: broken}]\n", 3)
    assert names(policies) == ["second"]
    path.unlink()
    assert names(policies) == ["second"]
    write(path, RULE.format(name="third"), 4)
    assert names(policies) == ["third"]


def test_a_site_without_a_file_keeps_the_packaged_rules():
    policies = ReloadedPolicy(Settings())
    assert policies.current() is policies.current()
