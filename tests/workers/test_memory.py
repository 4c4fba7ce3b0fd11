"""A worker process and its memory."""

import platform
import subprocess
import sys

import pytest

# Windows of 50 messages, two on the wire while the next is composed. The pages that the system clears are counted.
WINDOWS = """
from collections import deque
from resource import RUSAGE_SELF, getrusage
from workers.memory import keep_freed_memory

def send(windows):
    on_wire = deque(maxlen=2)
    for _ in range(windows):
        on_wire.append([b"".join([b"x" * 1000] * 22) for _ in range(50)])

keep_freed_memory()
send(10)
before = getrusage(RUSAGE_SELF).ru_minflt
for _ in range(10):
    send(10)
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed memory or have no option")
def test_the_memory_of_sent_messages_is_used_again():
    result = subprocess.run([sys.executable, "-c", WINDOWS], check=True, capture_output=True, text=True)

    assert int(result.stdout) < 500  # pages for 5,000 messages
