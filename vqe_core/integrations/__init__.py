"""Where scorers meet other packages. Nothing here computes a score."""
