"""The limits of a process."""

import subprocess
import sys

RAISED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 90))
from digest.run.processes import file_limit, raise_file_limit
print(file_limit())
raise_file_limit()
print(file_limit())
"""


def test_the_limit_of_open_files_is_raised_as_far_as_the_system_allows() -> None:
    done = subprocess.run([sys.executable, "-c", RAISED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["50", "90"]
