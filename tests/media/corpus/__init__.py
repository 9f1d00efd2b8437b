"""Files and inputs of every kind, healthy, odd and broken, each with what must come of it.

Every frame shows its own number (`tests.clips.coded_frame`), and second k of a sound is a tone of 300 + 100 k Hz: what
is right follows from how a file is made. ``python -m tests.media.corpus.generate FOLDER`` writes them all.
"""
