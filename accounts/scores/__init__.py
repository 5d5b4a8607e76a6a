"""Scores: cards as dated texts, the pure score with its reasons, the same in SQL over monthly deeds, snapshots."""
