"""Settings: nothing has to be set, what is wrong is said in one line, and secrets stay secret."""

import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from kombu import Connection

from digest.hints import QUEUE, broker_url, hint
from digest.run.parts import valkey_command
from digest.settings import Settings, SettingsError, reference, settings, unknown_variables
from tests.support.waiting import wait_for

PASSWORD = "correct-horse-battery"
ROOT = Path(__file__).parents[2]


def test_a_first_run_needs_no_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DIGEST_DATA_DIR")
    chosen = settings()
    assert chosen.database == f"sqlite:///{tmp_path / '.digest' / 'digest.sqlite'}"
    assert chosen.relays == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", f"mysql://root:{PASSWORD}@db/x", "start with postgresql://"),
        ("METRICS_TOKEN", PASSWORD[:15], "at least 16"),
        ("METRICS_TOKEN", f"{PASSWORD} and blanks", "without blanks"),
        ("METRICS_ALLOW", f"10.0.0.0/8 {PASSWORD}", "addresses and networks such as"),
        ("REDIS_URL", f"valkey://:{PASSWORD}@cache", "redis://"),
        ("SMTP_URL", f"smtp://papers:{PASSWORD}@mail.example.org", "smtp+starttls://"),
        ("SMTP_URL", f"https://papers:{PASSWORD}@mail.example.org", "smtps://"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org:port", "the port is a number from 1 to 65535"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org:99999", "the port is a number from 1 to 65535"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org?weight=half", "the weight is a whole number"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org?wieght=2", "only ?weight= may follow"),
        ("SMTP_URL", f"smtps://papers:x#{PASSWORD}@mail.example.org", "# as %23"),
        ("SMTP_URL", f"smtps://papers:x/{PASSWORD}@mail.example.org", "/ as %2F"),
        ("SMTP_URL", f"smtps://papers:x?{PASSWORD}@mail.example.org", "? as %3F"),
        ("SMTP_URL", f"smtp://papers:x@y/{PASSWORD}@localhost", "@ as %40"),
        ("SMTP_URL", f"smtps://papers:x {PASSWORD}@mail.example.org", "blank as %20"),
        ("SMTP_URL", f"smtps://papers:x[{PASSWORD}]@mail.example.org", "[ as %5B"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}℀@mail.example.org", "in user and password"),
        ("DATABASE_URL", f"postgresql://papers:x@{PASSWORD}@db/papers", "@ as %40"),
        ("DATABASE_URL", f"postgresql://papers:x#{PASSWORD}@db/papers", "# as %23"),
        ("DATABASE_URL", f"postgresql://papers:x/{PASSWORD}@db/papers", "/ as %2F"),
        ("DATABASE_URL", f"postgresql://papers:x?{PASSWORD}@db/papers", "? as %3F"),
        ("DATABASE_URL", f"postgresql://papers:x {PASSWORD}@db/papers", "blank as %20"),
        ("DATABASE_URL", f"postgresql://papers:{PASSWORD}@db:port/papers", "the port is a number"),
        ("DATABASE_URL", "sqlite://", "sqlite:///path"),
        ("DATABASE_URL", "sqlite:///:memory:", "name a file that all processes share"),
        ("REDIS_URL", f"redis://:x#{PASSWORD}@cache/0", "# as %23"),
        ("REDIS_URL", f"redis://:x/{PASSWORD}@cache/0", "/ as %2F"),
        ("REDIS_URL", f"redis://:{PASSWORD}@cache:port/0", "the port is a number"),
        ("REDIS_URL", "redis+socket:///run/redis.sock", "unix:///path"),
        ("REDIS_URL", "unix://", "unix:///run/redis.sock"),
        ("REDIS_URL", f"rediss://:{PASSWORD}@cache?ssl_cert_reqs=CERT_NONE", "required, optional or none"),
        ("PUBLIC_URL", "http://papers.example.org", "https://"),
        ("PUBLIC_URL", "papers.example.org", "web address"),
        ("PUBLIC_URL", "https://papers.example.org:99999", "web address"),
        ("PUBLIC_URL", "https://papers.exämple.org", "web address"),
        ("PUBLIC_URL", "https://my papers.example.org", "web address"),
        ("PUBLIC_URL", "https://[papers]", "web address"),
        ("PUBLIC_URL", "https://a-rather-long-name.papers.example.org", "40 characters"),
        ("SECRET_KEY", PASSWORD, "32 random characters"),
        ("MAIL_FROM", "Daily Papers", "address"),
        ("MAIL_FROM", "Daily Papers papers@example.org", "Daily Papers <papers@example.org>"),
        ("MAIL_FROM", "Daily Papers <papers@example.org", "Daily Papers <papers@example.org>"),
        ("MAIL_FROM", "Lab, Inc. <papers@example.org>", '"quotes"'),
        ("MAIL_FROM", "a@example.org, b@example.org", "address"),
        ("MAIL_FROM", "", "address"),
        ("REPLY_TO", "papers @example.org", "address"),
        ("SMTP_EHLO_NAME", "web1", "a full name with a dot"),
        ("SMTP_EHLO_NAME", "192.0.2.1", "[192.0.2.1]"),
        ("SMTP_URL", f"smtps://{PASSWORD}@mail.example.org", "user and password, or neither"),
        ("SMTP_URL", f"smtps://papers@{PASSWORD}@mail.example.org", "user and password, or neither"),
        (
            "SMTP_URL",
            f"smtps://a:{PASSWORD}@one.example.org:465, smtps://two.example.org",
            "separate servers by blanks",
        ),
        ("SMTP_URL", f"smtps://:{PASSWORD}@mail.example.org", "user and password, or neither"),
        ("BOUNCE_ADDRESS", "bounces@exämple.org", "address"),
        ("SOURCES", "huggingface,medline", "medline"),
        ("ARXIV_CATEGORIES", "cs.CL cs.LM", "arXiv has no category 'cs.LM'"),
        ("OWN_DOMAINS", "corp.local ada@corp.local", "'ada@corp.local'"),
        ("OWN_DOMAINS", "https://corp.local", "'https://corp.local'"),
        ("OWN_DOMAINS", "10.0.0.1", "'10.0.0.1' is not a domain"),
        ("OWN_DOMAINS", "*", "'*' is not a domain"),
        ("HUGGINGFACE_URL", "ftp://huggingface.co", "web address"),
        ("CUT_AT", "noon", "HH:MM"),
        ("CUT_AT", "06:00Z", "without a time zone"),
        ("CUT_AT", "06:00+02:00", "without a time zone"),
        ("CUT_AT", "600", "HH:MM"),
        ("WARM_UP_FROM", "tomorrow", "YYYY-MM-DD"),
        ("SMTP_DOMAIN_RATES", "gmail.com=inf", "gmail.com: write a number"),
        ("SMTP_DOMAIN_RATES", "gmail.com=0", "gmail.com: use more than 0"),
        ("SMTP_RATE", "nan", "write a number"),
        ("POOL_DAYS", "0", "use 1 or more"),
        ("POOL_DAYS", "31", "use 30 or less"),
        ("POOL_DAYS", "2.5", "write a whole number"),
        ("TITLE", "", "it must not be empty"),
        ("TITLE", "x" * 61, "use at most 60 characters"),
        ("WEB_PORT", "eighty", "write a whole number"),
        ("WEB_PORT", "tcp://10.43.12.7:8000", "enableServiceLinks: false"),
        ("WEB_HOST", "http://127.0.0.1", "0.0.0.0 for all"),
        ("FORWARDED_ALLOW_IPS", "proxy", "10.0.0.0/8"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8", "10.0.0.0/8"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("LOG_JSON", "perhaps", "write true or false"),
        ("IN_DOUBT", "drop", "use 'resend' or 'hold'"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org:0", "the port is a number from 1 to 65535"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail..example.org", "the host is not a name"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@256.1.1.1", "the host is not a name"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org?weight=٣", "the weight is a whole number"),
        ("SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org?weight={'9' * 400}", "the weight is a whole number"),
        ("DATABASE_URL", f"postgresql:/papers:{PASSWORD}@db/papers", "start with postgresql://"),
        ("DATABASE_URL", "::", "start with postgresql://"),
        ("DATABASE_URL", f"postgresql://papers:{PASSWORD}@db:0/papers", "the port is a number"),
        ("DATABASE_URL", f"postgresql:///papers?host=/run&password={PASSWORD}", "before the host"),
        ("DATABASE_URL", f"postgresql://papers:{PASSWORD}@db/papers?ssl=true", "such as sslmode=require"),
        ("DATABASE_URL", f"postgresql://papers:{PASSWORD}@db/papers?sslmode=yes", "such as sslmode=require"),
        ("DATABASE_URL", "sqlite:///papers.sqlite?mode=ro", "sqlite:///path"),
        ("DATABASE_URL", "sqlite:////", "sqlite:///path"),
        ("REDIS_URL", f"redis://:{PASSWORD}@cache/papers", "number of the database"),
        ("REDIS_URL", f"redis://:{PASSWORD}@cache/0?db=3", "remove db="),
        ("REDIS_URL", f"redis://cache?password={PASSWORD}", "remove password="),
        ("REDIS_URL", "redis://", "host"),
        ("REDIS_URL", "unix://run/redis.sock", "unix:///run/redis.sock"),
        ("REDIS_URL", "unix:///run/redis.sock?db=one", "db is a number"),
        ("REDIS_URL", "rediss://cache?ssl_cert_reqs=", "required, optional or none"),
        ("DATA_DIR", "", "name a folder"),
        ("DATA_DIR", "tcp://10.43.12.7:8000", "name a folder"),
        ("TITLE", "Daily\nPapers", "on one line"),
        ("TITLE", "Daily\x07Papers", "control characters"),
        ("TITLE", "Pr\udce9publications", "UTF-8"),
        ("CONTACT", "ada@example.org\r\nBcc: eve@example.org", "on one line"),
        ("PUBLIC_URL", "https://papers..example.org", "web address"),
        ("PUBLIC_URL", "https://papers.example.org:", "web address"),
        ("PUBLIC_URL", 'https://papers.example.org/"', "web address"),
        ("PUBLIC_URL", f"https://papers:{PASSWORD}@example.org", "web address"),
        ("WEB_HOST", "127.0.0.1:8000", "0.0.0.0 for all"),
        ("WEB_PORT", "９０００", "write a whole number"),
        ("POOL_DAYS", "9" * 5000, "write a whole number"),
        ("WARM_UP_FROM", "0001-01-01", "YYYY-MM-DD"),
        ("SMTP_DOMAIN_RATES", "@gmail.com=20", "'@gmail.com' is not a domain"),
        ("SMTP_DOMAIN_RATES", "gmail.com=20 Gmail.com=5", "each name once"),
        ("DKIM_KEYS", "our/selector=nov.pem", "'our/selector' is not a selector"),
        ("SOURCES", " , ", "at least one name"),
        ("ARXIV_CATEGORIES", "", "at least one name"),
        ("FEEDS", f"ftp://papers:{PASSWORD}@lab.example.org/feed", "http:// or https://"),
        ("REPLY_TO", "papers@-.example.org", "address"),
        ("LLM_URL", "ollama", "web address"),
        ("LLM_URL", "http://127.0.0.1:11434/v1", "name a model there in DIGEST_LLM_MODEL"),
        ("LLM_MODEL", "tiny\u202e<b>", "the name of a model"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"DIGEST_{name}", value)
    with pytest.raises(SettingsError) as error:
        settings()
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"DIGEST_{name}: ")
    assert said in line
    assert PASSWORD not in line
    assert "Input should" not in line
    assert "not valid" not in line


