"""Quality at the door."""
