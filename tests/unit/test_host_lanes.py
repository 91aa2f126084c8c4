"""The free lanes of a wrapped script."""

import threading

from runner.host.lanes import _Free


def test_the_lowest_free_lane_is_taken_first() -> None:
    free = _Free([4, 2, 9])
    assert [free.get(0.0), free.get(0.0)] == [2, 4]
    free.put(1)
    assert [free.get(0.0), free.get(0.0), free.get(0.0)] == [1, 9, None]


def test_who_waits_gets_the_lane_that_is_put_back() -> None:
    free = _Free([])
    got: list[int | None] = []
    waiters = [threading.Thread(target=lambda: got.append(free.get(60.0))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    for worker in (5, 6, 7):
        free.put(worker)
    for waiter in waiters:
        waiter.join(60.0)
    assert sorted(got, key=str) == [5, 6, 7]
