"""What should be done next: functions of (state, now) that return orders and do nothing.

The engine carries the orders out. Each rule is the contract's "Life of a task"; time is passed in,
so every one of them is tested with a clock that jumps.
"""
