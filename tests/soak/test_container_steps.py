"""The steps of deploy/container/Dockerfile in a clean Debian, where no container builder is needed.

Each stage is a copy of a root made by debootstrap, with Debian's Python instead of the image's. The programs then run
as the image's user in a root that is mounted read-only, as compose.yaml asks. It needs root, debootstrap and the
network.
"""

import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from digest.run import processes
from tests.support.clean_root import ROOT
from tests.support.dockerfile import DATA, Image
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(3600)

PORT = 8731
_READY = os.environ.get("DIGEST_IMAGE_ROOT", "")  # made by debootstrap
_NEEDED = ("debootstrap", "chroot", "mount", "unshare")
_INSTALLED = "python3,python3-venv,ca-certificates"


@pytest.fixture
def closed_network():
    """Allow the network: packages come from Debian and an index."""


@pytest.fixture
def base():
    if os.geteuid() or not all(map(shutil.which, _NEEDED)):
        pytest.skip("a clean root needs root and debootstrap")
    folder = Path(_READY or "/var/tmp/digest-image-root")
    if not (folder / "usr/bin/python3").exists():
        make = ["debootstrap", "--variant=minbase", f"--include={_INSTALLED}", "bookworm", str(folder)]
        subprocess.run(make, check=True, capture_output=True)
    (folder / "usr/local/bin/python").unlink(missing_ok=True)
    (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")  # its name in the image
    for file in ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"):
        shutil.copy(file, folder / file.lstrip("/"))
    return folder


@pytest.fixture
def image(base, tmp_path):
    target = Path("/var/tmp") / f"digest-image-{os.getpid()}"
    made = Image(base, target)
    target.mkdir()
    yield made
    shutil.rmtree(target)


def test_the_steps_make_programs_that_run_without_root_and_write_only_their_data(image, redis_url, smtp_server):
    image.build(ROOT / "deploy" / "container" / "Dockerfile")
    image.environment |= {
        "DIGEST_PUBLIC_URL": "https://papers.example.org",
        "DIGEST_MAIL_FROM": "digest@example.org",
        "DIGEST_SMTP_URL": smtp_server.url,
        "DIGEST_REDIS_URL": redis_url,
        "DIGEST_SOURCES": "feeds",
        "DIGEST_SECRET_KEY": "0123456789abcdef" * 4,
    }
    assert (image.user, image.folder.joinpath(DATA.lstrip("/")).stat().st_uid) == ("10001", 10001)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(image.program(entry="touch /etc/written"), check=True)
    subprocess.run(image.program("migrate"), check=True)
    web = image.program("web", "--host", "127.0.0.1", "--port", str(PORT))
    running = [subprocess.Popen(command) for command in (web, image.program("worker"), image.program("scheduler"))]
    try:
        wait_for(lambda: processes.answers(PORT), 60, "the pages")
        _sign_up()
        wait_for(lambda: smtp_server.taken_for("ada@example.com"), 120, "the confirmation")
    finally:
        for process in reversed(running):
            processes.stop(process, patience=60)


def _sign_up():
    form = urllib.parse.urlencode({"email": "ada@example.com"}).encode()
    headers = {"Origin": "https://papers.example.org", "X-Forwarded-Proto": "https"}
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{PORT}/subscribe", form, headers))
