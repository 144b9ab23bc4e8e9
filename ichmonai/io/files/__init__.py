"""The bytes of images: files, members of archives, and how much of them is read."""
