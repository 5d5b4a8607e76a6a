"""Methodologies of a made-up city; the YAML files beside this one say it all."""
