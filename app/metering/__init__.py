"""The door of readings, whether they come over HTTP or over MQTT."""
