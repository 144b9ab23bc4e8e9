"""What finds the head, the inside of the skull and blood in a slice, without a network."""
