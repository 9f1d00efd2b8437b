"""Backends of the vision tower: rebuilt, compiled or converted, with packed linear layers and fitting batch sizes."""
