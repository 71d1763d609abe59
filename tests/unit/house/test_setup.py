"""The set-up scripts: what they say when something is missing, and what they leave behind. Nothing is installed."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
LOCK = runpy.run_path(str(HOUSE / "scripts/lock.py"))
INSTALLED = runpy.run_path(str(HOUSE / "scripts/installed_packages.py"))
PYPROJECT = (HOUSE / "pyproject.toml").read_text()
POSIX_TOOLS = (
    "bash env sed sort xargs comm cat grep mktemp rm mv chmod tee dirname sha256sum cut printf true tail head flock"
)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs to be the only ones on PATH: a Debian machine without root, sudo or packages."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "work").mkdir()
    for tool in POSIX_TOOLS.split():
        found = shutil.which(tool)
        assert found is not None, tool
        (programs / tool).symlink_to(found)
    program(programs, "id", "echo 1000")
    program(programs, "dpkg-query", "exit 1")
    program(programs, "apt-get", "exit 0")
    program(programs, "mkdir", "exit 0")
    return programs


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
    path.chmod(0o755)


def run(machine: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that may call the functions of debian.sh and python.sh, in a clone without environment."""
    sandbox = machine.parent
    prelude = f"""
        set -euo pipefail
        cd {HOUSE}
        work={sandbox}/work
        steps=4 step=0
        begin() {{ echo "$1"; }}
        fail() {{ echo "Set-up stopped: $1" >&2; exit 1; }}
        source scripts/debian.sh
        source scripts/python.sh
        policy={sandbox}/policy-rc.d
        policy_before={sandbox}/policy-rc.d.before-plumbline
        as_root=(env)
        become_root() {{ as_root=(env); }}
    """
    return subprocess.run(
        [str(machine / "bash"), "-c", prelude + script],
        env={"PATH": str(machine), "HOME": str(sandbox)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def setup_in_a_copy(machine: Path, target: str) -> subprocess.CompletedProcess[str]:
    copy = machine.parent / "clone"
    shutil.copytree(HOUSE / "scripts", copy / "scripts")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(HOUSE / name, copy / name)
    return subprocess.run(
        [str(machine / "bash"), str(copy / "scripts/setup.sh"), target],
        env={"PATH": str(machine), "HOME": str(machine.parent), "TMPDIR": str(machine.parent)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def only_sentence(outcome: subprocess.CompletedProcess[str]) -> str:
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    lines = outcome.stderr.splitlines()
    assert len(lines) == 1, outcome.stderr
    return lines[0]


def test_without_root_and_sudo_one_sentence_names_what_is_missing(machine: Path) -> None:
    sentence = only_sentence(setup_in_a_copy(machine, "demo"))
    assert "neither root nor has it sudo" in sentence
    assert "orthanc-dicomweb" in sentence
    assert "dicom3tools" not in sentence  # the demo does not need it


def test_with_sudo_that_asks_for_a_password_nobody_can_type_one_sentence_says_so(machine: Path) -> None:
    program(machine, "sudo", "exit 1")
    assert "sudo asks for a password" in only_sentence(setup_in_a_copy(machine, "test"))


def test_without_apt_one_sentence_names_the_packages(machine: Path) -> None:
    (machine / "apt-get").unlink()
    sentence = only_sentence(setup_in_a_copy(machine, "demo"))
    assert "no apt-get" in sentence
    assert "redis-server" in sentence


def test_an_unknown_target_is_refused(machine: Path) -> None:
    assert "unknown target 'deploy'" in only_sentence(setup_in_a_copy(machine, "deploy"))


def test_an_old_python_is_refused_in_one_sentence(machine: Path) -> None:
    program(machine, "python3", "exit 1")
    outcome = run(machine, "environment_runs() { false; }; rm() { :; }; create_environment")
    assert "Python 3.11 or newer" in only_sentence(outcome)


def test_without_a_source_of_packages_the_last_sentence_says_so(machine: Path) -> None:
    program(machine, "id", "echo 0")
    program(machine, "apt-get", 'case "$*" in *install*) echo "E: Unable to locate package orthanc"; exit 100;; esac')
    outcome = run(machine, "install_packages orthanc")
    assert outcome.returncode == 1
    assert "no source of Debian packages" in outcome.stderr.splitlines()[-1]


def test_packages_are_looked_up_and_not_remembered(machine: Path) -> None:
    program(machine, "dpkg-query", "echo installed orthanc; echo config-files redis-server; echo installed dcmtk")
    missing = run(machine, "missing_packages demo").stdout.split()
    assert missing == ["orthanc-dicomweb", "orthanc-python", "redis-server"]


def test_services_are_kept_from_starting_while_packages_are_installed_and_only_then(machine: Path) -> None:
    policy = machine.parent / "policy-rc.d"
    program(machine, "apt-get", f'case "$*" in *install*) {policy} orthanc start; echo "policy $?";; esac')
    outcome = run(machine, "install_packages orthanc; cat $work/install.log")
    assert outcome.returncode == 0, outcome.stderr
    assert "policy 101" in outcome.stdout
    assert not policy.exists()


def test_the_policy_of_the_machine_is_put_back_even_when_the_installation_fails(machine: Path) -> None:
    policy = machine.parent / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    program(machine, "apt-get", "exit 100")
    assert run(machine, "install_packages orthanc").returncode == 1
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_the_policy_is_put_back_after_a_set_up_that_was_killed(machine: Path) -> None:
    policy = machine.parent / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    run(machine, "forbid_service_starts; kill -9 $$")
    assert "exit 101" in policy.read_text()
    assert run(machine, "restore_policy").returncode == 0
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_progress_is_shown_by_tenths(machine: Path) -> None:
    status = "\n".join(f"pmstatus:orthanc:{percent / 2}:Unpacking" for percent in range(201))
    shown = run(machine, f"show_progress <<'END'\n{status}\nEND").stdout.splitlines()
    assert [line.split(":")[1].strip() for line in shown] == [f"{percent} %" for percent in range(0, 101, 10)]


def test_pip_settings_of_the_machine_reach_uv(machine: Path) -> None:
    script = "configure_uv_like_pip; echo $UV_DEFAULT_INDEX $SSL_CERT_FILE"
    values = "export PIP_INDEX_URL=https://mirror.invalid/simple PIP_CERT=/etc/own.pem; "
    assert run(machine, values + script).stdout.split() == ["https://mirror.invalid/simple", "/etc/own.pem"]


def test_the_lock_belongs_to_the_dependency_lists() -> None:
    for name in ("requirements.lock", "requirements-benchmark.lock"):
        assert LOCK["faults"]((HOUSE / name).read_text(), PYPROJECT) == [], name


def test_a_changed_dependency_makes_the_lock_stale() -> None:
    changed = PYPROJECT.replace('"numpy>=2.0"', '"numpy>=2.1"')
    assert changed != PYPROJECT
    assert "make lock" in LOCK["faults"]((HOUSE / "requirements.lock").read_text(), changed)[0]


def test_a_lock_that_names_a_host_is_refused() -> None:
    lock = "--index-url https://mirror.invalid/simple\n" + (HOUSE / "requirements.lock").read_text()
    assert any("names a host" in fault for fault in LOCK["faults"](lock, PYPROJECT))


def test_every_locked_package_has_a_version_and_a_hash() -> None:
    lines = (HOUSE / "requirements.lock").read_text().splitlines()
    packages = [index for index, line in enumerate(lines) if line[:1].isalnum()]
    assert len(packages) > 50
    for index in packages:
        assert "==" in lines[index], lines[index]
        assert "--hash=sha256:" in lines[index + 1], lines[index]


def test_markers_decide_what_is_wanted_here() -> None:
    lock = "one==1.0 \\\n    --hash=sha256:00\nTwo==2.0 ; python_version < '3'\nfour_five==4 ; python_version > '3'\n"
    assert INSTALLED["locked_versions"](lock) == {"one": "1.0", "four-five": "4"}


def test_a_missing_package_is_noticed_in_an_environment_that_has_its_stamp(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-package==1.0\npytest==0.0.1\n")
    assert INSTALLED["main"](str(lock)) == 1
    shown = capsys.readouterr().out
    assert "no-such-package: not installed, locked 1.0" in shown
    assert "locked 0.0.1" in shown


@pytest.mark.parametrize("name", ["setup.sh", "check.sh"])
def test_scripts_can_be_executed(name: str) -> None:
    assert os.access(HOUSE / "scripts" / name, os.X_OK)
