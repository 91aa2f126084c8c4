"""What screens are made of; a widget draws a view model and knows no run."""
