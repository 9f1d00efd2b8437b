"""One metric a file: columns in, per-row scores out. A scorer is a frozen dataclass of options."""
