"""Find head CT by its headers: files, images, series, and the one of a study to predict on."""
