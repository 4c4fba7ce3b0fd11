"""The files in deploy/: the proxies serve a real request, and the units and the containers are valid."""

import re
import shutil
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
import yaml

from digest.run import processes
from tests.support.certificates import authority, signed
from tests.support.waiting import wait_for

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = ("migrate", "web", "worker", "scheduler")


def program(name):
    path = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
    if not path:
        pytest.skip(f"there is no {name} on this machine")
    return path


@pytest.fixture
def upstream():
    """Answers with the path and the headers of the request."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self):
            lines = [self.path, *(f"{name.lower()}: {value}" for name, value in self.headers.items())]
            body = "\n".join(lines).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_arguments): ...

    server = ThreadingHTTPServer((processes.LOOPBACK, 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def serving(command, port, log):
    with log.open("wb") as output:
        proxy = processes.start(command, output=output)
    try:
        wait_for(lambda: processes.answers(port) or proxy.poll() is not None, 30, "the proxy")
        assert proxy.poll() is None, log.read_text()
        yield
    finally:
        processes.stop(proxy)


# --- nginx ---


@pytest.fixture
def nginx(tmp_path, upstream):
    """Run the example with the paths and ports of this test, also under a path; yields its address and authority."""
    folder, issuer, tls, plain = tmp_path, authority(), processes.free_port(), processes.free_port()
    key = signed(issuer).save(folder / "server.pem")
    example = (DEPLOY / "nginx" / "digest.conf").read_text()
    example = re.sub(r"# (location [^\n]*/papers)", r"\1", example)
    for pattern, ours in (
        (r"listen 80;", f"listen {processes.LOOPBACK}:{plain};"),
        (r"listen 443 ssl", f"listen {processes.LOOPBACK}:{tls} ssl"),
        (r"listen \[::\][^\n]*", ""),
        (r"(ssl_certificate(?:_key)?) [^\n]*", rf"\1 {key};"),
        (r"server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
    ):
        example, count = re.subn(pattern, ours, example)
        assert count, pattern
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{name}_temp_path {folder}/{name};" for name in names)
    alone = f"daemon off; master_process off; pid {folder}/pid; error_log stderr;"
    everywhere = f"{paths} access_log {folder}/access.log;"
    (folder / "nginx.conf").write_text(f"{alone}\nevents {{}}\nhttp {{ {everywhere}\n{example}}}\n")
    command = [program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with serving(command, tls, folder / "nginx.log"):
        context = ssl.create_default_context(cadata=issuer.certificate.public_bytes(_pem()).decode())
        with httpx2.Client(base_url=f"https://127.0.0.1:{tls}", verify=context, trust_env=False) as browser:
            yield browser, f"http://127.0.0.1:{plain}"


def _pem():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


@pytest.mark.processes
def test_nginx_passes_on_the_real_client_whatever_it_claims_and_asks_for_https_only(nginx, tmp_path):
    browser, plain = nginx
    answer = browser.get("/u/a-token?x=1", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"})
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    path, *headers = answer.text.splitlines()
    assert path == "/u/a-token?x=1"
    assert "x-forwarded-for: 127.0.0.1" in headers
    assert "x-forwarded-proto: https" in headers
    moved = httpx2.get(f"{plain}/u/a-token", trust_env=False)
    assert (moved.status_code, moved.headers["location"]) == (301, "https://papers.example.org/u/a-token")
    assert (tmp_path / "access.log").read_text() == "", "it would hold the tokens of links"


@pytest.mark.processes
def test_nginx_limits_the_forms_that_send_email_but_not_one_click_requests(nginx):
    browser, _ = nginx
    codes = [browser.post("/subscribe", data={"email": "ada@example.com"}).status_code for _ in range(30)]
    assert (codes[:10], codes[-1]) == ([200] * 10, 429)
    assert {browser.post("/u/a-token", data={"List-Unsubscribe": "One-Click"}).status_code for _ in range(30)} == {200}


@pytest.mark.processes
def test_nginx_serves_under_a_path_of_another_site(nginx):
    browser, _ = nginx
    assert browser.get("/papers/issues?page=2").text.splitlines()[0] == "/issues?page=2"
    assert browser.get("/papers").headers["location"].endswith("/papers/")


# --- Caddy ---


@pytest.mark.processes
def test_caddy_passes_on_the_real_client_whatever_it_claims(tmp_path, upstream, monkeypatch):
    caddy, port = program("caddy"), processes.free_port()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    example = (DEPLOY / "caddy" / "Caddyfile").read_text()
    file = tmp_path / "Caddyfile"
    checked = [caddy, "validate", "--adapter", "caddyfile", "--config"]
    file.write_text(re.sub(r"(?m)^# (?=www|\t|\})", "", example))
    both = subprocess.run([*checked, str(file)], capture_output=True, text=True, check=False)
    assert both.returncode == 0, both.stderr
    # Without a certificate, which it would request from an authority.
    plain = example.replace("papers.example.org {", f"http://127.0.0.1:{port} {{").replace(":8000", f":{upstream}")
    file.write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{plain}")
    with serving([caddy, "run", "--adapter", "caddyfile", "--config", str(file)], port, tmp_path / "caddy.log"):
        answer = httpx2.get(f"http://127.0.0.1:{port}/x", headers={"X-Forwarded-For": "203.0.113.9"}, trust_env=False)
    assert "x-forwarded-for: 127.0.0.1" in answer.text.splitlines()
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


# --- systemd ---


def test_the_units_are_valid_and_restrict_the_programs(tmp_path):
    analyze = program("systemd-analyze")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/digest/bin/digest", "/bin/true"))
        shown = subprocess.run(
            [analyze, "security", "--offline=true", "--threshold=20", str(tmp_path / unit.name)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stdout[-300:]
    units = [str(tmp_path / unit.name.replace("@", "@1")) for unit in UNITS]
    shutil.copy(tmp_path / "digest-worker@.service", tmp_path / "digest-worker@1.service")
    verified = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_each_program_waits_for_the_upgrade_of_the_database_and_has_time_to_stop():
    texts = {unit.name: unit.read_text() for unit in UNITS}
    assert set(texts) == {
        "digest-migrate.service", "digest-scheduler.service", "digest-web.service", "digest-worker@.service",
    }  # fmt: skip
    migrate = texts.pop("digest-migrate.service")
    assert "Type=oneshot" in migrate
    for text in texts.values():
        assert "Requires=digest-migrate.service" in text
        assert re.search(r"After=.* digest-migrate.service", text)
        assert "Restart=always" in text
    assert "KillMode=mixed" in texts["digest-worker@.service"], "else children die with a message on the wire"


# --- containers ---


@pytest.mark.parametrize("name", OURS)
def test_a_container_cannot_write_outside_of_its_volumes_or_gain_rights(name):
    service = COMPOSE["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "data:/var/lib/digest" in service["volumes"]


def test_the_image_runs_without_root_and_checks_its_pages():
    lines = (DEPLOY / "container" / "Dockerfile").read_text().splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(begins) == 2
    last = lines[begins[-1] :]
    assert "USER 10001" in last
    assert any(line.startswith("HEALTHCHECK") for line in last)
    assert "/readyz" in "".join(last)


def test_the_services_have_what_they_need_and_the_image_copies_no_ignored_file():
    services, root = COMPOSE["services"], DEPLOY.parent
    assert set(services) == {*OURS, "postgres", "valkey", "relay"}
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert services["relay"]["profiles"] == ["relay"]
    kept = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    lines = (DEPLOY / "container" / "Dockerfile").read_text().splitlines()
    copied = {name for line in lines if re.match(r"COPY (?!--from)", line) for name in line.split()[1:-1]}
    assert copied == kept
    assert all((root / name).exists() for name in copied)
