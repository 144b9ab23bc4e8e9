"""Pictures that are no head CT in a brain window, by class."""
