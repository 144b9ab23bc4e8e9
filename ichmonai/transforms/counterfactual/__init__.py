"""Random changes of what a slice shows: of whether it bleeds, with its label, and of what looks like blood."""
