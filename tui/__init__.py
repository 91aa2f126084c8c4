"""The screen: shows a run from its events and sends orders; it never holds the only copy."""
