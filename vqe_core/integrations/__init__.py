"""Meeting points of scorers and other packages. Nothing here computes a score."""
