"""`digest up`: everything on one machine with one command, for a small real installation or to see it work (the demo).

Comes in: the settings. Goes out: web, worker, scheduler and what they need, running until Ctrl-C.
"""

import time
from urllib.parse import urlsplit

from digest.demo.run import demo
from digest.programs import processes
from digest.programs.embedded import NoBroker
from digest.programs.parts import NotReady, alone_in, child_environment, start_broker, start_digest
from digest.programs.supervisor import ProgramEnded, StepFailed, Supervisor, say
from digest.settings import Settings


def up(settings: Settings, as_demo: bool = False, once: bool = False) -> int:
    """Run until Ctrl-C, or with `once` until the demo's mails are there. The exit code: 0 ok, 1 failed, 3 not ready.

    Without a mail server it is always the demo, which never touches a configured database, broker or mail server.
    """
    try:
        if as_demo or once or not settings.relays:
            return demo(settings, once)
        return _for_real(settings)
    except (ProgramEnded, StepFailed) as problem:
        say(str(problem))
        return 1
    except (NotReady, NoBroker) as problem:
        say(str(problem))
        return 3
    except KeyboardInterrupt:
        say("Stopped.")
        return 0


def _for_real(settings: Settings) -> int:
    from digest.store.migrate import migrate  # the demo starts its programs before it takes the time for this

    if not processes.is_free(settings.web_port, settings.web_host):
        raise NotReady(f"port {settings.web_port} is taken: set DIGEST_WEB_PORT")
    with alone_in(settings.data_dir), Supervisor() as programs:
        migrate(settings.database)
        overrides: dict[str, object] = {}
        if not settings.redis_url.get_secret_value():
            overrides["redis_url"] = start_broker(programs, settings.data_dir)
        for part in ("web", "worker", "scheduler"):
            start_digest(programs, part, child_environment(overrides))
        _say_where(settings)
        while True:
            programs.tend()
            time.sleep(0.5)


def _say_where(settings: Settings) -> None:
    say(f"Pages for readers   {settings.public_url}/")
    if urlsplit(settings.public_url).port != settings.web_port:
        say(f"  served here       http://{settings.web_host}:{settings.web_port}/, behind your TLS proxy")
    say(f"Mails go through    {', '.join(f'{relay.host}:{relay.port}' for relay in settings.relays)}")
    say(f"An issue is cut at  {settings.cut_at:%H:%M} UTC")
    say(f"Data in             {settings.data_dir.absolute()}")
    say("Is all well?        digest doctor · digest audit")
    say("Stop with           Ctrl-C")
