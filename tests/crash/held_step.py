"""What a step of `test_documents_killed.py` runs: `python held_step.py FOLDER`.

Says that it runs, refuses to run beside another attempt of its step, and stays if it is the one to be killed.
"""

import fcntl
import json
import os
import signal
import sys
from pathlib import Path

folder = Path(sys.argv[1])
key, attempt = os.environ["CPF_STEP_KEY"], int(os.environ["CPF_ATTEMPT"])
lock = (folder / f"lock {key.replace('/', '|')}").open("w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit("an earlier attempt still runs")
with (folder / "performed").open("a") as log:
    log.write(f"{key} {attempt}\n")
if key == os.environ.get("VICTIM") and attempt <= int(os.environ.get("DEATHS", "1")):
    with (folder / "begun").open("w") as pipe:  # opens when the test reads
        pipe.write(key)
    signal.pause()
sys.stdout.write(json.dumps({"said": key}))
