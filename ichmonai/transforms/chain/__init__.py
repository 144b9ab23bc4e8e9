"""What every slice passes on its way to a network."""
