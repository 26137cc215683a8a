"""Ganita builds small language models of mathematics from nothing, on one machine.

Data goes one way, and so do imports; no room imports one to its right:

    corpus -> tokenizer -> shards -> model -> train -> solve -> evaluate -> serve -> report
"""

__version__ = "0.1.0"
