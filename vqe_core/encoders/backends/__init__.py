"""Backends that an encoder computes with: its towers, rebuilt, packed, compiled or converted to be fast."""
