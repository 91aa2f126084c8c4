"""What an engine that leaves in order says last: that its run has ended, and nothing behind it."""

import subprocess
import sys

from support.running import PACKAGE, Project, checked, held, wait_for

from runner.core import events as ev
from runner.runs import engine_alive

PULSE_EVERY_TURN = """
import sys
from runner.engine import loop
from runner.engine.__main__ import main
loop.PULSE_S = 0.0
sys.exit(main())
"""


def test_no_pulse_falls_behind_the_end(project: Project) -> None:
    run = project.launch(project.write(tasks=4, workers=2, code=held("t003")))
    run.until(lambda state: state.done)
    assert run.ask("stop")["ok"]
    run.ended()
    project.go()
    # In one run of some ten its second was over in the very turn that ended it: here in each.
    subprocess.run(
        [sys.executable, "-c", PULSE_EVERY_TURN, str(run.dir), "--ready-fd", "1"],
        cwd=PACKAGE,
        check=True,
        capture_output=True,
        timeout=60,
    )
    wait_for(lambda: not engine_alive(run.dir))
    last = run.events()[-1]
    assert isinstance(last, ev.RunEnded)
    assert last.status == "finished"
    checked(run)
