"""`python -m pneumoscope`, which torchrun and machines without scripts on their path use."""

import subprocess
import sys

import pneumoscope


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "pneumoscope", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pneumoscope {pneumoscope.__version__}\n", "")


def test_its_errors_and_their_status_too():
    done = subprocess.run(
        [sys.executable, "-m", "pneumoscope", "models", "absent"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("pneumoscope: there is no bundle 'absent'")
