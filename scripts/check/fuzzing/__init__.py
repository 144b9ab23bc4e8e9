"""Coverage-guided fuzzing of every reader: targets, mutations by structure, and what may come out."""
