"""The PILOT benchmark as the built-in ``interactive`` executor.

A model is given a task and a registry of unreliable tools and must find and run the required ones
in the required order. The package is apart from the rest of the host because it is an executor like
any other: it touches attempts only through the public ctx (`runner.host.bench.ctx`), and its entry
points are ``prepare``, ``run`` and ``score`` in `runner.host.bench.executor`.
"""
