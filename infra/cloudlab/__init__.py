"""A lab whose two sites are regions of the AWS simulator: Temporal, the workers and the shop's users are real, the cloud
is not. It stands on the chassis of `infra.lab`."""
