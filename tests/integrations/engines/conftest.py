"""``inside_*.py`` run in environments that have their engine, by ``test_engines.py``, which names them."""

collect_ignore_glob = ["inside_*.py"]
