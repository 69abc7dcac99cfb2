"""A lab whose two sites are regions of the AWS simulator: Temporal, workers and the shop's users are real processes,
the cloud is not. It stands on the chassis of `infra.lab`."""
