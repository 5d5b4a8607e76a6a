"""Messages over MQTT: taken in batches, acknowledged when they are dealt with."""
