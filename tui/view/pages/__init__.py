"""What the screens beside the fleet show: one module for each, without Textual."""
