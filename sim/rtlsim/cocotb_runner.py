"""Calls cocotb's own runner as a process of its own: a script, started by ``cocotb_replay``.

Its one argument is a JSON file: ``path`` (``sys.path`` of the caller, which finds testbenches),
``simulator``, ``step`` (``build`` or ``test``) and its keyword ``arguments``.
"""

import json
import os
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text())
    sys.path[:] = plan["path"]  # the runner hands it on to the simulator
    from cocotb_tools.runner import get_runner

    try:
        getattr(get_runner(plan["simulator"]), plan["step"])(**plan["arguments"])
    except RuntimeError as error:  # which tells the status of a program only in words
        killed = re.search(r"return code: -(\d+)", str(error))
        if killed is None:
            raise
        os.kill(os.getpid(), int(killed[1]))
