"""What volumes of all formats have in common: their geometry, and how nibabel and ITK read them."""
