"""The service's side of AWS IoT Device Defender: what a report may be, and what is answered."""
