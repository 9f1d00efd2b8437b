"""Videos: the frame index of a file, the packets that hold a frame, and readers that decode it."""
