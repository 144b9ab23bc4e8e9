"""Find and read head CT."""
