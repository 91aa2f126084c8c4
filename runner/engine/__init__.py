"""The engine: one process that logs, folds, decides and writes; it runs no foreign code."""
