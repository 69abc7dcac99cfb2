"""What Seawall runs on: the lab, and what a deployment needs."""
