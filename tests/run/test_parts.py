"""The Valkey that `digest up` starts."""

import stat
import subprocess
from pathlib import Path

import pytest
import redis

from digest.hints import QUEUE, hint
from digest.run import processes
from digest.run.parts import private_valkey
from tests.support.waiting import wait_for


@pytest.mark.parametrize("name", ["plain", "with space & ü %41", "x" * 100])
def test_the_embedded_valkey_answers_nobody_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(mode=0o755)
    command, url = private_valkey(folder)
    valkey = processes.start(command, output=subprocess.DEVNULL)
    try:
        with redis.Redis.from_url(url) as client:
            listens = Path(client.connection_pool.connection_kwargs["path"])
            wait_for(listens.is_socket, 10, "the socket")
            assert hint(url)  # Celery's client finds it as well
            assert client.llen(QUEUE) == 1
            assert client.config_get("port") == {"port": "0"}
            with pytest.raises(redis.ConnectionError):
                client.lpush(QUEUE, "x" * 2_000_000)  # a worker would read it
        assert stat.S_IMODE(listens.stat().st_mode) == 0o600
        assert stat.S_IMODE(listens.parent.stat().st_mode) == 0o700
    finally:
        processes.stop(valkey)
