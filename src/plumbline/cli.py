"""The command line. Exit codes: 0 it ran, 2 bad input, 3 every check failed (design section 4, Commands)."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from plumbline import __version__
from plumbline.errors import InvalidInput, PlumblineError

BAD_INPUT = 2
ALL_CHECKS_FAILED = 3

app = typer.Typer(
    name="plumbline",
    help="Compares postoperative spine exams with the patient's own earlier exams. Not a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def compare(
    current: Annotated[Path, typer.Option(help="Folder of the exam to check.")],
    baseline: Annotated[Path | None, typer.Option(help="Folder of the first exam after the operation.")] = None,
    preoperative: Annotated[Path | None, typer.Option(help="Folder of an exam from before the operation.")] = None,
    planned: Annotated[str | None, typer.Option(help='What was planned, e.g. "L4-L5 TLIF".')] = None,
    surgery_date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date of the operation, YYYY-MM-DD.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report and the pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result to standard output as JSON.")] = False,
) -> None:
    """Compare folders of DICOM files, with no archive, queue or database."""
    from plumbline.folder_comparison import ComparisonRequest, compare_folders  # noqa: PLC0415 (keeps --help quick)
    from plumbline.result_text import print_result  # noqa: PLC0415

    console = Console(stderr=True)
    with console.status("Reading", spinner="dots") as status:
        outcome = compare_folders(
            ComparisonRequest(
                current=current,
                baseline=baseline,
                preoperative=preoperative,
                planned=planned,
                surgery_date=surgery_date.date() if surgery_date else None,
                out=out,
            ),
            progress=status.update,
        )
    if as_json:
        sys.stdout.write(json.dumps(outcome.document, indent=2, ensure_ascii=False) + "\n")
    else:
        print_result(outcome.document, Console())
    if outcome.every_check_failed:
        raise typer.Exit(ALL_CHECKS_FAILED)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Check every outcome and stop.")] = False,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", envvar="FREE_PORTS", help="Take any free ports instead of the usual ones.")
    ] = False,
    directory: Annotated[Path, typer.Option(help="Where data, logs and cached patients go.")] = Path("build/demo"),
) -> None:
    """Run the whole path on this machine with a cohort of virtual patients."""
    from plumbline.demo.run import run_demo  # noqa: PLC0415

    if not run_demo(directory, once=once, choose_free_ports=free_ports, console=Console()):
        raise typer.Exit(1)


@app.command()
def complete(
    study_instance_uid: Annotated[str, typer.Argument(help="Study Instance UID of a study that is waited for.")],
    by: Annotated[str, typer.Option(help="Who says that nothing more will come.")],
    because: Annotated[str, typer.Option(help="Why, for those who read it later; no patient's name.")],
) -> None:
    """Declare a study complete as it is held; the site's settings say in which store."""
    from plumbline.study_commands import declare_complete  # noqa: PLC0415

    declare_complete(study_instance_uid, by=by, reason=because)
    typer.echo(f"{study_instance_uid} is taken as it is held; its comparison begins in a few seconds.")


@app.command()
def studies(
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that are still waited for.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
) -> None:
    """Show what is held, listed and missing of each study, since when, and why."""
    from plumbline.study_commands import print_studies  # noqa: PLC0415

    print_studies(Console(), limit=limit, only_waiting=waiting)


@app.command()
def triage(
    study_instance_uid: Annotated[str | None, typer.Argument(help="Study Instance UID of an exam of the site.")] = None,
    result: Annotated[Path | None, typer.Option(help="A result that 'compare --json' wrote, in place of it.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rules to try; those of the site where not given.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say of every rule why it fired or did not.")] = False,
) -> None:
    """Try triage rules on a past exam; nothing is changed by it."""
    from plumbline.triage_command import print_triage  # noqa: PLC0415

    print_triage(Console(), study_instance_uid, result=result, rules=rules, explains=explain)


@app.command()
def deliveries(
    dead: Annotated[bool, typer.Option("--dead", help="Only what was given up.")] = False,
    destination: Annotated[str | None, typer.Option(help="Only what is owed to this destination.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
) -> None:
    """Show what is owed to other systems, and what became of it."""
    from plumbline.delivery_commands import print_deliveries  # noqa: PLC0415

    print_deliveries(Console(), only_dead=dead, destination=destination, limit=limit)


@app.command()
def resend(
    delivery: Annotated[int, typer.Argument(help="Number of the delivery, as 'deliveries' shows it.")],
) -> None:
    """Send a delivery again that was given up, or that arrived and is wanted once more."""
    from plumbline.delivery_commands import send_again  # noqa: PLC0415

    send_again(delivery)
    typer.echo(f"Delivery {delivery} is due now.")


@app.command("check-config")
def check_config(
    as_json: Annotated[
        bool, typer.Option("--json", help="Write settings and problems to standard output as JSON.")
    ] = False,
) -> None:
    """Show the settings that count and where each comes from, and everything that is wrong with them."""
    from plumbline.settings_commands import print_settings_check  # noqa: PLC0415

    if not print_settings_check(Console(), Console(stderr=True), as_json=as_json):
        raise typer.Exit(BAD_INPUT)


@app.command()
def backup(directory: Annotated[Path, typer.Argument(help="Empty folder, or one that is not there yet.")]) -> None:
    """Copy database, spool, rules and settings while the site runs."""
    from plumbline.backup_commands import print_backup  # noqa: PLC0415

    print_backup(Console(), directory)


@app.command()
def restore(directory: Annotated[Path, typer.Argument(help="Folder that 'backup' wrote.")]) -> None:
    """Put a backup into an empty database and an empty spool; stop all processes before."""
    from plumbline.backup_commands import print_restore  # noqa: PLC0415

    print_restore(Console(), directory)


@app.command()
def erase(
    patient: Annotated[str, typer.Option(help="Patient ID (0010,0020).")],
    issuer: Annotated[str, typer.Option(help="Its issuer (0010,0021), as the images say it; empty for none.")],
    by: Annotated[str | None, typer.Option(help="Who has it done, for the record.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without, nothing is changed.")] = False,
) -> None:
    """Erase one patient from database and spool; without --yes only show what would go."""
    from plumbline.erasure_commands import print_erasure  # noqa: PLC0415

    if yes and not (by or "").strip():
        raise InvalidInput("an erasure goes on record with who has it done", where="--by")
    print_erasure(Console(), patient, issuer, by=by if yes else None)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point: an error that we raised on purpose is one sentence, never a traceback."""
    try:
        app()
    except PlumblineError as error:
        typer.echo(f"plumbline: {error}", err=True)
        sys.exit(BAD_INPUT)
