"""The host: a process with worker threads that runs executors and can always be killed."""
