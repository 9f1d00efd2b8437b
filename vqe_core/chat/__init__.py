"""Chat models that see or hear: what they are sent, how often and how long they are asked, and what they said."""
