"""Read head CT of any format into HU on its native slices."""
