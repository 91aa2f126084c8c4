"""Reading runs from their folders: log, transcript, results. Nothing here writes or steers."""
