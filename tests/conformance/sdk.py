"""sdk.py - finds the official `openai` package: in this Python, or in the virtual environment that tools/conformance.sh
makes outside the tree. Without it the tests that need it are skipped."""
import glob
import os
import sys

from harness import Skip


def load():
    try:
        import openai
        return openai
    except ImportError:
        pass
    home = os.environ.get("GLIM_CONFORMANCE", os.path.expanduser("~/.cache/glim/conformance"))
    # Only an environment of the same Python: its packages hold compiled parts.
    for folder in glob.glob(os.path.join(home, "venv", "lib", "python%d.%d" % sys.version_info[:2], "site-packages")):
        sys.path.append(folder)
        try:
            import openai
            return openai
        except ImportError:
            sys.path.remove(folder)
    raise Skip("the openai package is not installed: run tools/conformance.sh")
