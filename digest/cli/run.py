"""Commands that start something: up, web, worker, scheduler, migrate, init, doctor."""

import os
import secrets
import socket
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import require_mail_server
from digest.cli.output import NotReady, answer, progress, with_json
from digest.settings import Settings, settings
from digest.settings.reference import env_example

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy import Engine


_BEHIND_PAGES = 10  # steps of priority


def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="Use a local inbox, demo subscribers and a fresh database.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="The demo: wait for the messages, print one JSON line, exit.")
    ] = False,
) -> None:
    """Start everything on this machine: a small installation, or the demo if no mail server is set."""
    from digest.demo.run import demo as run_demo
    from digest.run import up as installation

    chosen = settings()
    as_demo = demo or once or not chosen.relays  # the demo never touches a configured database, broker or mail server
    sys.exit(installation.run_to_the_end(lambda: run_demo(chosen, once) if as_demo else installation.up(chosen)))


def web(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
) -> None:
    """Serve the pages."""
    import uvicorn

    from digest import wiring
    from digest.database.engine import closing
    from digest.run.processes import raise_file_limit
    from digest.web.server import serving_options

    chosen = _complete_settings()
    host, port = host or chosen.web_host, chosen.web_port if port is None else port
    _check_address(host, port)
    raise_file_limit()
    with closing(wiring.impatient_engine(chosen)) as database:
        is_alone = chosen.web_processes == 1
        uvicorn.run(
            _web_app(database) if is_alone else f"{__name__}:{web_process.__name__}",
            factory=not is_alone,
            workers=chosen.web_processes,
            host=host,
            port=port,
            **serving_options(),
        )


def web_process() -> "FastAPI":
    """The app of one of several web processes, which end with the process that started them."""
    from digest import wiring
    from digest.logs import set_up_logs
    from digest.run.processes import end_with_parent

    end_with_parent()
    set_up_logs()
    return _web_app(wiring.impatient_engine(settings()))


def _web_app(database: "Engine") -> "FastAPI":
    from digest import wiring
    from digest.monitoring.heartbeats import HeartbeatThread, Role
    from digest.web.app import create_app
    from digest.web.edition_watch import EditionWatch

    app = create_app(database, settings(), wiring.hint_sender(settings()), editions=EditionWatch(database))
    app.state.heartbeat = HeartbeatThread(settings(), Role.WEB)
    return app


def worker(
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="DIGEST_WORKER_PROCESSES")
    ] = None,
) -> None:
    """Deliver messages: Celery workers that take hints from Redis."""
    if not settings().redis_url.get_secret_value():
        raise NotReady("DIGEST_REDIS_URL is not set. On one machine, digest up starts its own Valkey.")
    require_mail_server()
    from celery.exceptions import SecurityWarning

    from digest import wiring
    from digest.database.engine import checkpoint
    from workers.app import app as celery

    wiring.signers(_complete_settings())  # a key that cannot sign is reported now, not with each message
    if os.geteuid() == 0:
        os.environ.setdefault("C_FORCE_ROOT", "1")
        warnings.simplefilter("ignore", SecurityWarning)  # it is a page long; the log has one line about it
        progress("running as root; a user of its own is better for a real installation")
    database = _session_engine()
    count = processes or settings().worker_processes
    progress(f"{count} worker processes take hints from Redis")
    os.nice(_BEHIND_PAGES)  # somebody waits for a page; a message may arrive a second later
    quietly = ["--quiet", "worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    try:
        celery.worker_main([*quietly, f"--concurrency={count}"])
    finally:
        checkpoint(database)


def scheduler() -> None:
    """Collect papers, cut the day's issue, and sweep the ledger."""
    from digest import wiring
    from digest.database.engine import closing
    from workers.scheduler import run

    wiring.signers(_complete_settings())
    with closing(_session_engine()) as database:
        run(settings(), database)


def _complete_settings() -> Settings:
    """The settings, once there is a secret. Raises SettingsError."""
    _ = settings().secret_keys
    return settings()


def _check_address(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as problem:
        advice = "choose others by --host and --port, or DIGEST_WEB_HOST and DIGEST_WEB_PORT"
        raise NotReady(f"Cannot listen on {host}, port {port} ({problem.strerror}); {advice}") from None


def _session_engine() -> "Engine":
    from digest import wiring

    try:
        return wiring.session_engine(settings())
    except ValueError as problem:
        raise NotReady(str(problem)) from None


def migrate() -> None:
    """Create the database, or upgrade it to this version."""
    from digest.database.migrate import migrate as upgrade

    settings().create_secret()
    upgrade(settings().database)
    progress("The database is up to date.")


def init(
    path: Annotated[Path, typer.Option("--file", help="File to write.")] = Path(".env"),
) -> None:
    """Write a .env with every setting explained and a fresh secret; an existing file is never changed."""
    text = env_example().replace("# DIGEST_SECRET_KEY=", f"DIGEST_SECRET_KEY={secrets.token_hex(32)}", 1)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except FileExistsError:
        raise NotReady(f"{path} exists; nothing changed. Remove it first, or use another --file.") from None
    except OSError as problem:
        raise NotReady(f"Cannot write {path} ({problem.strerror}); use another --file.") from None
    progress(f"Wrote {path}. Fill in what you need, then run: digest doctor")


@with_json
def doctor() -> None:
    """Check the installation and list what is missing for real email. Exit code 3 if anything is."""
    from digest.monitoring.doctor.examine import examine

    findings = examine(settings())
    answer([finding.as_dict() for finding in findings], lambda: [finding.line() for finding in findings])
    if any(finding.blocks for finding in findings):
        sys.exit(3)
