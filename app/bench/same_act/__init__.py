"""How well reports of one act are told from reports of two: real trips, made-up noise, precision and recall."""
