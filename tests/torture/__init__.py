"""Long runs of hostile input: scripts that print what it costs; small turns of them are tests."""
