"""Scores shown to people: an HTML page, plots, and which word met which frame."""
