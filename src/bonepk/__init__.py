"""Bone, estrogen and drugs: symbolic models, compiled simulation, trials as data, decisions."""

__version__ = "0.1.0"
