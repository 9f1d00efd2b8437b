"""Pages in a browser for the Spaces of ``metrics/``. Needs gradio: pip install vqe-core[app]."""