def test_two_wrong_values_are_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_POOL_DAYS", "0")
    monkeypatch.setenv("DIGEST_WEB_PORT", "99999")
    with pytest.raises(SettingsError) as error:
        settings()
    assert len(str(error.value).splitlines()) == 2


def test_a_real_mail_server_needs_a_real_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org")
    with pytest.raises(SettingsError, match="write a sender of your own domain"):
        settings()
    monkeypatch.setenv("DIGEST_MAIL_FROM", "Papers <papers@example.org>")
    assert [relay.host for relay in settings().relays] == ["mail.example.org"]


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", f"smtps://papers:{PASSWORD}@mail.example.org")
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"postgresql://papers:{PASSWORD}@db/papers")
    monkeypatch.setenv("DIGEST_REDIS_URL", f"redis://:{PASSWORD}@cache/0")
    monkeypatch.setenv("DIGEST_SECRET_KEY", PASSWORD * 2)
    monkeypatch.setenv("DIGEST_MAIL_FROM", "papers@example.org")
    chosen = settings()
    assert chosen.relays[0].password == PASSWORD
    for text in (repr(chosen), str(chosen), chosen.model_dump_json(), repr(chosen.relays)):
        assert PASSWORD not in text


def test_a_secret_can_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "smtp").write_text(f"smtp://papers:{PASSWORD}@localhost:2525\n")
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", str(tmp_path / "smtp"))
    assert settings().relays[0].port == 2525
    assert unknown_variables() == []


