"""Audio: files, tracks of videos and arrays, to samples on the clock of the video."""
