"""No answer is torn while the feed is published again and again: the benchmark's own check, for two seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "serving.py"


def test_no_answer_is_torn_while_publishing_in_a_loop() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATE_")}
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--only", "torn", "--torn-seconds", "2"],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["while_published_in_a_loop"]
    assert (found["torn"], found["first_faults"]) == (0, [])
    assert found["versions"] > 2
    assert sum(found["answers"].values()) > 50
    assert {"200 gzip", "200 br", "200 identity"} <= found["answers"].keys()
