"""What the service does with scores: deeds counted by month, cards in force by region, snapshots, conduct."""