def test_a_secret_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"DIGEST_SMTP_URL_FILE: cannot read .*absent"):
        settings()


def test_the_environment_wins_over_the_file_of_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DIGEST_TITLE='From the file'\nDIGEST_WEB_PORT=9000\n")
    monkeypatch.setenv("DIGEST_TITLE", "From the environment")
    assert (settings().title, settings().web_port) == ("From the environment", 9000)


def test_misspelt_variables_are_noticed_wherever_they_stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DIGEST_TITEL=Papers\n")
    monkeypatch.setenv("DIGEST_MAILFROM", "papers@example.org")
    monkeypatch.setenv("DIGEST_CLOCK_FILE", "/dev/null")
    assert unknown_variables() == ["DIGEST_MAILFROM", "DIGEST_TITEL"]


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "data" / "secret_key").unlink()
    settings().create_secret()
    first = settings().secret_keys
    settings().create_secret()
    file = tmp_path / "data" / "secret_key"
    assert len(first[0]) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Settings().secret_keys == first
    assert [path.name for path in file.parent.iterdir()] == ["secret_key"]


@pytest.mark.processes
def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    (tmp_path / "data" / "secret_key").unlink()
    show = [
        sys.executable,
        "-c",
        "from digest.settings import settings as s; s().create_secret(); print(s().secret_keys)",
    ]
    started = [subprocess.Popen(show, stdout=subprocess.PIPE) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_a_data_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DIGEST_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="DIGEST_DATA_DIR: cannot keep a secret"):
        settings().create_secret()


