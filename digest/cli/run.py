"""Commands that start something: up, web, worker, scheduler; and migrate."""

import gc
import os
import signal
import socket
import sys
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import require_mail_server
from digest.cli.options import DryRun
from digest.cli.output import NotReady, progress, report, with_json
from digest.cli.watching import long_work
from digest.settings import settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy import Engine

    from digest.settings import Settings


_BEHIND_PAGES = 10  # steps of priority
StartDryRun = Annotated[bool, typer.Option("--dry-run", help="Check what it needs, say what would start, and exit.")]


def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="Use a local inbox, demo subscribers and a fresh database.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="The demo: wait for the messages, print one JSON line, exit.")
    ] = False,
    dry_run: StartDryRun = False,
) -> None:
    """Start everything on this machine: a small installation, or the demo if no mail server is set."""
    chosen = settings()
    as_demo = demo or once or not chosen.relays  # the demo never touches a configured database, broker or mail server
    if dry_run:
        what = "the demo, with a fresh database and a local inbox" if as_demo else "web, worker and scheduler"
        return progress(f"Would start {what}; pages at {chosen.public_url}/.")

    from digest.demo.run import demo as run_demo
    from digest.run import up as installation

    sys.exit(installation.run_to_the_end(lambda: run_demo(chosen, once) if as_demo else installation.up(chosen)))


def web(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="DIGEST_WEB_HOST")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on.", show_default="DIGEST_WEB_PORT")
    ] = None,
    dry_run: StartDryRun = False,
) -> None:
    """Serve the pages."""
    chosen = _complete_settings()
    host, port = host or chosen.web_host, chosen.web_port if port is None else port
    _check_address(host, port)
    if dry_run:
        return progress(f"Would serve pages on {host}, port {port}, by {_processes(chosen.web_processes)}.")

    import uvicorn

    from digest import wiring
    from digest.database.engine import closing
    from digest.run.processes import raise_file_limit
    from digest.web.server import serving_options

    raise_file_limit()
    _log_start(address=f"http://{host}:{port}", public_url=chosen.public_url)
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
    return None


def _processes(count: int) -> str:
    return f"{count} process{'' if count == 1 else 'es'}"


def web_process() -> "FastAPI":
    """The app of one of several web processes, which end with the process that started them."""
    from digest import wiring
    from digest.logs import set_up_logs
    from digest.run.processes import end_with_parent

    end_with_parent()
    gc.set_threshold(20_000)  # as main() does, which this process did not run
    set_up_logs(program="web")
    return _web_app(wiring.impatient_engine(settings()))


def _web_app(database: "Engine") -> "FastAPI":
    from digest import wiring
    from digest.monitoring.heartbeats import Role
    from digest.monitoring.threads import threads
    from digest.web.app import create_app
    from digest.web.page_cache.editions import EditionWatch

    app = create_app(database, settings(), wiring.hint_sender(settings()), editions=EditionWatch(database))
    app.state.threads = threads(settings(), Role.WEB)
    return app


def worker(
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="DIGEST_WORKER_PROCESSES")
    ] = None,
    with_scheduler: Annotated[
        bool, typer.Option("--with-scheduler", help="Run the scheduler in the same process, to save memory.")
    ] = False,
    dry_run: StartDryRun = False,
) -> None:
    """Deliver messages: Celery workers that take hints from Redis."""
    count = processes or settings().worker_processes
    if with_scheduler and count != 1:
        raise typer.BadParameter("it needs --processes 1", param_hint="--with-scheduler")
    if not settings().redis_url.get_secret_value():
        raise NotReady("DIGEST_REDIS_URL is not set. On one machine, digest up starts its own Valkey.")
    require_mail_server()
    if dry_run:
        _check_start()
        return progress(f"Would start {_processes(count)} that deliver messages.")
    import structlog
    from celery.exceptions import SecurityWarning

    from digest import wiring

    wiring.signers(_complete_settings())  # a key that cannot sign is reported now, not with each message
    if os.geteuid() == 0:
        os.environ.setdefault("C_FORCE_ROOT", "1")
        warnings.simplefilter("ignore", SecurityWarning)  # it is a page long; the log has one line about it
        structlog.get_logger().warning("running as root; a user of its own is better for a real installation")
    database = _session_engine()
    _log_start(processes=count)
    os.nice(_BEHIND_PAGES)  # somebody waits for a page; a message may arrive a second later
    return _work(database, count, with_scheduler)


def _work(database: "Engine", count: int, with_scheduler: bool) -> None:
    """Run the worker, with the schedules if they are wanted, until the process is told to stop."""
    from digest.database.engine import checkpoint
    from workers.app import app as celery
    from workers.scheduler import running

    quietly = ["--quiet", "worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    # A single process needs no parent.
    pool = "solo" if count == 1 else "prefork"
    try:
        with running(settings(), database) if with_scheduler else nullcontext():
            celery.worker_main([*quietly, f"--concurrency={count}", f"--pool={pool}"])
    finally:
        checkpoint(database)
        if with_scheduler:  # do not wait for threads that read sources
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)


def scheduler(dry_run: StartDryRun = False) -> None:
    """Collect papers, cut the day's issue, and sweep the ledger."""
    if dry_run:
        _check_start()
        every = f"collects every {settings().collect_minutes} minutes, cuts at {settings().cut_at:%H:%M} UTC"
        return progress(
            f"Would start the scheduler, which {every} and sweeps every {settings().sweep_seconds} seconds."
        )
    from digest import wiring
    from digest.database.engine import closing
    from workers.scheduler import run

    wiring.signers(_complete_settings())
    with closing(_session_engine()) as database:
        _log_start(cut_at=f"{settings().cut_at:%H:%M} UTC")
        run(settings(), database)
    return None


def _check_start() -> None:
    """Raises NotReady or SettingsError for what a worker or a scheduler could not start with."""
    from digest import wiring
    from digest.database.engine import checkpoint

    wiring.signers(_complete_settings())
    checkpoint(_session_engine())


def _log_start(**about: object) -> None:
    import structlog

    from digest.monitoring.heartbeats import running_version

    structlog.get_logger().info("started", version=running_version(), **about)


def _complete_settings() -> "Settings":
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


@with_json
def migrate(dry_run: DryRun = False) -> None:
    """Create the database, or upgrade it to this version."""
    from digest.database.migrate import migrate as upgrade

    steps = _missing_steps()
    if not dry_run:
        settings().create_secret()
        with long_work("Upgrading the database", len(steps)) as advance:
            upgrade(settings().database, on_step=lambda _step: advance(""))
    line = "The database is up to date."
    if dry_run and steps:
        line = f"Would upgrade the database by {len(steps)} steps: {', '.join(steps)}."
    report({"steps": steps, "dry_run": dry_run}, line)


def _missing_steps() -> list[str]:
    from digest import wiring
    from digest.database.engine import NO_DATABASE, problem_of, read_only
    from digest.database.migrate import missing_steps, steps_from_nothing

    engine = wiring.engine(settings())
    try:
        with read_only(engine) as connection:
            return missing_steps(connection)
    except Exception as problem:
        if problem_of(problem).startswith(NO_DATABASE):
            return steps_from_nothing()
        raise
    finally:
        engine.dispose()
