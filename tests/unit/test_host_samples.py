"""What the kernel says of our threads and children, asked the cheap way."""

import subprocess
import sys
import threading

import pytest
from support.running import wait_for

from runner.host import samples

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's answers")


def test_a_thread_that_does_not_move_uses_nothing():
    go, moved, end = threading.Event(), threading.Event(), threading.Event()

    def work():
        go.wait()
        moved.set()
        end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    native = thread.native_id or 0
    while samples.clock(native).state != "S":
        pass
    still = samples.used_ns(native)
    assert still > 0
    assert samples.used_ns(native) == still
    go.set()
    assert moved.wait(5)
    assert samples.used_ns(native) > still
    end.set()
    thread.join(5)
    wait_for(lambda: samples.used_ns(native) == 0)  # the kernel's thread ends after Python's


CHILDREN = """
import subprocess, sys, threading
from runner.host import children

started = []
def start():
    started.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

found = [children.are_any()]
thread = threading.Thread(target=start)
thread.start()
thread.join()
found.append(children.are_any())
started[0].communicate(b"go", timeout=10)
print(*found, children.are_any())
"""


def test_children_of_any_thread_are_known_until_they_are_waited_for():
    """In a process of its own: this one may have children of other tests."""
    done = subprocess.run([sys.executable, "-c", CHILDREN], capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"True", b"False"]
