"""Public sets by name: what they are, under which licence, and where to find them.

text.toml, code.toml, problems.toml, benchmarks.toml   the sets, as data (docs/sets.md says how each was checked)
sets.py        the registry: GANITA_DATA first, then the hub's cache, then the hub
hub.py         files of a repository of the Hugging Face hub, from the cache or downloaded into it
download.py    one file over HTTP, going on where it was cut off
listing.py     `ganita corpus list`, `show` and `get`
"""
