"""From a name to a predictor, while Python imports the rest."""

import subprocess
import sys
from pathlib import Path

# A module's spec says whether it is still being imported; numpy must not be, where the other thread begins.
CODE = """
import sys
from pneumoscope.runtime import loading

def load_network(*arguments):
    numpy = sys.modules.get("numpy")
    print("numpy is", "whole" if numpy and not numpy.__spec__._initializing else "not whole")
    return begin(*arguments)

begin, loading.load_network = loading.load_network, load_network
print(loading.load(sys.argv[1]).bundle.identity)
"""


def test_numpy_is_whole_before_the_other_thread_imports_it(tiny: Path) -> None:
    """onnxruntime imports numpy, too, and two threads that do so at once may see half of it."""
    done = subprocess.run([sys.executable, "-c", CODE, str(tiny)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["numpy is whole", "tiny 0.1.0"]
