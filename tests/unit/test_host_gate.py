"""Interruptions arrive in executor code and nowhere else."""

import cProfile
import threading
import time

from runner.host.gate import Gate, Interrupted


def in_thread(job):
    """Run a job; the thread and a list that gets what it raised."""
    raised = []

    def guarded():
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - what is tested is no Exception
            raised.append(type(error))

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread, raised


def test_an_open_gate_lets_it_through():
    gate, ready = Gate(), threading.Event()

    def spin():
        gate.open()
        ready.set()
        while True:
            pass

    thread, raised = in_thread(spin)
    ready.wait(5)
    assert gate.interrupt()
    thread.join(5)
    assert raised == [Interrupted]


def test_a_shut_gate_sends_nothing():
    gate = Gate()
    assert not gate.interrupt()
    gate.open()
    gate.shut()
    assert not gate.interrupt()


def test_what_has_not_arrived_is_withdrawn():
    """Sent while the thread is blocked in C, withdrawn when it shuts the gate."""
    gate, ready = Gate(), threading.Event()
    survived = []

    def leave():
        gate.open()
        ready.set()
        time.sleep(0.2)  # blocked in C: the exception waits for the next bytecode
        gate.shut()
        survived.append(True)

    for _ in range(3):
        ready.clear()
        thread, raised = in_thread(leave)
        ready.wait(5)
        gate.interrupt()
        thread.join(5)
        assert raised == [Interrupted]  # it arrives on the way into shut(), never behind it
        gate.shut()
    assert survived == []


def test_hammering_never_leaves_a_lock_taken():
    """The reason for the gate: our locks must be free whatever the ladder does."""
    gate, lock, done = Gate(), threading.Lock(), threading.Event()
    entered = [0]

    def work():
        try:
            while not done.is_set():
                try:
                    gate.open()
                    while True:
                        with gate.shut_for_block(), lock:
                            entered[0] += 1
                except Interrupted:
                    pass
        finally:
            gate.shut()

    thread, _ = in_thread(work)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        gate.interrupt()
        time.sleep(0.0005)
    done.set()
    while thread.is_alive():
        gate.interrupt()
        thread.join(0.01)
    assert entered[0] > 10
    assert lock.acquire(timeout=1)


def test_a_block_in_another_thread_changes_nothing():
    gate = Gate()
    gate.open()
    thread, raised = in_thread(lambda: gate.shut_for_block().__enter__())
    thread.join(5)
    assert raised == []
    assert gate.ident == threading.get_ident()


def test_nothing_stays_behind_that_would_hang_a_profiler():
    """Taken back the simple way, it would: see `_withdraw`."""
    gate, profiler, ready = Gate(), cProfile.Profile(), threading.Event()
    ended = []

    def work():
        gate.open()
        ready.set()
        try:
            time.sleep(0.1)  # the interruption comes meanwhile, and arrives or is taken back
            gate.shut()
        except Interrupted:
            gate.shut()
        gate.open()
        gate.shut()
        profiler.enable()
        ended.append(min(range(1000), key=lambda number: -number))
        profiler.disable()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(5)
    gate.interrupt()
    thread.join(5)
    assert ended == [999]