def test_a_new_key_signs_and_the_old_one_stays_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", f"{'n' * 32} {'o' * 32}")
    assert settings().secret_keys == (b"n" * 32, b"o" * 32)


def test_postgres_addresses_as_hosting_companies_give_them_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgres://papers@db/papers")
    assert settings().database == "postgresql://papers@db/papers"
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgres+psycopg2://papers@/papers?host=/run/postgresql&sslmode=disable")
    assert Settings().database == "postgresql://papers@/papers?host=/run/postgresql&sslmode=disable"


def test_an_encrypted_redis_has_its_certificate_checked_by_both_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_REDIS_URL", f"rediss://:{PASSWORD}@cache:6380/1")
    url = settings().redis_url.get_secret_value()
    ours = redis.Redis.from_url(url).connection_pool.connection_kwargs
    assert ours["ssl_cert_reqs"] == "required"
    assert Connection(broker_url(url)).ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}


def test_a_socket_of_redis_is_understood_by_both_clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = valkey_command(tmp_path, "--port", "0", "--unixsocket", str(tmp_path / "s"))
    process = subprocess.Popen([str(part) for part in command])
    try:
        monkeypatch.setenv("DIGEST_REDIS_URL", f"unix://{tmp_path / 's'}?db=3")
        url = settings().redis_url.get_secret_value()
        wait_for((tmp_path / "s").exists, 10, "the socket")
        assert hint(url)
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            assert client.llen(QUEUE) == 1
    finally:
        process.terminate()
        process.wait()


def test_the_name_for_the_mail_server_has_a_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", "smtp://localhost")
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "https://papers.example.org")
    assert "." in settings().relays[0].ehlo_name
    monkeypatch.setenv("DIGEST_SMTP_EHLO_NAME", "out.example.org")
    assert [relay.ehlo_name for relay in Settings().relays] == ["out.example.org"]


def test_the_generated_reference_is_up_to_date() -> None:
    for path, text in reference.files(ROOT).items():
        assert path.read_text() == text, f"{path.name} differs from digest/settings/: run `make docs`"


def test_the_reference_names_every_setting_and_a_drift_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert reference.main(["--check"], tmp_path) == 1
    assert reference.main([], tmp_path) == 0
    assert reference.main(["--check"], tmp_path) == 0
    written = (tmp_path / "docs" / "configuration.md").read_text()
    assert all(f"### `DIGEST_{name.upper()}`" in written for name in Settings.model_fields)
    (tmp_path / ".env.example").write_text("DIGEST_TITLE=other\n")
    assert reference.main(["--check"], tmp_path) == 1


def test_the_example_file_changes_nothing_when_it_is_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = Settings().model_dump()
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text().replace("\n# DIGEST_", "\nDIGEST_"))
    monkeypatch.delenv("DIGEST_DATA_DIR")
    assert Settings().model_dump() | {"data_dir": None} == plain | {"data_dir": None}


def test_a_list_is_separated_by_spaces_and_commas_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_ARXIV_CATEGORIES", "cs.lg  stat.ML，math、cs.AI；CS.LG")
    monkeypatch.setenv("DIGEST_SOURCES", "arxiv, feeds")
    monkeypatch.setenv("DIGEST_SMTP_DOMAIN_RATES", "gmail.com=20 *=50")
    assert settings().arxiv_categories == ("cs.LG", "stat.ML", "math", "cs.AI")
    assert settings().sources == ("arxiv", "feeds")
    assert settings().smtp_domain_rates == {"gmail.com": 20.0, "*": 50.0}


def test_the_reference_is_in_the_order_of_an_installation() -> None:
    example = reference.env_example()
    order = ["DIGEST_PUBLIC_URL", "DIGEST_DATABASE_URL", "DIGEST_MAIL_FROM", "DIGEST_SMTP_URL", "DIGEST_SOURCES"]
    assert sorted(order, key=example.index) == order
