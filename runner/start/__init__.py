"""Starting runs, from the user's process: it may end at any moment, what it starts needs nobody."""
