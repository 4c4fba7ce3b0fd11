"""The commands that prepare an installation and check it: init, doctor."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.options import DryRun
from digest.cli.output import NotReady, answer, print_whole, progress, report, with_json, writes_json
from digest.settings import FILE_VARIABLE, PREFIX, SettingsError, settings

if TYPE_CHECKING:
    from digest.monitoring.doctor.records import DnsRecord
    from digest.settings import Settings

_SECRET, _KEYS = f"{PREFIX}SECRET_KEY", f"{PREFIX}DKIM_KEYS"


@dataclass(slots=True)
class SettingsDraft:
    """A settings file before it is written."""

    path: Path
    text: str  # of the existing file, or of the template
    is_new: bool
    present: dict[str, str]  # by variable, in the file or the environment
    given: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Path] = field(default_factory=dict)  # DKIM keys to make, by kind

    def lacks(self, variable: str) -> bool:
        return variable not in self.present and f"{variable}_FILE" not in self.present

    def check(self, values: Mapping[str, str]) -> "Settings":
        """Return the settings, with `values` for those that are not set yet. Raises SettingsError."""
        from digest.settings.model import settings_of

        return settings_of({**values, **self.present})


@with_json
def init(
    path: Annotated[Path, typer.Option("--file", help="Settings file to write.")] = Path(".env"),
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="File with the values, in the format of a settings file."),
    ] = None,
    dkim: Annotated[
        bool | None,
        typer.Option(
            "--dkim/--no-dkim", help="Make a DKIM key.", show_default="yes, unless the mail server's provider signs"
        ),
    ] = None,
    ed25519: Annotated[bool, typer.Option("--ed25519", help="Make an Ed25519 key too, next to the RSA key.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write the settings file and the DKIM key, and list the DNS records to publish.

    In a terminal, it asks for missing values. Existing values and keys are never changed.
    """
    is_asking = answers is None and sys.stdin.isatty() and not writes_json()
    draft = _draft(path)
    if answers is None and not is_asking:
        if not draft.is_new:
            raise NotReady(
                f"{path} exists; nothing changed. To fill in missing values, run this in a terminal or with --answers; "
                "or use another --file."
            )
        draft.given = {_SECRET: secrets.token_hex(32)}
    else:
        draft.given = _answers(draft, answers)
        _add_secret(draft)
        draft.keys = _keys_to_make(draft, dkim, ed25519, is_asking)
    _finish(draft, dry_run)


def _draft(path: Path) -> SettingsDraft:
    from digest.settings.environment import read_file, values_in
    from digest.settings.reference import env_example

    is_new = not path.exists()
    text = env_example() if is_new else read_file(path, "use another --file")
    environment = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    if not is_new:
        os.environ[FILE_VARIABLE] = str(path.absolute())  # relative paths in it are relative to its folder
    return SettingsDraft(path, text, is_new, values_in(text, str(path)) | environment)


def _answers(draft: SettingsDraft, file: Path | None) -> dict[str, str]:
    from digest.cli.setup.questions import answers_in, ask
    from digest.settings.model import unknown_names

    if file is None:
        return ask(draft.lacks, _prompt, draft.check, progress)
    given = answers_in(file)
    if unknown := unknown_names(given):
        raise SettingsError(f"{file}: {unknown[0]} is not a setting; check the spelling in docs/configuration.md")
    return given


def _prompt(question: str, is_hidden: bool) -> str:
    text: str = typer.prompt(question, default="", show_default=False, hide_input=is_hidden, err=True)
    return text


def _add_secret(draft: SettingsDraft) -> None:
    if draft.lacks(_SECRET) and not {_SECRET, f"{_SECRET}_FILE"} & draft.given.keys():
        data = draft.check(draft.given).data_dir
        if not (data / "secret_key").exists():  # keep the secret that an installation has generated
            draft.given[_SECRET] = secrets.token_hex(32)


