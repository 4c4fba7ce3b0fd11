"""`digest up`: runs web, worker, scheduler and the servers they need on one machine until Ctrl-C."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from digest.run import processes
from digest.run.parts import CannotStart, alone_in, child_environment, fork_digest, import_parts, start_broker
from digest.run.supervisor import RunFailed, Supervisor, say
from digest.settings import Settings


def run_to_the_end(start: Callable[[], int]) -> int:
    """Call `start` and report what ended it. The exit code: 0 ok, 1 failed, 3 not ready."""
    try:
        return start()
    except RunFailed as problem:
        say(str(problem))
        return 1
    except CannotStart as problem:
        say(str(problem))
        return 3
    except KeyboardInterrupt:
        say("Stopped.")
        return 0


def up(settings: Settings) -> int:
    """Start web, worker, scheduler and, where no Redis is configured, a Valkey; run until Ctrl-C."""
    from digest import wiring
    from digest.database.migrate import migrate

    if not processes.is_free(settings.web_port, settings.web_host):
        raise CannotStart(f"port {settings.web_port} is taken: set DIGEST_WEB_PORT")
    with alone_in(settings.data_dir), Supervisor() as programs:
        settings.create_secret()
        migrate(settings.database)
        try:
            wiring.session_engine(settings).dispose()
        except ValueError as problem:
            raise CannotStart(str(problem)) from None
        import_parts()
        overrides: dict[str, object] = {}
        if not settings.redis_url.get_secret_value():
            overrides["redis_url"] = start_broker(programs, settings.data_dir)
        for part, *arguments in _parts(settings):
            fork_digest(programs, part, arguments, child_environment(overrides))
        _say_where(settings)
        while True:
            programs.tend()
            time.sleep(0.5)


def _parts(settings: Settings) -> list[list[str]]:
    """The programs with their arguments. Unless the operator wants several worker processes, a single process that also
    runs the schedules is enough for one machine; if it ends, the pages and the broker go on.
    """
    if "worker_processes" in settings.model_fields_set and settings.worker_processes > 1:
        return [["web"], ["worker"], ["scheduler"]]
    return [["web"], ["worker", "--processes", "1", "--with-scheduler"]]


def _say_where(settings: Settings) -> None:
    say(f"Pages               {settings.public_url}/")
    if urlsplit(settings.public_url).port != settings.web_port:
        say(f"  served here       http://{settings.web_host}:{settings.web_port}/, behind your TLS proxy")
    say(f"Mail server         {', '.join(f'{relay.host}:{relay.port}' for relay in settings.relays)}")
    say(f"Daily cut           {settings.cut_at:%H:%M} UTC")
    say(f"Data in             {settings.data_dir.absolute()}")
    say("Check with          digest doctor · digest status")
    say("Stop with           Ctrl-C")