def _keys_to_make(draft: SettingsDraft, dkim: bool | None, ed25519: bool, is_asking: bool) -> dict[str, Path]:
    """Return the files of the keys to make, by kind, and add them to the settings."""
    from digest import clock
    from digest.cli.setup.keys import selector_of
    from digest.monitoring.doctor.records import author_domains, spf_domain_of

    chosen = draft.check(draft.given)
    if not draft.lacks(_KEYS) or _KEYS in draft.given or author_domains(chosen) == ["localhost"]:
        return {}
    if dkim is None:
        provider = any(spf_domain_of(relay) for relay in chosen.relays)
        question = "Sign the messages here (DKIM)? A provider such as Amazon SES signs them itself"
        dkim = typer.confirm(question, default=not provider, err=True) if is_asking else not provider or ed25519
    if not dkim:
        return {}
    kinds = ["rsa", *(["ed25519"] if ed25519 else [])]
    selectors = {kind: selector_of(clock.now().date(), kind) for kind in kinds}
    draft.given[_KEYS] = " ".join(f"{selector}=dkim/{selector}.pem" for selector in selectors.values())
    return {kind: draft.path.parent / "dkim" / f"{selector}.pem" for kind, selector in selectors.items()}


def _finish(draft: SettingsDraft, dry_run: bool) -> None:
    from digest.settings.file import filled_in

    new = {name: value for name, value in draft.given.items() if draft.lacks(name)}
    text = filled_in(draft.text, new)
    kept = [name for name, value in draft.given.items() if name in draft.present and draft.present[name] != value]
    made = [file for file in draft.keys.values() if not file.exists()]
    if not dry_run:
        _write_all(draft, text)
    records = [] if dry_run else _records(draft)
    document = {
        "file": str(draft.path), "added": list(new), "kept": kept, "keys": [str(file) for file in made],
        "records": [asdict(record) | {"zone": record.zone_line()} for record in records], "dry_run": dry_run,
    }  # fmt: skip
    verb = "Would write" if dry_run else "Wrote"
    lines = [f"{verb} {draft.path}, with {', '.join(new)}." if new else f"{draft.path} already has all values."]
    lines += [f"{verb} the key {file}." for file in made]
    lines += [f"Kept {name}, which is already set." for name in kept]
    report(document, *lines)
    if not writes_json():
        print_whole(_shown(records))
        if not dry_run:
            progress(
                "Once they are published, run: digest doctor"
                if records
                else "Set the missing values, then run: digest doctor"
            )


def _write_all(draft: SettingsDraft, text: str) -> None:
    from digest.cli.setup.keys import write_key
    from digest.settings.file import write_settings

    try:
        for kind, file in draft.keys.items():
            if not file.exists():
                write_key(kind, file)
        write_settings(draft.path, text, draft.is_new)
    except OSError as problem:
        raise NotReady(
            f"Cannot write {problem.filename or draft.path} ({problem.strerror}); use another --file."
        ) from None


def _records(draft: SettingsDraft) -> "list[DnsRecord]":
    from digest.monitoring.doctor.records import author_domains, wanted_records

    os.environ[FILE_VARIABLE] = str(draft.path.absolute())
    settings.cache_clear()
    if author_domains(settings()) == ["localhost"]:
        return []
    try:
        return wanted_records(settings())
    except (OSError, ValueError) as problem:
        raise SettingsError(f"{_KEYS}: {problem}") from None


def _shown(records: "list[DnsRecord]") -> list[str]:
    """Lines with the records, first for the forms of DNS providers, then for a zone file."""
    if not records:
        return []
    lines = ["", "Publish these DNS records:"]
    for record in records:
        lines += ["", f"{record.kind} {record.name}", f"    {record.value}"]
        lines += [f"    ({record.note})"] if record.note else []
    return [*lines, "", "The same for a zone file:", "", *(record.zone_line() for record in records), ""]


@with_json
def doctor() -> None:
    """Check the installation and list what is missing for real email. Exit code 3 if email cannot be sent or signed."""
    from digest.monitoring.doctor.examine import examine

    findings = examine(settings())
    answer([finding.as_dict() for finding in findings], lambda: [finding.line() for finding in findings])
    if any(finding.blocks for finding in findings):
        sys.exit(3)
